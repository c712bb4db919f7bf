import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { put } from '../../src/ports/storage.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { eventPositions, events } from '../../src/storage/tables/rooms.ts'
import { receiptEvents } from '../../src/users/receipts.ts'
import { openUsers, type UsersFixture } from './users-fixture.ts'

let home: UsersFixture
let alice: { userId: string; token: string; deviceId: string }
let bob: { userId: string; token: string; deviceId: string }

const room = '!room:a.example'
const path = (text: string) => encodeURIComponent(text)

beforeEach(async () => {
  home = await openUsers()
  alice = await home.register('alice')
  bob = await home.register('bob')
  home.members.rooms.set(room, new Set([alice.userId, bob.userId, '@carol:b.example']))
})

/** Stores an event of the room at the stream's next position; one of depth 0 as if it were back-filled. */
async function addEvent(eventId: string, depth: number, content: JsonObject = {}): Promise<void> {
  const pdu = { type: 'm.room.message', sender: bob.userId, room_id: room, depth, content }
  await home.stream.commit(1, (position) => [
    put(events, position, { eventId, roomId: room, version: '12', rank: 0, pdu, status: 'accepted', live: depth > 0, receivedTs: 0 }),
    put(eventPositions, eventId, position),
  ])
}

describe('profiles', () => {
  const field = (name: string) => `/v3/profile/${alice.userId}/${name}`

  test('hold what their user sets, and are there for everyone', async () => {
    expect((await home.ask('PUT', field('displayname'), { token: alice.token, body: { displayname: 'Alice' } })).body).toEqual({})
    await home.ask('PUT', field('m.tz'), { token: alice.token, body: { 'm.tz': 'Europe/Berlin' } })
    await home.ask('PUT', field('org.example.pets'), { token: alice.token, body: { 'org.example.pets': ['cat'] } })
    expect((await home.ask('GET', `/v3/profile/${alice.userId}`)).body).toEqual({
      displayname: 'Alice',
      'm.tz': 'Europe/Berlin',
      'org.example.pets': ['cat'],
    })
    expect((await home.ask('GET', field('displayname'), { token: bob.token })).body).toEqual({ displayname: 'Alice' })
    expect((await home.ask('DELETE', field('m.tz'), { token: alice.token })).status).toBe(200)
    expect((await home.ask('GET', field('m.tz'))).body.errcode).toBe('M_NOT_FOUND')
  })

  test('a new name or avatar is put into the memberships, once, and other fields are not', async () => {
    const set = (name: string, value: unknown) => home.ask('PUT', field(name), { token: alice.token, body: { [name]: value } })
    await set('displayname', 'Alice')
    await set('displayname', 'Alice')
    await set('m.tz', 'Europe/Berlin')
    expect(home.updatedProfiles).toEqual([alice.userId])
    await set('displayname', '')
    expect(home.updatedProfiles).toEqual([alice.userId, alice.userId])
    expect((await home.ask('GET', field('displayname'))).status).toBe(404)
  })

  test.each([
    ['another user', '@bob:a.example', 'displayname', { displayname: 'x' }, 403, 'M_FORBIDDEN'],
    ['a bad name', '@alice:a.example', 'Nonsense', { Nonsense: 1 }, 400, 'M_INVALID_PARAM'],
    ['a body without the field', '@alice:a.example', 'displayname', { other: 1 }, 400, 'M_MISSING_PARAM'],
    ['a number for a name', '@alice:a.example', 'displayname', { displayname: 1 }, 400, 'M_INVALID_PARAM'],
    ['a long key', '@alice:a.example', `a.${'b'.repeat(255)}`, {}, 400, 'M_KEY_TOO_LARGE'],
    ['too much', '@alice:a.example', 'a.b', { 'a.b': 'x'.repeat(70_000) }, 400, 'M_PROFILE_TOO_LARGE'],
  ])('refuse %s', async (_, userId, name, body, status, errcode) => {
    const answer = await home.ask('PUT', `/v3/profile/${userId}/${name}`, { token: alice.token, body })
    expect([answer.status, answer.body.errcode]).toEqual([status, errcode])
  })

  test('of other servers are asked for, by users who are logged in alone', async () => {
    home.others.profile = async (userId) => ({ displayname: `${userId} there` })
    const there = '/v3/profile/@carol:b.example'
    expect((await home.ask('GET', there, { token: alice.token })).body).toEqual({ displayname: '@carol:b.example there' })
    expect((await home.ask('GET', there)).body.errcode).toBe('M_FORBIDDEN')
    expect((await home.ask('GET', '/v3/profile/@nobody:a.example')).body.errcode).toBe('M_NOT_FOUND')
    expect((await home.ask('GET', '/v3/profile/nonsense')).body.errcode).toBe('M_INVALID_PARAM')
  })

  test('changes at once lose none', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `org.example.f${i}`)
    await Promise.all(names.map((name) => home.ask('PUT', field(name), { token: alice.token, body: { [name]: 1 } })))
    expect(Object.keys((await home.ask('GET', `/v3/profile/${alice.userId}`)).body).sort()).toEqual(names)
  })
})

