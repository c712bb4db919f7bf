import { expect, test } from 'vitest'
import { type Endpoint, open } from '../../src/http/endpoint.ts'
import { createApi } from '../../src/http/router.ts'
import type { LaterEndpoints } from '../../src/http/routes.ts'
import { unauthorized } from '../../src/spec/errors.ts'

const edge = {
  authenticator: { user: () => Promise.reject(unauthorized('not here')), server: () => Promise.reject(unauthorized('not here')) },
  logger: { log: () => undefined },
  rateLimit: () => undefined,
}
const at = (method: Endpoint['method'], path: string): Endpoint => open({ method, path, handle: () => ({ served: `${method} ${path}` }) })

/** An API of one endpoint at the start and two sets that come later, with the names of the sets as they are loaded. */
function apiOf(second: LaterEndpoints = async () => [at('GET', '/second')]) {
  const loaded: string[] = []
  const noted =
    (name: string, load: LaterEndpoints): LaterEndpoints =>
    () => {
      loaded.push(name)
      return load()
    }
  const first = noted('first', async () => [at('GET', '/first'), at('PUT', '/start')])
  const api = createApi([at('GET', '/start')], [first, noted('second', second)], edge)
  const ask = async (method: string, path: string) => {
    const response = await api.handle(new Request(`http://localhost${path}`, { method }), { trusted: false, address: 'test' })
    return { status: response.status, body: await response.json() }
  }
  return { api, ask, loaded }
}

test('what a request does not need is not loaded', async () => {
  const { ask, loaded } = apiOf()
  expect(await ask('GET', '/start')).toEqual({ status: 200, body: { served: 'GET /start' } })
  expect(loaded).toEqual([])
  expect(await ask('GET', '/first')).toEqual({ status: 200, body: { served: 'GET /first' } })
  expect(loaded).toEqual(['first'])
})

test('another method of a path that is there from the start is found where it is', async () => {
  const { ask } = apiOf()
  expect(await ask('PUT', '/start')).toEqual({ status: 200, body: { served: 'PUT /start' } })
})

test('requests that come together load once', async () => {
  const { ask, loaded } = apiOf()
  const answers = await Promise.all([ask('GET', '/second'), ask('GET', '/first'), ask('GET', '/second')])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(loaded).toEqual(['first', 'second'])
})

test('what nothing serves is refused once all is loaded', async () => {
  const { ask, loaded } = apiOf()
  expect(await ask('GET', '/third')).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
  expect(await ask('DELETE', '/second')).toMatchObject({ status: 405, body: { errcode: 'M_UNRECOGNIZED' } })
  expect(loaded).toEqual(['first', 'second'])
})

test('what could not be loaded is tried again by the next request', async () => {
  let isOffline = true
  const { ask } = apiOf(() => (isOffline ? Promise.reject(new Error('offline')) : Promise.resolve([at('GET', '/second')])))
  expect(await ask('GET', '/second')).toMatchObject({ status: 500 })
  isOffline = false
  expect(await ask('GET', '/second')).toMatchObject({ status: 200 })
})

test('all endpoints are there as data', async () => {
  const { api } = apiOf()
  const paths = (await api.endpoints()).map(({ path }) => path)
  expect(paths).toEqual(['/start', '/first', '/start', '/second'])
})
