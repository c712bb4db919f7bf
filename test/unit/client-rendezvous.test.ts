import { beforeEach, expect, test } from 'vitest'
import { rendezvousEndpoints } from '../../src/api/client/rendezvous.ts'
import { createHandler, type Handler } from '../../src/http/router.ts'
import { notFound } from '../../src/spec/errors.ts'
import { Rendezvous } from '../../src/users/rendezvous.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'

const path = 'http://localhost/_matrix/client/unstable/org.matrix.msc4108/rendezvous'
let clock: VirtualClock
let handler: Handler

beforeEach(() => {
  clock = new VirtualClock(1_700_000_000_000)
  const rendezvous = new Rendezvous({ clock, random: new SeededRandom(1) })
  handler = createHandler(rendezvousEndpoints({ rendezvous }), {
    authenticator: { user: () => Promise.reject(notFound()), server: () => Promise.reject(notFound()) },
    logger: { log: () => undefined },
    rateLimit: () => undefined,
  })
})

function ask(method: string, url: string, options: { body?: string; headers?: Record<string, string> } = {}): Promise<Response> {
  const { body, headers = {} } = options
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'text/plain' }
  return handler(new Request(url, { method, headers: { ...type, ...headers }, ...(body === undefined ? {} : { body }) }), {
    trusted: true,
    address: 'test',
  })
}

async function begin(body = 'one'): Promise<{ url: string; etag: string }> {
  const response = await ask('POST', path, { body })
  expect(response.status).toBe(201)
  expect(response.headers.get('access-control-expose-headers')).toBe('etag')
  expect(response.headers.get('expires')).toBe(new Date(clock.now() + 60_000).toUTCString())
  return { url: (await response.json()).url, etag: response.headers.get('etag') ?? '' }
}

test('two devices leave each other messages, each seeing whether there is a new one', async () => {
  const { url, etag } = await begin()
  const first = await ask('GET', url)
  expect([await first.text(), first.headers.get('content-type'), first.headers.get('etag')]).toEqual(['one', 'text/plain', etag])
  expect((await ask('GET', url, { headers: { 'if-none-match': etag } })).status).toBe(304)
  const put = await ask('PUT', url, { body: 'two', headers: { 'if-match': etag } })
  expect(put.status).toBe(202)
  const second = await ask('GET', url, { headers: { 'if-none-match': etag } })
  expect([await second.text(), second.headers.get('etag')]).toEqual(['two', put.headers.get('etag')])
})

test('nobody overwrites what they have not seen', async () => {
  const { url, etag } = await begin()
  await ask('PUT', url, { body: 'two', headers: { 'if-match': etag } })
  const late = await ask('PUT', url, { body: 'three', headers: { 'if-match': etag } })
  expect([late.status, (await late.json())['org.matrix.msc4108.errcode']]).toEqual([412, 'M_CONCURRENT_WRITE'])
  expect(await (await ask('GET', url)).text()).toBe('two')
  expect((await ask('PUT', url, { body: 'three' })).status).toBe(400)
})

test('a meeting ends after a minute, or when a device ends it', async () => {
  const { url } = await begin()
  expect((await ask('DELETE', url)).status).toBe(204)
  expect((await ask('GET', url)).status).toBe(404)
  expect((await ask('DELETE', url)).status).toBe(404)
  const other = await begin()
  await clock.run(60_000)
  expect((await ask('GET', other.url)).status).toBe(404)
  expect((await ask('PUT', other.url, { body: 'x', headers: { 'if-match': other.etag } })).status).toBe(404)
})

test('messages are short and plain text, and meetings few: the oldest makes room', async () => {
  expect((await ask('POST', path, { body: 'x'.repeat(4097) })).status).toBe(413)
  expect((await ask('POST', path, { body: '{}', headers: { 'content-type': 'application/json' } })).status).toBe(400)
  const oldest = await begin()
  for (let count = 0; count < 100; count++) await begin(String(count))
  expect((await ask('GET', oldest.url)).status).toBe(404)
})