describe('account data', () => {
  const global = (type: string) => `/v3/user/${alice.userId}/account_data/${type}`
  const ofRoom = (type: string, roomId = room) => `/v3/user/${alice.userId}/rooms/${path(roomId)}/account_data/${type}`

  test('is kept globally and by room, and reaches sync once for each change', async () => {
    const since = home.stream.current
    await home.ask('PUT', global('m.direct'), { token: alice.token, body: { a: ['!x'] } })
    await home.ask('PUT', ofRoom('m.marked_unread'), { token: alice.token, body: { unread: true } })
    await home.ask('PUT', global('m.direct'), { token: alice.token, body: { a: ['!y'] } })
    const upTo = home.stream.current
    expect((await home.ask('GET', global('m.direct'), { token: alice.token })).body).toEqual({ a: ['!y'] })
    expect(await home.accountData.changedSince(alice.userId, since, upTo)).toEqual([
      { roomId: room, type: 'm.marked_unread', content: { unread: true } },
      { roomId: '', type: 'm.direct', content: { a: ['!y'] } },
    ])
    expect(await home.accountData.changedSince(alice.userId, upTo, home.stream.current)).toEqual([])
    expect(await home.accountData.changedSince(bob.userId, since, upTo)).toEqual([])
  })

  test('keeps keys that are special to JavaScript', async () => {
    await home.ask('PUT', global('org.example'), { token: alice.token, body: '{"__proto__":{"a":1},"constructor":2}' })
    const { body } = await home.ask('GET', global('org.example'), { token: alice.token })
    expect(JSON.stringify(body)).toBe('{"__proto__":{"a":1},"constructor":2}')
  })

  test.each([
    ['the fully read marker', () => ofRoom('m.fully_read'), {}, 405, 'M_BAD_JSON'],
    ['push rules', () => global('m.push_rules'), {}, 405, 'M_BAD_JSON'],
    ['a room that is none', () => ofRoom('a.b', '@x:a.example'), {}, 400, 'M_INVALID_PARAM'],
    ['an array', () => global('a.b'), [], 400, 'M_BAD_JSON'],
    ['no JSON', () => global('a.b'), 'x', 400, 'M_NOT_JSON'],
    ['another user', () => `/v3/user/@bob:a.example/account_data/a.b`, {}, 403, 'M_FORBIDDEN'],
  ])('refuses %s', async (_, where, body, status, errcode) => {
    const answer = await home.ask('PUT', where(), { token: alice.token, body })
    expect([answer.status, answer.body.errcode]).toEqual([status, errcode])
  })

  test('is for its user alone, and missing until it is set', async () => {
    expect((await home.ask('GET', global('m.direct'), { token: bob.token })).status).toBe(403)
    expect((await home.ask('GET', global('m.direct'), { token: alice.token })).body.errcode).toBe('M_NOT_FOUND')
  })

  test.each([
    ['an empty object', () => home.ask('PUT', global('org.example'), { token: alice.token, body: {} })],
    ['DELETE', () => home.ask('DELETE', `/unstable/org.matrix.msc3391/user/${alice.userId}/account_data/org.example`, alice)],
  ])('that is deleted by %s is gone, and devices that follow are told', async (_, erase) => {
    await home.ask('PUT', global('org.example'), { token: alice.token, body: { a: 1 } })
    const since = home.stream.current
    expect((await erase()).status).toBe(200)
    expect((await home.ask('GET', global('org.example'), { token: alice.token })).body.errcode).toBe('M_NOT_FOUND')
    expect((await home.accountData.all(alice.userId)).map(({ type }) => type)).not.toContain('org.example')
    expect(await home.accountData.changedSince(alice.userId, since, home.stream.current)).toEqual([
      { roomId: '', type: 'org.example', content: {} },
    ])
  })

  test('of a room is deleted with the same effect, once', async () => {
    await home.ask('PUT', ofRoom('org.example'), { token: alice.token, body: { a: 1 } })
    const erase = `/unstable/org.matrix.msc3391/user/${alice.userId}/rooms/${path(room)}/account_data/org.example`
    await home.ask('DELETE', erase, alice)
    const upTo = home.stream.current
    expect((await home.ask('DELETE', erase, alice)).status).toBe(200)
    expect(home.stream.current).toBe(upTo)
    expect((await home.ask('GET', ofRoom('org.example'), { token: alice.token })).status).toBe(404)
  })

  test('names whom the user ignores', async () => {
    expect(await home.accountData.ignoredUsers(alice.userId)).toEqual(new Set())
    await home.ask('PUT', global('m.ignored_user_list'), { token: alice.token, body: { ignored_users: { '@x:b.example': {} } } })
    expect(await home.accountData.ignoredUsers(alice.userId)).toEqual(new Set(['@x:b.example']))
  })

  test('tags rooms', async () => {
    const tags = `/v3/user/${alice.userId}/rooms/${path(room)}/tags`
    await Promise.all([
      home.ask('PUT', `${tags}/m.favourite`, { token: alice.token, body: { order: 0.5 } }),
      home.ask('PUT', `${tags}/u.work`, { token: alice.token, body: {} }),
    ])
    expect((await home.ask('GET', tags, { token: alice.token })).body).toEqual({ tags: { 'm.favourite': { order: 0.5 }, 'u.work': {} } })
    await home.ask('DELETE', `${tags}/u.work`, { token: alice.token })
    expect((await home.ask('GET', ofRoom('m.tag'), { token: alice.token })).body).toEqual({ tags: { 'm.favourite': { order: 0.5 } } })
    expect((await home.ask('PUT', `${tags}/x`, { token: alice.token, body: { order: 2 } })).status).toBe(400)
  })
})

