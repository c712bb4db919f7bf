import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'

const rooms = (roomId: string) => `/v3/rooms/${encode(roomId)}`
const onlyMessages = `filter=${encode('{"types":["m.room.message"]}')}`
const fails = async (api: ClientApi, token: string, method: string, path: string, body?: unknown) => {
  const answer = await api.ask(token, method, path, body)
  return [answer.status, answer.body.errcode]
}

/** A room of two users with twenty messages, named by their numbers. */
async function longRoom(api: ClientApi) {
  const roomId = await api.createRoom(alice, { preset: 'public_chat' })
  await api.join(bob, roomId)
  const eventIds: string[] = []
  for (let i = 0; i < 20; i++) {
    await api.clock.run(1000)
    eventIds.push(await api.send(i % 2 === 0 ? alice : bob, roomId, `${i}`))
  }
  return { roomId, eventIds }
}

/** All pages of a walk through the room, and how many there were. */
async function walk(api: ClientApi, roomId: string, query: string, from?: string) {
  const bodies: JsonValue[] = []
  let token = from
  for (let pages = 1; ; pages++) {
    const page = await api.get(alice, `${rooms(roomId)}/messages?${query}${token === undefined ? '' : `&from=${token}`}`)
    bodies.push(...said(listAt(page, 'chunk')))
    if (page.end === undefined) return { bodies, pages }
    token = String(page.end)
    if (pages > 50) throw new Error('no end')
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `${from + index}`)

describe('messages', () => {
  test('are walked through in both directions without loss or repetition, whatever the page', async () => {
    const api = await openClientApi()
    const { roomId } = await longRoom(api)
    for (const limit of [1, 3, 7, 100]) {
      const back = await walk(api, roomId, `dir=b&limit=${limit}&${onlyMessages}`)
      expect(back.bodies).toEqual(numbers(0, 20).reverse())
      const forward = await walk(api, roomId, `dir=f&limit=${limit}&${onlyMessages}`)
      expect(forward.bodies).toEqual(numbers(0, 20))
    }
    expect((await walk(api, roomId, 'dir=b&limit=100')).bodies.at(-1)).toBe('m.room.create')
  })

  test('go on from a sync in either direction', async () => {
    const api = await openClientApi()
    const { roomId } = await longRoom(api)
    const sync = await api.get(alice, '/v3/sync')
    await api.send(alice, roomId, 'later')
    await api.send(bob, roomId, 'latest')
    const { next_batch: token } = sync
    expect((await walk(api, roomId, `dir=f&limit=1`, String(token))).bodies).toEqual(['later', 'latest'])
    const back = await api.get(alice, `${rooms(roomId)}/messages?dir=b&limit=2&from=${String(token)}`)
    expect(said(listAt(back, 'chunk'))).toEqual(['19', '18'])
    const prevBatch = String(at(sync, 'rooms', 'join', roomId, 'timeline', 'prev_batch'))
    const forward = await api.get(alice, `${rooms(roomId)}/messages?dir=f&limit=3&from=${prevBatch}`)
    expect(said(listAt(forward, 'chunk'))).toEqual(['10', '11', '12'])
  })

  test('end where the token in `to` says', async () => {
    const api = await openClientApi()
    const { roomId } = await longRoom(api)
    const page = await api.get(alice, `${rooms(roomId)}/messages?dir=b&limit=5`)
    const further = await api.get(alice, `${rooms(roomId)}/messages?dir=b&limit=5&from=${String(page.end)}`)
    const between = await api.get(alice, `${rooms(roomId)}/messages?dir=b&limit=50&to=${String(further.end)}`)
    expect(said(listAt(between, 'chunk'))).toEqual(numbers(10, 20).reverse())
    const forward = await api.get(alice, `${rooms(roomId)}/messages?dir=f&limit=50&from=${String(further.end)}&to=${String(page.end)}`)
    expect(said(listAt(forward, 'chunk'))).toEqual(numbers(10, 15))
  })

  test('come with the members who sent them, where those are loaded lazily', async () => {
    const api = await openClientApi()
    const { roomId } = await longRoom(api)
    const filter = encode(JSON.stringify({ lazy_load_members: true, senders: [bob] }))
    const page = await api.get(alice, `${rooms(roomId)}/messages?dir=b&limit=2&filter=${filter}`)
    expect(listAt(page, 'state').map(({ state_key: key }) => key)).toEqual([bob])
    expect(listAt(page, 'chunk').every(({ room_id: inRoom }) => inRoom === roomId)).toBe(true)
  })

  test('are refused with a token or filter that is none, and to who is not in the room', async () => {
    const api = await openClientApi()
    const { roomId } = await longRoom(api)
    for (const query of ['dir=x', '', 'dir=b&from=nonsense', 'dir=b&limit=many', `dir=b&filter=${encode('{"types":5}')}`]) {
      const [status, code] = await fails(api, alice, 'GET', `${rooms(roomId)}/messages?${query}`)
      expect(status).toBe(400)
      expect(['M_INVALID_PARAM', 'M_MISSING_PARAM']).toContain(code)
    }
    expect(await fails(api, '@eve:a.example', 'GET', `${rooms(roomId)}/messages?dir=b`)).toEqual([403, 'M_FORBIDDEN'])
    expect(await fails(api, alice, 'GET', '/v3/rooms/!none:a.example/messages?dir=b')).toEqual([403, 'M_FORBIDDEN'])
  })
})

describe('the context of an event', () => {
  test('is what was said around it, with tokens that go on at both ends', async () => {
    const api = await openClientApi()
    const { roomId, eventIds } = await longRoom(api)
    const context = await api.get(alice, `${rooms(roomId)}/context/${encode(eventIds[10] ?? '')}?limit=4`)
    expect(at(context, 'event', 'content', 'body')).toBe('10')
    expect(said(listAt(context, 'events_before'))).toEqual(['9', '8'])
    expect(said(listAt(context, 'events_after'))).toEqual(['11', '12'])
    expect(listAt(context, 'state').map(({ type }) => type)).toContain('m.room.power_levels')
    const back = await api.get(alice, `${rooms(roomId)}/messages?dir=b&limit=1&from=${String(context.start)}`)
    expect(said(listAt(back, 'chunk'))).toEqual(['7'])
    const forward = await api.get(alice, `${rooms(roomId)}/messages?dir=f&limit=1&from=${String(context.end)}`)
    expect(said(listAt(forward, 'chunk'))).toEqual(['13'])
    const alone = await api.get(alice, `${rooms(roomId)}/context/${encode(eventIds[10] ?? '')}?limit=0`)
    expect([alone.events_before, alone.events_after]).toEqual([[], []])
    expect(await fails(api, alice, 'GET', `${rooms(roomId)}/context/%24none`)).toEqual([404, 'M_NOT_FOUND'])
  })
})

describe('the event closest to a time', () => {
  test('is the last before it, or the first after it', async () => {
    const api = await openClientApi()
    const { roomId, eventIds } = await longRoom(api)
    const path = `/v1/rooms/${encode(roomId)}/timestamp_to_event`
    const tenth = await api.get(alice, `${rooms(roomId)}/event/${encode(eventIds[10] ?? '')}`)
    const ts = Number(tenth.origin_server_ts)
    expect(await api.get(alice, `${path}?dir=b&ts=${ts + 500}`)).toEqual({ event_id: eventIds[10], origin_server_ts: ts })
    expect(await api.get(alice, `${path}?dir=f&ts=${ts + 500}`)).toEqual({ event_id: eventIds[11], origin_server_ts: ts + 1000 })
    expect(await fails(api, alice, 'GET', `${path}?dir=f&ts=${ts + 1_000_000}`)).toEqual([404, 'M_NOT_FOUND'])
    expect(await fails(api, alice, 'GET', `${path}?dir=b&ts=5`)).toEqual([404, 'M_NOT_FOUND'])
  })
})

describe('relations', () => {
  test('are listed by type, paged, in both directions, and through others', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const root = await api.send(alice, roomId, 'root')
    const related = (eventId: string, relType: string): JsonObject => ({ 'm.relates_to': { rel_type: relType, event_id: eventId } })
    const replies: string[] = []
    for (let i = 0; i < 5; i++) replies.push(await api.send(alice, roomId, `reply ${i}`, related(root, 'm.thread')))
    await api.send(alice, roomId, 'reference', related(root, 'm.reference'))
    await api.send(alice, roomId, 'thing', related(root, 'm.reference'), 'org.example')
    await api.send(alice, roomId, 'reaction', related(replies[0] ?? '', 'm.annotation'), 'm.reaction')
    const path = `/v1/rooms/${encode(roomId)}/relations/${encode(root)}`
    const list = async (rest: string) => said(listAt(await api.get(alice, `${path}${rest}`), 'chunk'))
    expect(await list('')).toEqual(['thing', 'reference', 'reply 4', 'reply 3', 'reply 2', 'reply 1', 'reply 0'])
    expect(await list('/m.reference')).toEqual(['thing', 'reference'])
    expect(await list('/m.reference/org.example')).toEqual(['thing'])
    expect(await list('/m.thread?dir=f&limit=2')).toEqual(['reply 0', 'reply 1'])
    expect(await list('?recurse=true&limit=1')).toEqual(['reaction'])
    const first = await api.get(alice, `${path}/m.thread?limit=3`)
    const second = await api.get(alice, `${path}/m.thread?limit=3&from=${String(first.next_batch)}`)
    expect(said([...listAt(first, 'chunk'), ...listAt(second, 'chunk')])).toEqual(['reply 4', 'reply 3', 'reply 2', 'reply 1', 'reply 0'])
    expect(second.next_batch).toBeUndefined()
    await api.put(alice, `${rooms(roomId)}/redact/${encode(replies[4] ?? '')}/r`, {})
    expect(await list('/m.thread?limit=1')).toEqual(['reply 3'])
    expect(await fails(api, bob, 'GET', path)).toEqual([404, 'M_NOT_FOUND'])
    expect(await fails(api, alice, 'GET', `/v1/rooms/${encode(roomId)}/relations/%24none`)).toEqual([404, 'M_NOT_FOUND'])
  })

  test('threads are listed by their newest reply, all or one’s own', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const roots = [await api.send(alice, roomId, 'one'), await api.send(bob, roomId, 'two'), await api.send(bob, roomId, 'three')]
    const reply = (index: number) =>
      api.send(bob, roomId, 'reply', { 'm.relates_to': { rel_type: 'm.thread', event_id: roots[index] ?? '' } })
    for (const index of [1, 2, 0]) await reply(index)
    const path = `/v1/rooms/${encode(roomId)}/threads`
    const list = async (query: string) => said(listAt(await api.get(alice, `${path}?${query}`), 'chunk'))
    expect(await list('')).toEqual(['one', 'three', 'two'])
    expect(await list('include=participated')).toEqual(['one'])
    const first = await api.get(alice, `${path}?limit=2`)
    expect(said(listAt(first, 'chunk'))).toEqual(['one', 'three'])
    expect(at(first, 'chunk', 0, 'unsigned', 'm.relations', 'm.thread', 'count')).toBe(1)
    expect(await list(`from=${String(first.next_batch)}`)).toEqual(['two'])
    await api.accountData.set(alice, '', { type: 'm.ignored_user_list', content: { ignored_users: { [bob]: {} } } })
    expect(await list('')).toEqual([])
    const nested = { body: 'x', 'm.relates_to': { rel_type: 'm.thread', event_id: await reply(0) } }
    expect(await fails(api, alice, 'PUT', `${rooms(roomId)}/send/m.room.message/n`, nested)).toEqual([400, 'M_UNKNOWN'])
  })
})

