import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, test } from 'vitest'
import { wireError } from '../../src/http/wire-response.ts'
import { unauthorized } from '../../src/spec/errors.ts'
import { createAuthority } from './certificates.ts'
import { ask, send, version } from './ordinary-server.ts'
import { echo, startAdmittedTab, startTab, startTestRelay, stopAll, TestKey, temporaryDirectory, until } from './relay-fixture.ts'

afterEach(stopAll)

const domain = 'relay.example'
const sendUri = '/_matrix/federation/v1/send/1'

describe('ordinary servers reach a homeserver that is awake', () => {
  test('through the relay, as if it listened itself', async () => {
    const { ready, url } = await startTestRelay()
    const tab = await startAdmittedTab({ relays: [ready] })
    const host = `${tab.label}.${domain}`
    const request = send(new TestKey(), host, '1')
    const answer = await ask(url, host, { ...request, headers: { ...request.headers, cookie: 'a=b' } })
    expect(answer.status).toBe(200)
    expect(answer.json()).toEqual({ pdus: [] })
    expect(answer.headers['x-uri']).toBe(sendUri)
    expect(tab.received).toEqual([
      {
        surface: 'federation',
        address: '127.0.0.1',
        request: { ...request, headers: { ...request.headers, 'x-forwarded-for': '127.0.0.1' } },
      },
    ])
  })

  test('over TLS with the wildcard certificate', async () => {
    const authority = await createAuthority()
    const directory = temporaryDirectory()
    const { cert, key } = await authority.issue(`*.${domain}`)
    const tls = { certFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') }
    writeFileSync(tls.certFile, cert)
    writeFileSync(tls.keyFile, key)
    const { ready } = await startTestRelay({ federation: { port: 0, tls } })
    const tab = await startAdmittedTab({ relays: [ready] })
    const url = `https://127.0.0.1:${ready.federationPort}`
    expect((await ask(url, `${tab.label}.${domain}`, version, authority.certificate)).status).toBe(200)
  })

  test('by its delegation, with the port of the relay', async () => {
    const { ready, url } = await startTestRelay()
    const tab = await startAdmittedTab({ relays: [ready] })
    const host = `${tab.label}.${domain}`
    const wellKnown = await ask(url, host, { ...version, uri: '/.well-known/matrix/server' })
    expect(wellKnown.json()).toEqual({ 'm.server': `${host}:${ready.federationPort}` })
    expect((await ask(url, `${host}:${ready.federationPort}`, version)).status).toBe(200)
  })

  test('by another name that the configuration gives it', async () => {
    const key = new TestKey()
    const { ready, url } = await startTestRelay({ names: { 'vanity.example': key.label } })
    await startAdmittedTab({ relays: [ready], key })
    expect((await ask(url, 'vanity.example', version)).status).toBe(200)
  })

  test('but for its Server-Server API only', async () => {
    const { ready, url } = await startTestRelay()
    const tab = await startAdmittedTab({ relays: [ready] })
    const host = `${tab.label}.${domain}`
    for (const uri of ['/', '/_matrix/client/versions', '/_matrix/media/v3/config', '/_synapse/admin', '/.well-known/matrix/client']) {
      const answer = await ask(url, host, { ...version, uri })
      expect(answer.status, uri).toBe(404)
      expect(answer.json(), uri).toMatchObject({ errcode: 'M_UNRECOGNIZED' })
    }
    const sneaky = await rawRequest(
      ready.federationPort,
      `GET /_matrix/federation/%2e%2e/client/v3/sync HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    )
    expect(sneaky).toMatch(/^HTTP\/1\.1 400 /)
    expect(tab.received).toEqual([])
  })

  test('and nobody who is not here', async () => {
    const { url } = await startTestRelay()
    for (const host of [`${new TestKey().label}.${domain}`, 'example.org', domain, 'localhost:1', new TestKey().label]) {
      const answer = await ask(url, host, version)
      expect(answer.status).toBe(404)
      expect(answer.json()).toMatchObject({ errcode: 'M_NOT_FOUND' })
    }
  })

  test('with bodies of bounded size', async () => {
    const { ready, url } = await startTestRelay({ limits: { requestMegabytes: 1 } })
    const tab = await startAdmittedTab({ relays: [ready] })
    const host = `${tab.label}.${domain}`
    const large = { ...version, method: 'PUT', uri: sendUri, body: new Uint8Array((1 << 20) + 1) }
    expect((await ask(url, host, large)).json()).toMatchObject({ errcode: 'M_TOO_LARGE' })
    const chunked = { ...large, headers: { 'transfer-encoding': 'chunked' } }
    expect((await ask(url, host, chunked)).status).toBe(413)
    expect((await ask(url, host, { ...large, body: new Uint8Array(1 << 20) })).status).toBe(200)
    expect(tab.received).toHaveLength(1)
  })

  test('while /metrics counts what it does, on a port of its own and without anybody’s name', async () => {
    const { ready, url } = await startTestRelay({ metrics: { port: 0 } })
    const tab = await startAdmittedTab({ relays: [ready] })
    const host = `${tab.label}.${domain}`
    const metrics = `http://127.0.0.1:${ready.metricsPort}`
    await ask(url, host, version)
    await tab.stop()
    await until(async () => (await ask(url, 'x', { ...version, uri: '/health' })).text.includes('"awake":0'))
    await ask(url, host, send(new TestKey(), host, '1'))
    const { status, text } = await ask(metrics, 'any', { ...version, uri: '/metrics' })
    expect(status).toBe(200)
    expect(text).toContain('yurt_relay_request_seconds_count{direction="inbound",status="2xx"} 2')
    expect(text).toContain('yurt_relay_awake_homeservers 0')
    expect(text).toContain('yurt_relay_mail_transactions 1')
    expect(text).not.toContain(tab.label)
    expect((await ask(url, host, { ...version, uri: '/metrics' })).status).toBe(404)
    expect((await ask(metrics, 'any', version)).status).toBe(404)
  })

  test('while /health says how the relay is', async () => {
    const { ready, url } = await startTestRelay()
    await startAdmittedTab({ relays: [ready] })
    expect((await ask(url, 'anything', { ...version, uri: '/health' })).json()).toMatchObject({ status: 'ok', awake: 1 })
  })
})

describe('a homeserver that sleeps', () => {
  async function sleeper(config: Record<string, unknown> = {}) {
    const relay = await startTestRelay(config)
    const key = new TestKey()
    const tab = await startAdmittedTab({ relays: [relay.ready], key })
    const host = `${key.label}.${domain}`
    return {
      relay,
      key,
      host,
      sleep: async () => {
        await tab.stop()
        await until(async () => (await ask(relay.url, 'x', { ...version, uri: '/health' })).text.includes('"awake":0'))
      },
    }
  }

  test('finds the transactions that came meanwhile when it wakes, once, in order, as they were signed', async () => {
    const { relay, key, host, sleep } = await sleeper()
    await sleep()
    const bob = new TestKey()
    const requests = ['a', 'b', 'c'].map((txn) => send(bob, host, txn, { pdus: [], txn }))
    for (const request of requests) {
      for (let twice = 0; twice < 2; twice++) {
        const answer = await ask(relay.url, host, request)
        expect(answer.status).toBe(200)
        expect(answer.json()).toEqual({ pdus: {} })
      }
    }
    const woken = await startAdmittedTab({ relays: [relay.ready], key })
    await until(() => woken.received.length >= 3)
    expect(woken.received).toEqual(requests.map((request) => ({ surface: 'federation', address: `mail:${bob.label}`, request })))
    await until(() => mailCount(relay, key) === 0)
  })

  test('keeps what it could not take for the next time, and what came after it from the same server', async () => {
    const { relay, key, host, sleep } = await sleeper()
    await sleep()
    const bob = new TestKey()
    const carol = new TestKey()
    for (const request of [send(bob, host, '1'), send(bob, host, '2'), send(carol, host, '1')]) await ask(relay.url, host, request)
    const failing = await startAdmittedTab({
      relays: [relay.ready],
      key,
      handle: async (inbound) => (inbound.address === `mail:${bob.label}` ? wireError(unauthorized('No key yet')) : echo(inbound)),
    })
    await until(() => failing.received.length === 2)
    await until(() => mailCount(relay, key) === 2)
    await failing.stop()
    const woken = await startAdmittedTab({ relays: [relay.ready], key })
    await until(() => woken.received.length === 2)
    expect(woken.received.map(({ request }) => request.uri)).toEqual([sendUri, '/_matrix/federation/v1/send/2'])
  })

  test('loses no mail that was acknowledged when the relay restarts', async () => {
    const dataDir = temporaryDirectory()
    const { relay, key, host, sleep } = await sleeper({ dataDir })
    await sleep()
    const request = send(new TestKey(), host, '1')
    expect((await ask(relay.url, host, request)).status).toBe(200)
    await relay.stop()
    const second = await startTestRelay({ dataDir })
    const woken = await startAdmittedTab({ relays: [second.ready], key })
    await until(() => woken.received.length === 1)
    expect(woken.received[0]?.request).toEqual(request)
  })

  test('is sent no mail that nobody signed, or that was signed for another', async () => {
    const { relay, host, sleep } = await sleeper()
    await sleep()
    const bob = new TestKey()
    const signed = send(bob, host, '1')
    const forged = [
      { ...signed, headers: {} },
      { ...signed, uri: '/_matrix/federation/v1/send/2' },
      { ...signed, body: new TextEncoder().encode('{"pdus":[{}]}') },
      send(bob, `${bob.label}.${domain}`, '1'),
      { ...signed, headers: { authorization: (signed.headers.authorization ?? '').replaceAll(bob.label, new TestKey().label) } },
    ]
    for (const request of forged) expect((await ask(relay.url, host, request)).json()).toMatchObject({ errcode: 'M_UNAUTHORIZED' })
    expect((await ask(relay.url, host, signed)).status).toBe(200)
  })

  test('has a mailbox of bounded size, and says so when it is full', async () => {
    const { relay, host, sleep } = await sleeper({ limits: { mailboxTransactions: 2 } })
    await sleep()
    const bob = new TestKey()
    const statuses = []
    for (const txn of ['1', '2', '3', '1']) statuses.push((await ask(relay.url, host, send(bob, host, txn))).status)
    expect(statuses).toEqual([200, 200, 503, 200])
  })

  test('is still known by the keys it published', async () => {
    const relay = await startTestRelay()
    const key = new TestKey()
    const host = `${key.label}.${domain}`
    const document = { server_name: host, verify_keys: {} }
    const tab = await startAdmittedTab({
      relays: [relay.ready],
      key,
      handle: async () => ({ status: 200, headers: {}, body: new TextEncoder().encode(JSON.stringify(document)) }),
    })
    const question = { ...version, uri: '/_matrix/key/v2/server' }
    expect((await ask(relay.url, host, question)).json()).toEqual(document)
    await tab.stop()
    await until(async () => (await ask(relay.url, 'x', { ...version, uri: '/health' })).text.includes('"awake":0'))
    expect((await ask(relay.url, host, question)).json()).toEqual(document)
  })

  test('answers everything else with a Matrix error at once', async () => {
    const { relay, host, sleep } = await sleeper()
    await sleep()
    for (const uri of [
      '/_matrix/federation/v1/query/profile?user_id=a',
      '/_matrix/federation/v1/make_join/a/b',
      '/_matrix/key/v2/server',
    ]) {
      const answer = await ask(relay.url, host, { ...version, uri })
      expect(answer.status).toBe(404)
      expect(answer.json()).toMatchObject({ errcode: 'M_NOT_FOUND' })
    }
  })

  test('gets mail of other homeservers of the relay in the same way', async () => {
    const { relay, key, host, sleep } = await sleeper()
    await sleep()
    const bob = await startAdmittedTab({ relays: [relay.ready] })
    const request = send(bob.key, host, '1')
    expect((await bob.transport.request(host, request, AbortSignal.timeout(5000))).status).toBe(200)
    const woken = await startAdmittedTab({ relays: [relay.ready], key })
    await until(() => woken.received.length === 1)
    expect(woken.received[0]?.request).toEqual(request)
  })

  test('shows its mail to nobody else', async () => {
    const { relay, key, host, sleep } = await sleeper()
    await sleep()
    await ask(relay.url, host, send(new TestKey(), host, '1'))
    const other = await startAdmittedTab({ relays: [relay.ready] })
    const refused = await startTab({ relays: [{ address: relay.ready.address }], key })
    await until(() => refused.status().relays[0]?.state === 'refused')
    expect(other.received).toEqual([])
    expect(refused.received).toEqual([])
    expect(mailCount(relay, key)).toBe(1)
  })
})

/** How much mail waits for the owner of `key`. */
function mailCount(relay: { readonly dataDir: string }, key: TestKey): number {
  const database = new DatabaseSync(join(relay.dataDir, 'relay.sqlite'), { readOnly: true })
  try {
    return Number(database.prepare('SELECT count(*) AS count FROM mail WHERE owner = ?').get(key.label)?.count)
  } finally {
    database.close()
  }
}

/** Sends bytes as they are, and resolves with all that comes back. */
async function rawRequest(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.end(text)
  let answer = ''
  for await (const piece of socket) answer += piece
  return answer
}