describe('filters', () => {
  const filters = () => `/v3/user/${alice.userId}/filter`

  test('are kept whole, under an id that is no JSON', async () => {
    const filter = { room: { timeline: { limit: 10, 'org.example': 1 } }, event_format: 'client' }
    const { body } = await home.ask('POST', filters(), { token: alice.token, body: filter })
    expect(body.filter_id).toMatch(/^[^{]+$/)
    expect((await home.ask('GET', `${filters()}/${body.filter_id}`, { token: alice.token })).body).toEqual(filter)
    expect((await home.ask('GET', `${filters()}/nonsense`, { token: alice.token })).status).toBe(404)
    expect((await home.ask('GET', `${filters()}/${body.filter_id}`, { token: bob.token })).status).toBe(403)
  })

  test.each([
    ['a negative limit', { room: { timeline: { limit: -1 } } }],
    ['types that are no list', { presence: { types: 'm.presence' } }],
    ['rooms that are none', { room: { rooms: ['x'] } }],
    ['an unknown format', { event_format: 'x' }],
  ])('with %s are refused', async (_, filter) => {
    const { status, body } = await home.ask('POST', filters(), { token: alice.token, body: filter })
    expect([status, body.errcode]).toEqual([400, 'M_BAD_JSON'])
  })
})

describe('push rules', () => {
  const rule = (kind: string, id: string, rest = '') => `/v3/pushrules/global/${kind}/${path(id)}${rest}`
  const ids = async (kind: string) => {
    const { body } = await home.ask('GET', '/v3/pushrules/', { token: alice.token })
    const of = (body.global as Record<string, { rule_id: string }[]>)[kind] ?? []
    return of.map(({ rule_id }) => rule_id)
  }
  const add = (kind: string, id: string, query = '', body: object = { actions: ['notify'] }) =>
    home.ask('PUT', `${rule(kind, id)}${query}`, { token: alice.token, body })

  test('begin with the predefined ones', async () => {
    expect(await ids('override')).toContain('.m.rule.master')
    expect((await home.ask('GET', rule('override', '.m.rule.master', '/enabled'), { token: alice.token })).body).toEqual({ enabled: false })
    expect((await home.accountData.all(alice.userId)).map(({ type }) => type)).toContain('m.push_rules')
  })

  test('of the user come before the predefined ones, in the order asked for, but for the master rule', async () => {
    await add('override', 'a')
    await add('override', 'b')
    await add('override', 'c', '?after=b')
    await add('override', 'd', '?before=a')
    expect((await ids('override')).slice(0, 6)).toEqual(['.m.rule.master', 'b', 'c', 'd', 'a', '.m.rule.suppress_notices'])
    await add('override', 'c', '', { actions: [] })
    expect((await ids('override')).slice(1, 5)).toEqual(['b', 'c', 'd', 'a'])
    await home.ask('DELETE', rule('override', 'c'), { token: alice.token })
    expect((await ids('override')).slice(1, 4)).toEqual(['b', 'd', 'a'])
  })

  test('changes reach sync, and predefined rules can be changed but not removed', async () => {
    const since = home.stream.current
    await home.ask('PUT', rule('override', '.m.rule.master', '/enabled'), { token: alice.token, body: { enabled: true } })
    await home.ask('PUT', rule('underride', '.m.rule.message', '/actions'), { token: alice.token, body: { actions: [] } })
    expect((await home.accountData.changedSince(alice.userId, since, home.stream.current)).map(({ type }) => type)).toEqual([
      'm.push_rules',
    ])
    expect((await home.ask('GET', rule('override', '.m.rule.master'), { token: alice.token })).body.enabled).toBe(true)
    expect((await home.ask('GET', rule('underride', '.m.rule.message', '/actions'), { token: alice.token })).body).toEqual({ actions: [] })
    expect((await home.ask('DELETE', rule('override', '.m.rule.master'), { token: alice.token })).status).toBe(404)
    expect((await home.pushRules.of(bob.userId)).override[0]?.enabled).toBe(false)
  })

  test.each([
    ['a reserved name', 'override', '.mine', {}, 400, 'M_INVALID_PARAM'],
    ['a slash', 'override', 'a/b', {}, 400, 'M_INVALID_PARAM'],
    ['an unknown kind', 'nonsense', 'a', {}, 400, 'M_INVALID_PARAM'],
    ['a content rule without a pattern', 'content', 'a', {}, 400, 'M_MISSING_PARAM'],
    ['a condition without a kind', 'override', 'a', { conditions: [{}] }, 400, 'M_INVALID_PARAM'],
    ['actions that are numbers', 'override', 'a', { actions: [1] }, 400, 'M_BAD_JSON'],
    ['no actions', 'override', 'a', { actions: undefined }, 400, 'M_MISSING_PARAM'],
  ])('with %s are refused', async (_, kind, id, extra, status, errcode) => {
    const answer = await add(kind, id, '', { actions: ['notify'], ...extra })
    expect([answer.status, answer.body.errcode]).toEqual([status, errcode])
  })

  test('cannot be placed relative to rules that are not there, or predefined', async () => {
    expect((await add('override', 'a', '?before=nonsense')).body.errcode).toBe('M_UNKNOWN')
    expect((await add('override', 'a', '?after=.m.rule.master')).body.errcode).toBe('M_UNKNOWN')
  })
})

describe('pushers', () => {
  const pusher = {
    kind: 'http',
    pushkey: 'key',
    app_id: 'app',
    app_display_name: 'App',
    device_display_name: 'Phone',
    lang: 'en',
    data: { url: 'https://push.example/_matrix/push/v1/notify', format: 'event_id_only' },
  }
  const set = (token: string, body: object) => home.ask('POST', '/v3/pushers/set', { token, body })
  const list = async (token: string) => (await home.ask('GET', '/v3/pushers', { token })).body.pushers

  test('are set, replaced, taken over by another user, and removed', async () => {
    await set(alice.token, pusher)
    await set(alice.token, { ...pusher, lang: 'de' })
    expect(await list(alice.token)).toEqual([{ ...pusher, lang: 'de' }])
    await set(bob.token, { ...pusher, append: true })
    expect(await list(alice.token)).toHaveLength(1)
    await set(bob.token, pusher)
    expect(await list(alice.token)).toEqual([])
    await set(bob.token, { kind: null, app_id: 'app', pushkey: 'key' })
    expect(await list(bob.token)).toEqual([])
  })

  test.each([
    ['another kind', { kind: 'email' }],
    ['no language', { lang: undefined }],
    ['a gateway without TLS', { data: { url: 'http://push.example/_matrix/push/v1/notify' } }],
    ['a gateway elsewhere', { data: { url: 'https://push.example/' } }],
    ['a long key', { pushkey: 'x'.repeat(513) }],
  ])('with %s are refused', async (_, extra) => {
    expect((await set(alice.token, { ...pusher, ...extra })).status).toBe(400)
  })
})

describe('receipts', () => {
  const receipt = (type: string, eventId: string, body: object = {}, token = alice.token) =>
    home.ask('POST', `/v3/rooms/${path(room)}/receipt/${type}/${path(eventId)}`, { token, body })

  test('move forward, reach sync, and are told to the other servers of the room', async () => {
    await addEvent('$1', 1)
    await addEvent('$2', 2)
    const since = home.stream.current
    await receipt('m.read', '$2')
    await receipt('m.read', '$1')
    const changed = await home.receipts.changedSince(since, home.stream.current)
    expect(changed).toEqual([{ roomId: room, userId: alice.userId, type: 'm.read', eventId: '$2', ts: home.clock.now() }])
    expect(home.sent).toEqual([
      {
        servers: ['b.example'],
        edu: {
          edu_type: 'm.receipt',
          content: { [room]: { 'm.read': { [alice.userId]: { event_ids: ['$2'], data: { ts: home.clock.now() } } } } },
        },
      },
    ])
  })

  test('do not move to an event of old that was fetched later', async () => {
    await addEvent('$new', 1)
    await addEvent('$old', 0)
    await receipt('m.read', '$new')
    await receipt('m.read', '$old')
    expect(await home.receipts.inRoom(room)).toMatchObject([{ eventId: '$new' }])
  })

  test('that are private stay with their user, and never leave the server', async () => {
    await addEvent('$1', 1)
    await receipt('m.read.private', '$1')
    const entries = await home.receipts.inRoom(room)
    expect(receiptEvents(entries, alice.userId)).toEqual([
      { type: 'm.receipt', content: { $1: { 'm.read.private': { [alice.userId]: { ts: home.clock.now() } } } } },
    ])
    expect(receiptEvents(entries, bob.userId)).toEqual([])
    expect(home.sent).toEqual([])
  })

  test('of a thread stand beside those of the room, in events of their own', async () => {
    await addEvent('$root', 1)
    await addEvent('$reply', 2, { 'm.relates_to': { rel_type: 'm.thread', event_id: '$root' } })
    await receipt('m.read', '$reply')
    await receipt('m.read', '$reply', { thread_id: '$root' })
    const shown = receiptEvents(await home.receipts.inRoom(room), bob.userId)
    expect(shown).toHaveLength(2)
    expect(shown).toContainEqual({
      type: 'm.receipt',
      content: { $reply: { 'm.read': { [alice.userId]: { ts: home.clock.now(), thread_id: '$root' } } } },
    })
    expect((await receipt('m.read', '$reply', { thread_id: 'main' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await receipt('m.read', '$root', { thread_id: 'main' })).status).toBe(200)
  })

  test.each([
    ['an unknown type', 'm.seen', '$1', {}, 400],
    ['an empty thread', 'm.read', '$1', { thread_id: '' }, 400],
    ['a number for a thread', 'm.read', '$1', { thread_id: 1 }, 400],
    ['a thread for the fully read marker', 'm.fully_read', '$1', { thread_id: 'main' }, 400],
    ['no event id', 'm.read', 'x', {}, 400],
  ])('with %s are refused', async (_, type, eventId, body, status) => {
    await addEvent('$1', 1)
    const answer = await receipt(type, eventId, body)
    expect([answer.status, answer.body.errcode]).toEqual([status, 'M_INVALID_PARAM'])
  })

  test('are for members alone', async () => {
    home.members.rooms.set(room, new Set([bob.userId]))
    expect((await receipt('m.read', '$1')).body.errcode).toBe('M_FORBIDDEN')
  })

  test("of other servers' users are taken from their server, for rooms they are in", async () => {
    const edu = (userId: string, roomId = room) => ({ [roomId]: { 'm.read': { [userId]: { event_ids: ['$1'], data: { ts: 5 } } } } })
    await home.receipts.receive('b.example', edu('@carol:b.example'))
    await home.receipts.receive('c.example', edu('@carol:b.example'))
    await home.receipts.receive('b.example', edu('@dave:b.example'))
    await home.receipts.receive('b.example', edu(alice.userId))
    await home.receipts.receive('b.example', edu('@carol:b.example', '!other:a.example'))
    expect(await home.receipts.inRoom(room)).toEqual([{ roomId: room, userId: '@carol:b.example', type: 'm.read', eventId: '$1', ts: 5 }])
    expect(await home.receipts.inRoom('!other:a.example')).toEqual([])
  })

  test('in any other shape do no harm', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(room, 'x', 'm.read', '__proto__'), fc.jsonValue()), async (content) => {
        await home.receipts.receive('b.example', JSON.parse(JSON.stringify(content)))
        await home.receipts.receive('b.example', JSON.parse(JSON.stringify({ [room]: { 'm.read': content } })))
      }),
      { numRuns: 50 },
    )
    expect(await home.receipts.inRoom(room)).toEqual([])
  })

  test('and the fully read marker are set together by read markers', async () => {
    await addEvent('$1', 1)
    const { status } = await home.ask('POST', `/v3/rooms/${path(room)}/read_markers`, {
      token: alice.token,
      body: { 'm.fully_read': '$1', 'm.read': '$1', 'm.read.private': '$1' },
    })
    expect(status).toBe(200)
    expect(await home.accountData.get(alice.userId, room, 'm.fully_read')).toEqual({ event_id: '$1' })
    expect((await home.receipts.ofUser(room, alice.userId)).map(({ type }) => type)).toEqual(['m.read', 'm.read.private'])
    const elsewhere = await home.ask('POST', `/v3/rooms/${path(room)}/read_markers`, {
      token: alice.token,
      body: { 'm.fully_read': '$unknown' },
    })
    expect(elsewhere.body.errcode).toBe('M_INVALID_PARAM')
  })
})

