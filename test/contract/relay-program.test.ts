import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, test } from 'vitest'
import { ask, send, version } from './ordinary-server.ts'
import { onStop, startAdmittedTab, stopAll, TestKey, temporaryDirectory, until } from './relay-fixture.ts'

afterEach(stopAll)

const domain = 'relay.example'

/** Starts the relay as its users do, on free ports unless told otherwise; at its end it says whether there is WebAssembly. */
async function startProgram(settings: Readonly<Record<string, string>>) {
  const free = { RELAY_DATA_DIR: temporaryDirectory(), RELAY_PORT: '0', RELAY_FEDERATION_PORT: '0' }
  const atEnd = "data:text/javascript,process.on('exit', () => console.error('WebAssembly is ' + typeof WebAssembly))"
  const child = spawn(process.execPath, ['--import', atEnd, 'relay/main.ts'], {
    env: { ...process.env, ...free, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onStop(() => child.kill('SIGKILL'))
  let log = ''
  child.stderr.on('data', (piece) => {
    log += piece
  })
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const ready: { address: string; token: string; federationPort: number } = JSON.parse(line)
  return { child, ready, log: () => log }
}

const urlOf = ({ federationPort }: { readonly federationPort: number }) => `http://127.0.0.1:${federationPort}`

describe('the relay as a program', () => {
  test('runs without WebAssembly, says when it is ready, keeps secrets out of its log and stops when told', {
    timeout: 60_000,
  }, async () => {
    const { child, ready, log } = await startProgram({ RELAY_LOG_LEVEL: 'debug' })
    expect(ready).toMatchObject({
      event: 'ready',
      address: expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/ws\/p2p\//),
      token: expect.any(String),
    })
    const alice = await startAdmittedTab({ relays: [ready] })
    const bob = await startAdmittedTab({ relays: [ready] })
    expect((await alice.transport.request(bob.label, version, AbortSignal.timeout(10_000))).status).toBe(200)
    child.kill('SIGTERM')
    const [code] = await once(child, 'close')
    expect(code).toBe(0)
    expect(log()).toContain('WebAssembly is undefined')
    expect(log()).toContain(alice.label)
    expect(log()).not.toContain(ready.token)
  })

  test('killed, has the mail that it acknowledged, and whoever was connected comes back', { timeout: 60_000 }, async () => {
    const settings = { RELAY_DATA_DIR: temporaryDirectory(), RELAY_DOMAIN: domain }
    const { child, ready } = await startProgram(settings)
    const alice = await startAdmittedTab({ relays: [ready] })
    const key = new TestKey()
    const host = `${key.label}.${domain}`
    const asleep = await startAdmittedTab({ relays: [ready], key })
    await asleep.stop()
    const request = send(alice.key, host, '1')
    await until(async () => (await ask(urlOf(ready), 'x', { ...version, uri: '/health' })).text.includes('"awake":1'))
    expect((await ask(urlOf(ready), host, request)).status).toBe(200)
    child.kill('SIGKILL')
    await until(() => alice.status().relays[0]?.state === 'connecting')
    const port = /\/tcp\/(\d+)\//.exec(ready.address)?.[1] ?? ''
    await startProgram({ ...settings, RELAY_PORT: port })
    await until(() => alice.status().relays[0]?.state === 'admitted', 40_000)
    const woken = await startAdmittedTab({ relays: [ready], key })
    await until(() => woken.received.length === 1)
    expect(woken.received[0]?.request).toEqual(request)
    expect((await alice.transport.request(woken.label, version, AbortSignal.timeout(10_000))).status).toBe(200)
  })

  test('names the mistakes in its configuration and ends', async () => {
    const file = join(temporaryDirectory(), 'relay.json')
    writeFileSync(file, '{"libp2p":{"port":"x"}}')
    const child = spawn(process.execPath, ['relay/main.ts', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    let errors = ''
    child.stderr.on('data', (piece) => {
      errors += piece
    })
    const [code] = await once(child, 'exit')
    expect(code).toBe(1)
    expect(errors).toContain('libp2p.port: must be a number')
    expect(errors).not.toContain('at ')
  })
})