describe('search', () => {
  const search = async (api: ClientApi, criteria: JsonObject, query = '') =>
    at(await api.post(alice, `/v3/search${query}`, { search_categories: { room_events: criteria } }), 'search_categories', 'room_events')
  const found = (result: JsonValue | undefined) => said(listAt(result, 'results').flatMap(({ result: event }) => listAt([event ?? null])))

  test('finds every word in the rooms one is in, in the order asked for, page by page', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'tea room' })
    const other = await api.createRoom(alice)
    const foreign = await api.createRoom(bob)
    for (const [room, body] of [
      [roomId, 'time for TEA'],
      [other, 'more tea, at this time, and more of it'],
      [roomId, 'coffee time'],
    ] as const) {
      await api.clock.run(1000)
      await api.send(alice, room, body)
    }
    await api.send(bob, foreign, 'tea time')
    expect(found(await search(api, { search_term: 'tea time', order_by: 'recent' }))).toEqual([
      'more tea, at this time, and more of it',
      'time for TEA',
    ])
    expect(found(await search(api, { search_term: 'tea time' }))).toEqual(['time for TEA', 'more tea, at this time, and more of it'])
    expect(found(await search(api, { search_term: 'tea', keys: ['content.name'] }))).toEqual(['m.room.name'])
    expect(found(await search(api, { search_term: 'tea', filter: { rooms: [other] } }))).toEqual(['more tea, at this time, and more of it'])
    const page = await search(api, { search_term: 'time', order_by: 'recent', filter: { limit: 2 } })
    expect([at(page, 'count'), found(page)]).toEqual([3, ['coffee time', 'more tea, at this time, and more of it']])
    const rest = await search(
      api,
      { search_term: 'time', order_by: 'recent', filter: { limit: 2 } },
      `?next_batch=${String(at(page, 'next_batch'))}`,
    )
    expect(found(rest)).toEqual(['time for TEA'])
    expect(at(rest, 'next_batch')).toBeUndefined()
  })

  test('gives context, state and groups where they are asked for', async () => {
    const api = await openClientApi()
    const { roomId } = await longRoom(api)
    const result = await search(api, {
      search_term: '10',
      event_context: { before_limit: 1, after_limit: 2, include_profile: true },
      include_state: true,
      groupings: { group_by: [{ key: 'room_id' }, { key: 'sender' }] },
    })
    const context = at(result, 'results', 0, 'context')
    expect(said(listAt(context, 'events_before'))).toEqual(['9'])
    expect(said(listAt(context, 'events_after'))).toEqual(['11', '12'])
    expect(at(context, 'profile_info')).toEqual({ [alice]: {}, [bob]: {} })
    expect(listAt(result, 'state', roomId).length).toBeGreaterThan(5)
    expect(at(result, 'groups', 'sender', alice, 'results')).toHaveLength(1)
  })
})