describe('typing', () => {
  const type = (typing: boolean, timeout?: number) =>
    home.ask('PUT', `/v3/rooms/${path(room)}/typing/${alice.userId}`, { token: alice.token, body: { typing, timeout } })

  test('starts, ends by itself, wakes sync each time and is told to other servers', async () => {
    const since = home.stream.current
    await type(true, 5000)
    const started = home.stream.current
    expect(home.typing.changedSince(since, started)).toEqual([room])
    expect(home.typing.event(room)).toEqual({ type: 'm.typing', content: { user_ids: [alice.userId] } })
    await type(true, 5000)
    expect(home.stream.current).toBe(started)
    await home.clock.run(6000)
    expect(home.typing.now(room)).toEqual([])
    expect(home.typing.changedSince(started, home.stream.current)).toEqual([room])
    expect(home.sent.map(({ edu }) => edu.content.typing)).toEqual([true, true, false])
  })

  test('ends when told', async () => {
    await type(true)
    await type(false)
    expect(home.typing.now(room)).toEqual([])
  })

  test('is for members, and for oneself: by client and by other servers', async () => {
    const other = await home.ask('PUT', `/v3/rooms/${path(room)}/typing/${alice.userId}`, { token: bob.token, body: { typing: true } })
    expect(other.body.errcode).toBe('M_FORBIDDEN')
    const typing = { room_id: room, typing: true }
    await home.typing.receive('c.example', { ...typing, user_id: '@carol:b.example' })
    await home.typing.receive('b.example', { ...typing, user_id: '@dave:b.example' })
    expect(home.typing.now(room)).toEqual([])
    await home.typing.receive('b.example', { ...typing, user_id: '@carol:b.example' })
    expect(home.typing.now(room)).toEqual(['@carol:b.example'])
    await home.clock.run(120_000)
    expect(home.typing.now(room)).toEqual([])
    home.members.rooms.clear()
    expect((await type(true)).body.errcode).toBe('M_FORBIDDEN')
  })
})

