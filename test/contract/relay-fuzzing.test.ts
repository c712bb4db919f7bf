import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { relayName } from '../../src/http/relay-protocol.ts'
import { relayWeb } from '../../src/http/relay-web.ts'
import type { WireRequest } from '../../src/ports/federation-transport.ts'
import { hostileBody, hostileSegment } from './fuzzing/hostile-values.ts'
import { faultOf } from './fuzzing/verdict.ts'
import { ask, send, version } from './ordinary-server.ts'
import { startAdmittedTab, startTestRelay, stopAll, TestKey, type TestRelay, type TestTab, until } from './relay-fixture.ts'

// Each run fuzzes with a seed that is always the same and with a fresh one; FUZZ_SEED repeats the latter.
const seeds = [1, Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)]
const numRuns = Number(process.env.FUZZ_RUNS ?? 150)
console.info(`fuzzing with FUZZ_SEED=${seeds[1]}`)

const domain = 'relay.example'
const sleeperKey = new TestKey()
const mail = send(new TestKey(), `${sleeperKey.label}.${domain}`, 'kept')
let relay: TestRelay
let awake: TestTab

beforeAll(async () => {
  relay = await startTestRelay()
  const nothing = { status: 200, headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode('{}') }
  awake = await startAdmittedTab({ relays: [relay.ready], handle: async () => nothing })
  const sleeper = await startAdmittedTab({ relays: [relay.ready], key: sleeperKey })
  await sleeper.stop()
  await until(async () => (await health()).awake === 1)
  expect((await ask(relay.url, `${sleeperKey.label}.${domain}`, mail)).status).toBe(200)
})

afterAll(stopAll)

async function health(): Promise<{ status?: string; awake?: number }> {
  return Object(JSON.parse((await ask(relay.url, 'any', { ...version, uri: '/health' })).text))
}

const paths = [
  '/_matrix/federation/v1/send/',
  '/_matrix/federation/v2/invite/',
  '/_matrix/federation/v1/user/keys/',
  '/_matrix/key/v2/server/',
  '/_matrix/federation/',
  '/.well-known/matrix/',
  '/_matrix/client/v3/',
  '/health',
  '/metrics',
  '/',
]

/** Parts of what a server signs: another's signature, a part of one, and what is none. */
const authorizations = fc.oneof(
  fc.constantFrom('', 'X-Matrix', 'Bearer a', `X-Matrix origin="${domain}",key="ed25519:1",sig="AAAA"`, mail.headers.authorization ?? ''),
  fc.nat({ max: 300 }).map((length) => (mail.headers.authorization ?? '').slice(0, length)),
  fc.string({ maxLength: 60 }).map((text) => `X-Matrix origin="${text.replaceAll(/[^ -~]/g, '')}"`),
)

/** As long as a URL may be; longer ones are hung up on. */
const segments = hostileSegment.filter(({ length }) => length < 16_000)

const requests: fc.Arbitrary<WireRequest> = fc
  .record({
    method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH', 'SEARCH'),
    path: fc.constantFrom(...paths),
    segment: segments,
    authorization: authorizations,
    type: fc.constantFrom('application/json', 'text/plain', '', 'a/b; charset=x'),
    body: hostileBody,
  })
  .map(({ method, path, segment, authorization, type, body }) => ({
    method,
    uri: `${path}${segment}`,
    headers: { authorization, 'content-type': type },
    ...(method === 'PUT' || method === 'POST' ? { body } : {}),
  }))

/** Runs a property with both seeds; what a request did cannot be undone, so that a failure is not made smaller. */
async function fuzz<T>(values: fc.Arbitrary<T>, check: (value: T) => Promise<string | undefined>): Promise<void> {
  for (const seed of seeds) {
    const property = fc.asyncProperty(values, async (value) => {
      const fault = await check(value)
      if (fault !== undefined) throw new Error(`${fault}\nto ${JSON.stringify(value).slice(0, 1000)}`)
    })
    await fc.assert(property, { seed, numRuns, endOnFailure: true })
  }
}

/** The fault of an answer that came by HTTP, or that none came. */
function faultOfAnswer(answered: ReturnType<typeof ask>): Promise<string | undefined> {
  return faultOf(
    answered.then(({ status, headers, text }) => {
      const type: Record<string, string> = headers['content-type'] === undefined ? {} : { 'content-type': headers['content-type'] }
      return new Response(status === 204 || status === 304 ? null : text || '{}', { status, headers: type })
    }),
  )
}

test('hostile requests of servers are answered with an error of the specification, by whoever they are asked for', async () => {
  const hosts = [`${sleeperKey.label}.${domain}`, `${awake.label}.${domain}`, domain, 'localhost', `${'a'.repeat(300)}.${domain}`]
  await fuzz(fc.tuple(fc.constantFrom(...hosts), requests), ([host, request]) => faultOfAnswer(ask(relay.url, host, request)))
}, 120_000)

test('bytes that are no request are answered or hung up on', async () => {
  const starts = fc.constantFrom(
    '',
    'GET / HTTP/1.1\r\n',
    'PUT /_matrix/federation/v1/send/1 HTTP/1.1\r\nHost: a\r\nContent-Length: ',
    '\x16\x03\x01',
  )
  await fuzz(fc.tuple(starts, fc.uint8Array({ maxLength: 200 })), async ([start, rest]) => {
    const socket = connect(relay.ready.federationPort, '127.0.0.1')
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined).resume()
    socket.end(Buffer.concat([Buffer.from(start, 'latin1'), rest]))
    await closed
    return undefined
  })
}, 120_000)

test('hostile requests of a homeserver that has a place here reach nobody by the relay', async () => {
  const destinations = ['localhost:1', '127.0.0.1:1', '[::1]:22', '169.254.169.254', 'a..b', '', 'x'.repeat(300), relayName]
  const uris = fc.oneof(
    fc.constantFrom(relayWeb.push, relayWeb.preview, relayWeb.image),
    requests.map(({ uri }) => uri),
  )
  await fuzz(fc.tuple(fc.constantFrom(...destinations), requests, uris), async ([to, request, uri]) => {
    const answered = awake.transport.request(to, { ...request, uri }, AbortSignal.timeout(5_000))
    const status = await answered.then(
      (response) => response.status,
      (failure: unknown) => (failure instanceof Error && failure.name !== 'TimeoutError' ? 'refused' : 'no answer'),
    )
    return status === 'refused' || (typeof status === 'number' && status >= 400 && status !== 500) ? undefined : String(status)
  })
}, 120_000)

test('after all of it the relay is well, and the mail of a homeserver that slept is what servers signed and no more', async () => {
  expect(await health()).toMatchObject({ status: 'ok', awake: 1 })
  const woken = await startAdmittedTab({ relays: [relay.ready], key: sleeperKey })
  await until(() => woken.received.length > 0)
  const fresh = send(new TestKey(), `${sleeperKey.label}.${domain}`, 'fresh')
  expect((await ask(relay.url, `${sleeperKey.label}.${domain}`, fresh)).status).toBe(200)
  expect(woken.received.map(({ request }) => request.uri)).toEqual([mail.uri, fresh.uri])
})
