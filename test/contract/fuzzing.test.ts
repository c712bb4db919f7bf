import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/spec/json.ts'
import { federationRows } from './endpoints/federation.ts'
import { FederationWorld, signature } from './endpoints/federation-world.ts'
import { clientRows } from './endpoints/rows.ts'
import type { Sample } from './endpoints/sample.ts'
import { World } from './endpoints/world.ts'
import { type Fuzzed, type Mutation, mutations } from './fuzzing/mutations.ts'
import { faultOf } from './fuzzing/verdict.ts'
import { type Route, routesOf } from './specification/served.ts'
import { changes, dumpOf } from './storage-dump.ts'

// Each run fuzzes with a seed that is always the same and with a fresh one; FUZZ_SEED repeats the latter.
const seeds = [1, Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)]
const runs = Number(process.env.FUZZ_RUNS ?? 20)
console.info(`fuzzing with FUZZ_SEED=${seeds[1]}`)

const world = await World.open()
const federation = await FederationWorld.open()
const endpoints = {
  client: (await world.home.homeserver.endpoints()).client,
  federation: (await federation.home.homeserver.endpoints()).federation,
}

afterAll(async () => {
  await world.close()
  await federation.close()
})

const named = (routes: readonly Route[]) => routes.map((route) => [route.name, route] as const)

/** Makes mutated requests of one, and says what was wrong with an answer. */
async function fuzz(base: Fuzzed, send: (request: Fuzzed) => Promise<Response>): Promise<void> {
  for (const seed of seeds) {
    const property = fc.asyncProperty(mutations, async (list: Mutation[]) => {
      const request = list.reduce((changed, mutate) => mutate(changed), base)
      const fault = await faultOf(send(request))
      if (fault !== undefined) throw new Error(`${fault}\nto ${JSON.stringify(request).slice(0, 2000)}`)
    })
    // What a request did cannot be undone: a failure is not made smaller.
    await fc.assert(property, { seed, numRuns: runs, endOnFailure: true })
  }
}

function fuzzedOf({ params = {}, query = {}, body, headers = {} }: Omit<Sample, 'as'>): Fuzzed {
  return {
    params: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, encodeURIComponent(value)])),
    query: Object.entries(query).map(([name, value]) => [name, encodeURIComponent(value)]),
    body,
    headers,
  }
}

function uriOf(path: string, { params, query }: Fuzzed): string {
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => params[name] ?? 'x')
  return query.length === 0 ? filled : `${filled}?${query.map(([name, value]) => `${name}=${value}`).join('&')}`
}

function requestOf(route: Route, uri: string, { body, headers }: Fuzzed): { request: Request; text: string } {
  const { method } = route.endpoint
  const isSent = method !== 'GET' && body !== undefined
  const text = body instanceof Uint8Array ? new TextDecoder().decode(body) : JSON.stringify(body)
  const sent = isSent ? { body: body instanceof Uint8Array ? body : text } : {}
  return { request: new Request(`http://home.example${uri}`, { method, headers, ...sent }), text }
}

describe('hostile requests of a client are answered with an error of the specification at', () => {
  const send = (route: Route, token: string | undefined) => (fuzzed: Fuzzed) => {
    const uri = uriOf(route.path, fuzzed)
    const headers: Record<string, string> = { ...fuzzed.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
    const { request } = requestOf(route, uri, { ...fuzzed, headers })
    return world.home.homeserver.handleClient(request, { trusted: true, address: 'test', uri })
  }

  test.each(named(routesOf(endpoints.client)))('%s', async (name, route) => {
    const row = clientRows[name]
    const sample: Sample = (await row?.request(world)) ?? { body: {} }
    if (row && row.others !== 'anyone') {
      const stranger = await world.register()
      const owner = sample.as === undefined || sample.as === 'nobody' ? world.alice : sample.as
      const before = await dumpOf(world.home.storage)
      await fuzz(fuzzedOf(sample), send(route, stranger.token))
      const concerns = (entry: string) => entry.includes(owner.userId) && !entry.includes(stranger.userId)
      expect(changes(before, await dumpOf(world.home.storage), concerns)).toEqual([])
    }
    const token = sample.as === 'nobody' ? undefined : (sample.as ?? world.alice).token
    await fuzz(fuzzedOf(sample), send(route, token))
    expect(world.home.errors).toEqual([])
    // Nothing of this took Alice's session from her.
    await world.must(world.alice, 'GET', '/_matrix/client/v3/account/whoami')
  })
})

describe('hostile requests of a server are answered with an error of the specification at', () => {
  const send = (route: Route, origin: string) => async (fuzzed: Fuzzed) => {
    const uri = uriOf(route.path, fuzzed)
    const { request, text } = requestOf(route, uri, fuzzed)
    // A body that cannot be signed is refused before its signature is looked at.
    const content = request.body === null ? { body: undefined } : contentOf(text)
    const authorization = await signature({ method: route.endpoint.method, uri, origin, body: content.body }).catch(() => 'X-Matrix')
    request.headers.set('authorization', authorization)
    return federation.home.homeserver.handleFederation(request, { trusted: false, address: origin, uri })
  }

  test.each(named(routesOf(endpoints.federation)))('%s', async (name, route) => {
    const row = federationRows[name]
    const { as: _, ...sample } = (await row?.request(federation)) ?? {}
    if (row && row.others !== 'anyone') {
      await federation.home.homeserver.idle()
      const before = await dumpOf(federation.home.storage)
      await fuzz(fuzzedOf(sample), send(route, 'stranger.example'))
      await federation.home.homeserver.idle()
      expect(changes(before, await dumpOf(federation.home.storage), isOfOurs)).toEqual([])
    }
    await fuzz(fuzzedOf(sample), send(route, 'guest.example'))
    await federation.home.homeserver.idle()
    expect(federation.home.errors).toEqual([])
  })
})

/** What is not about whoever asked: their keys, and how we reach them. */
function isOfOurs(entry: string): boolean {
  return !/^(server_key|destination)/.test(entry)
}

function contentOf(text: string): { body: JsonValue | undefined } {
  try {
    return { body: JSON.parse(text) }
  } catch {
    return { body: undefined }
  }
}