describe('presence', () => {
  const status = (userId: string) => `/v3/presence/${userId}/status`

  test('is set, seen by who shares a room, told to their servers, and nobody else learns it', async () => {
    const since = home.stream.current
    await home.ask('PUT', status(alice.userId), { token: alice.token, body: { presence: 'online', status_msg: 'hi' } })
    expect((await home.ask('GET', status(alice.userId), { token: bob.token })).body).toEqual({
      presence: 'online',
      status_msg: 'hi',
      last_active_ago: 0,
      currently_active: true,
    })
    expect(home.presence.changedSince(since, home.stream.current)).toEqual([alice.userId])
    expect(home.presence.event(alice.userId)).toMatchObject({ type: 'm.presence', sender: alice.userId, content: { presence: 'online' } })
    expect(home.sent).toMatchObject([
      { servers: ['b.example'], edu: { edu_type: 'm.presence', content: { push: [{ user_id: alice.userId, presence: 'online' }] } } },
    ])
    const mallory = await home.register('mallory')
    expect((await home.ask('GET', status(alice.userId), { token: mallory.token })).body.errcode).toBe('M_FORBIDDEN')
    expect((await home.ask('PUT', status(alice.userId), { token: bob.token, body: { presence: 'offline' } })).body.errcode).toBe(
      'M_FORBIDDEN',
    )
    expect((await home.ask('PUT', status(alice.userId), { token: alice.token, body: { presence: 'asleep' } })).status).toBe(400)
  })

  test('follows sync: online, idle without activity, active again, offline without sync', async () => {
    const now = () => home.presence.content(alice.userId)?.presence
    await home.presence.online(alice.userId, 'PHONE')
    expect(now()).toBe('online')
    for (let i = 0; i < 13; i++) {
      await home.clock.run(30_000)
      await home.presence.online(alice.userId, 'PHONE')
    }
    expect(now()).toBe('unavailable')
    await home.presence.active(alice.userId)
    expect(now()).toBe('online')
    await home.clock.run(120_000)
    expect(now()).toBe('offline')
    await home.presence.online(alice.userId, 'PHONE', 'offline')
    expect(now()).toBe('offline')
  })

  test('is idle once every device says so in its sync', async () => {
    const now = () => home.presence.content(alice.userId)?.presence
    await home.presence.online(alice.userId, 'PHONE')
    await home.presence.online(alice.userId, 'LAPTOP')
    await home.presence.online(alice.userId, 'LAPTOP', 'unavailable')
    expect(now()).toBe('online')
    await home.presence.online(alice.userId, 'PHONE', 'unavailable')
    expect(now()).toBe('unavailable')
    for (let i = 0; i < 4; i++) {
      await home.clock.run(30_000)
      await home.presence.online(alice.userId, 'PHONE', 'unavailable')
    }
    expect(now()).toBe('unavailable')
  })

  test("of other servers' users is taken from their server alone", async () => {
    const push = (userId: string): JsonObject => ({
      push: [{ user_id: userId, presence: 'online', last_active_ago: 1000 }, 'nonsense', {}],
    })
    await home.presence.receive('c.example', push('@carol:b.example'))
    await home.presence.receive('b.example', push(alice.userId))
    expect(home.presence.content('@carol:b.example')).toBeUndefined()
    await home.presence.receive('b.example', push('@carol:b.example'))
    expect(home.presence.content('@carol:b.example')).toMatchObject({ presence: 'online', last_active_ago: 1000 })
  })
})

