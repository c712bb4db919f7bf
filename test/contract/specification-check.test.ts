import { beforeEach, expect, test } from 'vitest'
import { json } from '../../src/http/router.ts'
import type { JsonValue } from '../../src/spec/json.ts'
import { Contract } from './specification/contract.ts'
import { hasSpecification, withoutSpecification } from './specification/documents.ts'

beforeEach(({ skip }) => skip(!hasSpecification, withoutSpecification))

/** What is said of a request that is answered like that. */
async function verdict(method: string, path: string, answer: { body?: JsonValue; status?: number; sent?: JsonValue }): Promise<string[]> {
  const contract = new Contract('client-server')
  const handle = contract.watch(async () => json(answer.body ?? {}, answer.status ?? 200))
  const sent = answer.sent === undefined ? {} : { body: JSON.stringify(answer.sent) }
  const request = new Request(`http://home.example/_matrix/client/v3${path}`, { method, ...sent })
  await handle(request, { trusted: true, address: 'test' })
  return contract.violations
}

test('an answer that lacks what the specification requires is noticed', async () => {
  expect(await verdict('GET', '/account/whoami', { body: {} })).toEqual([expect.stringContaining('user_id')])
  expect(await verdict('GET', '/account/whoami', { body: { user_id: '@alice:home.example' } })).toEqual([])
})

test('an error that is none of Matrix is noticed', async () => {
  expect(await verdict('GET', '/account/whoami', { body: { message: 'no' }, status: 404 })).toEqual([expect.stringContaining('errcode')])
})

test('a status that the specification does not know is noticed', async () => {
  expect(await verdict('GET', '/account/whoami', { body: {}, status: 202 })).toEqual([expect.stringContaining('none of its responses')])
})

test('an event in an answer that is not of its schema is noticed', async () => {
  const event = { type: 'm.room.message', content: { body: 5 }, event_id: '$a', sender: '@a:b', origin_server_ts: 1, room_id: '!a:b' }
  expect(await verdict('GET', '/rooms/!a:b/event/$a', { body: event })).toContainEqual(expect.stringContaining('m.room.message content'))
})

test('a request that succeeds although its body or its query is wrong is noticed', async () => {
  expect(await verdict('POST', '/user_directory/search', { body: { results: [], limited: false }, sent: {} })).toEqual([
    expect.stringContaining('search_term'),
  ])
  expect(await verdict('GET', '/rooms/!a:b/messages?limit=many&dir=b', { body: { start: 's', chunk: [] } })).toEqual([
    expect.stringContaining('limit'),
  ])
  expect(await verdict('POST', '/user_directory/search', { body: { errcode: 'M_BAD_JSON' }, sent: {}, status: 400 })).toEqual([])
})
