import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, test } from 'vitest'
import { bodyOf, onStop, startAdmittedTab, startTab, startTestRelay, stopAll, TestKey, temporaryDirectory, until } from './relay-fixture.ts'

afterEach(stopAll)

const soon = () => AbortSignal.timeout(15_000)

describe('two homeservers with a relay in common', () => {
  test('exchange requests over a circuit, each under the key that its name holds', async () => {
    const { ready } = await startTestRelay()
    const alice = await startAdmittedTab({ relays: [ready] })
    const bob = await startAdmittedTab({ relays: [ready] })
    const request = alice.key.request({
      from: alice.label,
      to: bob.label,
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/1',
      content: { pdus: [] },
    })
    const response = await alice.transport.request(bob.label, request, soon())
    expect(response.status).toBe(200)
    expect(await bodyOf(response)).toEqual(request.body)
    expect(bob.received).toEqual([{ surface: 'federation', address: alice.status().peerId, request }])
    expect(bob.status().peers).toEqual([{ label: alice.label, direct: false }])
    expect(alice.transport.route(bob.label)).toBe('relayed')
  })

  test('tell their homeservers who has become reachable, under every name met', async () => {
    const { ready } = await startTestRelay()
    const alice = await startAdmittedTab({ relays: [ready] })
    const bobsKey = new TestKey()
    const name = `${bobsKey.label}.relay.example`
    const version = { method: 'GET', uri: '/_matrix/federation/v1/version', headers: {} }
    await expect(alice.transport.request(name, version, soon())).rejects.toThrow('does not know')
    const seen: string[] = []
    alice.transport.onReachable((server) => seen.push(server))
    const bob = await startAdmittedTab({ relays: [ready], key: bobsKey })
    await bob.transport.request(alice.label, version, soon())
    await until(() => seen.includes(name) && seen.includes(bob.label))
    expect(alice.transport.route(name)).toBe('relayed')
  })

  test('carry large bodies and many requests at once', async () => {
    const { ready } = await startTestRelay()
    const alice = await startAdmittedTab({ relays: [ready] })
    const body = crypto.getRandomValues(new Uint8Array(60_000))
    const film = new Uint8Array(4 << 20).fill(7)
    const bob = await startAdmittedTab({
      relays: [ready],
      handle: async ({ request }) => ({
        status: 200,
        headers: {},
        body: request.method === 'GET' ? film : (request.body ?? new Uint8Array()),
      }),
    })
    const whole = await alice.transport.request(
      bob.label,
      { method: 'GET', uri: '/_matrix/federation/v1/media/download/a', headers: {} },
      soon(),
    )
    expect(Buffer.compare(await bodyOf(whole), film)).toBe(0)
    const put = { method: 'PUT', uri: '/_matrix/federation/v1/send/1', headers: {}, body }
    const answers = await Promise.all(Array.from({ length: 60 }, () => alice.transport.request(bob.label, put, soon()).then(bodyOf)))
    for (const answer of answers) expect(Buffer.compare(answer, body)).toBe(0)
  })

  test('find each other again after the relay was restarted', { timeout: 60_000 }, async () => {
    const dataDir = temporaryDirectory()
    const first = await startTestRelay({ dataDir })
    const port = Number(/\/tcp\/(\d+)\//.exec(first.ready.address)?.[1])
    const alice = await startAdmittedTab({ relays: [first.ready] })
    const bob = await startAdmittedTab({ relays: [first.ready] })
    const version = { method: 'GET', uri: '/_matrix/federation/v1/version', headers: {} }
    expect((await alice.transport.request(bob.label, version, soon())).status).toBe(200)
    await first.stop()
    await until(() => [alice, bob].every((tab) => tab.status().relays[0]?.state === 'connecting'))
    await until(() => alice.transport.route('example.org') === 'queued')
    await expect(alice.transport.request(bob.label, version, soon())).rejects.toThrow()
    const second = await startTestRelay({ dataDir, libp2p: { port } })
    expect(second.ready.address).toBe(first.ready.address)
    await until(() => [alice, bob].every((tab) => tab.status().relays[0]?.state === 'admitted'), 40_000)
    expect((await alice.transport.request(bob.label, version, soon())).status).toBe(200)
  })

  test('reach only the Server-Server API of each other', async () => {
    const { ready } = await startTestRelay()
    const alice = await startAdmittedTab({ relays: [ready] })
    const bob = await startAdmittedTab({ relays: [ready] })
    for (const uri of ['/_matrix/client/v3/sync', '/_synapse/admin/v1/register', '/']) {
      expect((await alice.transport.request(bob.label, { method: 'GET', uri, headers: {} }, soon())).status).toBe(404)
    }
    const sneaky = { method: 'GET', uri: '/_matrix/federation/%2e%2e/client/v3/sync', headers: {} }
    await expect(alice.transport.request(bob.label, sneaky, soon())).rejects.toThrow()
    expect(bob.received).toEqual([])
  })
})

describe('admission', () => {
  const states = (tab: Awaited<ReturnType<typeof startTab>>) => tab.status().relays.map(({ state }) => state)

  test('needs the token, which is made once and stays', async () => {
    const dataDir = temporaryDirectory()
    const relay = await startTestRelay({ dataDir })
    const { address } = relay.ready
    const without = await startTab({ relays: [{ address }] })
    const wrong = await startTab({ relays: [{ address, token: 'guess' }] })
    await until(() => [...states(without), ...states(wrong)].every((state) => state === 'refused'))
    await relay.stop()
    expect((await startTestRelay({ dataDir })).ready.token).toBe(relay.ready.token)
  })

  test('is needed for circuits too', async () => {
    const { ready } = await startTestRelay()
    const alice = await startAdmittedTab({ relays: [ready] })
    const stranger = await createLibp2p({
      transports: [webSockets(), circuitRelayTransport()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() },
    })
    onStop(() => stranger.stop())
    await stranger.dial(multiaddr(ready.address))
    await expect(stranger.dial(multiaddr(`${ready.address}/p2p-circuit/p2p/${alice.status().peerId}`))).rejects.toThrow()
  })

  test('is by list or open where the configuration says so', async () => {
    const key = new TestKey()
    const listed = await startTestRelay({ admission: { mode: 'allowlist', labels: [key.label] } })
    expect(listed.ready.token).toBeUndefined()
    await startAdmittedTab({ relays: [listed.ready], key })
    const stranger = await startTab({ relays: [listed.ready] })
    await until(() => states(stranger)[0] === 'refused')
    const open = await startTestRelay({ admission: { mode: 'open' } })
    await startAdmittedTab({ relays: [open.ready] })
  })

  test('tells an instance that was overtaken by a higher incarnation, with the proof', async () => {
    const { ready } = await startTestRelay()
    const key = new TestKey()
    const restored = await startAdmittedTab({ relays: [ready], key, incarnation: 2 })
    await restored.stop()
    const old = await startTab({ relays: [ready], key, incarnation: 1 })
    await until(() => old.superseded.length > 0)
    expect(old.superseded).toEqual([2])
    expect(states(old)).toEqual(['refused'])
  })
})
