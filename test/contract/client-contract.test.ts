import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { isObject } from '../../src/spec/json.ts'
import { clientRows } from './endpoints/rows.ts'
import type { Sample } from './endpoints/sample.ts'
import { World } from './endpoints/world.ts'
import { hasSpecification, withoutSpecification } from './specification/documents.ts'
import { notOffered } from './specification/not-offered.ts'
import { operationsOf } from './specification/operations.ts'
import { servedOperations } from './specification/operations-table.ts'
import { operationFor, type Route, routesOf } from './specification/served.ts'

const world = await World.open()
const operations = operationsOf('client-server')
const { client } = await world.home.homeserver.endpoints()
const routes = routesOf(client)

afterAll(() => world.close())

beforeEach(({ skip }) => skip(!hasSpecification, withoutSpecification))

/** What the last requests broke of the specification; forgets it. */
function violations(): string[] {
  return world.contract.violations.splice(0)
}

function isOffered(route: Route): boolean {
  return !notOffered['client-server'][operationFor(route, operations)?.name ?? '']
}

/** The request with a parameter, and where its body is an object with a field, that the specification does not name. */
function withUnknown({ query, body, ...sample }: Sample): Sample {
  const extended = isObject(body) && !(body instanceof Uint8Array) ? { ...body, 'org.example.unknown': { a: [1] } } : body
  return { ...sample, query: { ...query, 'org.example.unknown': '1' }, ...(extended === undefined ? {} : { body: extended }) }
}

test('every endpoint has a row, from which it is tested', () => {
  const names = routes.filter(isOffered).map(({ name }) => name)
  // A new endpoint needs a row in test/contract/endpoints/; a row without an endpoint is to be deleted.
  expect(Object.keys(clientRows).sort()).toEqual(names.sort())
})

describe.each(routes.filter(isOffered).map((route) => [route.name, route] as const))('%s', (name, route) => {
  const row = clientRows[name]

  test('succeeds as the specification says', async () => {
    if (!row) throw new Error(`${name} has no row in test/contract/endpoints/`)
    const answer = await world.sample(route, await row.request(world))
    expect(answer.status, answer.text).toBe(row.succeeds ?? 200)
    expect(violations()).toEqual([])
  })

  test('takes no offence at fields and parameters that nobody knows', async () => {
    const sample = (await row?.request(world)) ?? {}
    const answer = await world.sample(route, withUnknown(sample))
    expect(answer.status, answer.text).toBe(row?.succeeds ?? 200)
    expect(violations()).toEqual([])
  })

  test.each(Object.entries(row?.errors ?? {}))('fails with %s as the specification says', async (error, prepare) => {
    const { status, body, text } = await world.sample(route, await prepare(world))
    expect(`${status} ${body.errcode}`, text).toBe(error)
    expect(violations()).toEqual([])
  })

  if (route.endpoint.access === 'user') {
    test('wants a token', async () => {
      const { status, body } = await world.sample(route, { as: 'nobody' })
      expect(`${status} ${body.errcode}`).toBe('401 M_MISSING_TOKEN')
      expect(violations()).toEqual([])
    })
  }
})

test('each served operation was seen to succeed, and to fail', () => {
  const mayFail = routes.filter(({ name }) => !clientRows[name]?.cannotFail).map((route) => operationFor(route, operations)?.name)
  const lacking = servedOperations('client-server', client).flatMap(({ name }) => {
    const statuses = [...(world.contract.seen.get(name) ?? [])]
    const success = statuses.some((status) => status < 300) ? [] : [`${name} never succeeded`]
    const failure = statuses.some((status) => status >= 400) || !mayFail.includes(name) ? [] : [`${name} never failed`]
    return [...success, ...failure]
  })
  expect(lacking).toEqual([])
})
