import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { federationRows, type ServerRow } from './endpoints/federation.ts'
import { FederationWorld, type ServerSample, signature } from './endpoints/federation-world.ts'
import { secret, uriOf } from './endpoints/world.ts'
import { hasSpecification, withoutSpecification } from './specification/documents.ts'
import { operationsOf } from './specification/operations.ts'
import { servedOperations } from './specification/operations-table.ts'
import { operationFor, type Route, routesOf } from './specification/served.ts'
import { changes, dumpOf } from './storage-dump.ts'

const world = await FederationWorld.open()
const operations = operationsOf('server-server')
const { federation } = await world.home.homeserver.endpoints()
const routes = routesOf(federation)
const byName = routes.map((route) => [route.name, route] as const)

afterAll(() => world.close())

beforeEach(({ skip }) => skip(!hasSpecification, withoutSpecification))

function rowOf(name: string): ServerRow {
  const row = federationRows[name]
  if (!row) throw new Error(`${name} has no row in test/contract/endpoints/federation.ts`)
  return row
}

test('every endpoint for servers has a row, from which it is tested', () => {
  expect(Object.keys(federationRows).sort()).toEqual(routes.map(({ name }) => name).sort())
})

describe.each(byName)('%s', (name, route) => {
  test('succeeds as the specification says', async () => {
    const answer = await world.sample(route, await rowOf(name).request(world))
    expect(answer.status, answer.text).toBe(200)
    expect(world.network.violations()).toEqual([])
  })

  test.each(Object.entries(federationRows[name]?.errors ?? {}))('fails with %s as the specification says', async (error, prepare) => {
    const { status, body, text } = await world.sample(route, await prepare(world))
    expect(`${status} ${body.errcode}`, text).toBe(error)
    expect(world.network.violations()).toEqual([])
  })
})

/** What `act` changes of the store of home.example. */
async function changesBy(act: () => Promise<unknown>): Promise<string[]> {
  await settled()
  const before = await dumpOf(world.home.storage)
  await act()
  await settled()
  return changes(before, await dumpOf(world.home.storage), (row) => !/^(server_key|destination)/.test(row))
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  await world.home.homeserver.idle()
}

/** Headers by which nobody is let in. */
async function badSignatures(route: Route, sample: ServerSample): Promise<Record<string, string>> {
  const { body } = sample
  const [method, uri] = [route.endpoint.method, uriOf(route.path, sample)]
  const signed = (more: { origin?: string; destination?: string; uri?: string; method?: string } = {}) =>
    signature({ method, uri, origin: 'guest.example', body, ...more })
  const good = await signed()
  return {
    'no signature': '',
    'a client token': 'Bearer abc',
    'the signature of another request': await signed({ uri: `${uri}#` }),
    'the signature of another method': await signed({ method: 'OPTIONS' }),
    'a request for another server': await signed({ destination: 'banned.example' }),
    'the name of another server': good.replace('origin="guest.example"', 'origin="stranger.example"'),
    'a server that cannot be asked for its key': await signed({ origin: 'gone.example' }),
    'our own name': await signed({ origin: 'home.example' }),
    'a key that is not known': good.replace('ed25519:1', 'ed25519:2'),
    'half a signature': good.slice(0, -20),
  }
}

describe('a server that is not who it says', () => {
  test.each(byName.filter(([, { endpoint }]) => endpoint.access === 'server'))('is not heard at %s', async (name, route) => {
    const sample = await rowOf(name).request(world)
    const { body } = sample
    const headers = await badSignatures(route, sample)
    const changed = await changesBy(async () => {
      for (const [fault, authorization] of Object.entries(headers)) {
        const request = {
          method: route.endpoint.method,
          uri: uriOf(route.path, sample),
          headers: new Headers(authorization === '' ? [] : [['authorization', authorization]]),
        }
        const answer = await world.send({ ...request, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
        expect([fault, answer.status, answer.body.errcode]).toEqual([fault, 401, 'M_UNAUTHORIZED'])
      }
    })
    expect(changed).toEqual([])
  })
})

describe('a server that is not in the room, or that the room bans', () => {
  test.each(byName.filter(([name]) => federationRows[name]?.others !== 'anyone'))('gets nothing at %s', async (name, route) => {
    const sample = await rowOf(name).request(world)
    const outsiders = ['stranger.example', ...(rowOf(name).others === 'refused' ? ['banned.example'] : [])]
    for (const origin of outsiders) {
      const changed = await changesBy(async () => {
        const answer = await world.sample(route, sample, origin)
        expect([400, 403, 404], `${origin}: ${answer.text}`).toContain(answer.status)
        expect(answer.text).not.toContain(secret)
      })
      expect(changed, origin).toEqual([])
    }
    // What was refused to others was in order, and still is.
    const { status, text } = await world.sample(route, sample)
    expect(status, text).toBe(200)
  })
})

test('each served operation between servers was seen to succeed, and to fail', () => {
  const mayFail = routes.filter(({ name }) => !federationRows[name]?.cannotFail).map((route) => operationFor(route, operations)?.name)
  const lacking = servedOperations('server-server', federation).flatMap(({ name }) => {
    const statuses = [...(world.network.contracts.federation.seen.get(name) ?? [])]
    const success = statuses.some((status) => status < 300) ? [] : [`${name} never succeeded`]
    const failure = statuses.some((status) => status >= 400) || !mayFail.includes(name) ? [] : [`${name} never failed`]
    return [...success, ...failure]
  })
  expect(lacking).toEqual([])
})