describe('finding users', () => {
  const search = async (term: string, limit?: number) =>
    (await home.ask('POST', '/v3/user_directory/search', { token: alice.token, body: { search_term: term, limit } })).body

  test('looks at local users and members of shared rooms, by id and by name, the best first', async () => {
    await home.ask('PUT', `/v3/profile/${bob.userId}/displayname`, { token: bob.token, body: { displayname: 'Robert' } })
    await home.register('robertina')
    expect(await search('robert')).toEqual({
      limited: false,
      results: [{ user_id: bob.userId, display_name: 'Robert' }, { user_id: '@robertina:a.example' }],
    })
    expect(await search('CAROL')).toEqual({ limited: false, results: [{ user_id: '@carol:b.example' }] })
    expect(await search('b', 1)).toMatchObject({ limited: true, results: [{}] })
    home.members.rooms.clear()
    expect(await search('carol')).toEqual({ limited: false, results: [] })
  })
})

describe('OpenID tokens', () => {
  test('tell another service whose they are, for an hour', async () => {
    const { body } = await home.ask('POST', `/v3/user/${alice.userId}/openid/request_token`, { token: alice.token, body: {} })
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', matrix_server_name: 'a.example', expires_in: 3600 })
    expect(await home.openIdTokens.userOf(String(body.access_token))).toBe(alice.userId)
    expect((await home.ask('GET', '/v3/account/whoami', { token: String(body.access_token) })).status).toBe(401)
    await home.clock.run(3_600_000)
    expect(await home.openIdTokens.userOf(String(body.access_token))).toBeUndefined()
    expect((await home.ask('POST', `/v3/user/${alice.userId}/openid/request_token`, { token: bob.token, body: {} })).status).toBe(403)
  })
})
