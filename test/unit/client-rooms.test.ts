import { describe, expect, test } from 'vitest'
import { MatrixError } from '../../src/spec/errors.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const carol = '@carol:a.example'

const rooms = (roomId: string) => `/v3/rooms/${encode(roomId)}`
const stateOf = async (api: ClientApi, user: string, roomId: string, type: string, stateKey = '') =>
  (await api.ask(user, 'GET', `${rooms(roomId)}/state/${type}/${encode(stateKey)}`)).body
const fails = async (api: ClientApi, token: string, method: string, path: string, body?: unknown) => {
  const answer = await api.ask(token, method, path, body)
  return [answer.status, answer.body.errcode]
}

describe('creating a room', () => {
  test.each(['10', '11', '12'])('puts its events in the order of the specification (version %s)', async (version) => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, {
      room_version: version,
      preset: 'public_chat',
      room_alias_name: 'pub',
      name: 'The Pub',
      topic: 'Beer',
      invite: [bob],
      initial_state: [
        { type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
        { type: 'm.room.guest_access', content: { guest_access: 'can_join' } },
      ],
    })
    const messages = await api.get(alice, `${rooms(roomId)}/messages?dir=f&limit=50`)
    expect(listAt(messages, 'chunk').map(({ type }) => type)).toEqual([
      'm.room.create',
      'm.room.member',
      'm.room.power_levels',
      'm.room.canonical_alias',
      'm.room.join_rules',
      'm.room.history_visibility',
      'm.room.encryption',
      'm.room.guest_access',
      'm.room.name',
      'm.room.topic',
      'm.room.member',
    ])
    expect(await stateOf(api, alice, roomId, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
    expect(await stateOf(api, alice, roomId, 'm.room.canonical_alias')).toEqual({ alias: '#pub:a.example' })
    expect(await stateOf(api, alice, roomId, 'm.room.topic')).toEqual({ topic: 'Beer', 'm.topic': { 'm.text': [{ body: 'Beer' }] } })
    expect(await api.get('', '/v3/directory/room/%23pub%3Aa.example')).toEqual({ room_id: roomId, servers: ['a.example'] })
    const levels = await stateOf(api, alice, roomId, 'm.room.power_levels')
    expect(at(levels, 'users')).toEqual(version === '12' ? {} : { [alice]: 100 })
    expect(at(levels, 'events', 'm.room.tombstone')).toBe(version === '12' ? 150 : 100)
  })

  test('gives invited users of a trusted private chat the power of its creator', async () => {
    const api = await openClientApi()
    const old = await api.createRoom(alice, { preset: 'trusted_private_chat', invite: [bob], room_version: '11', is_direct: true })
    expect(at(await stateOf(api, alice, old, 'm.room.power_levels'), 'users')).toEqual({ [alice]: 100, [bob]: 100 })
    expect(await stateOf(api, alice, old, 'm.room.member', bob)).toEqual({ membership: 'invite', is_direct: true })
    const content = { additional_creators: [carol] }
    const room = await api.createRoom(alice, { preset: 'trusted_private_chat', invite: [bob], creation_content: content })
    expect(at(await stateOf(api, alice, room, 'm.room.create'), 'additional_creators')).toEqual([carol, bob])
    await api.join(bob, room)
    await api.put(bob, `${rooms(room)}/state/m.room.power_levels`, { users: {} })
  })

  test('applies the overrides of power levels, and what the creation content says', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, {
      power_level_content_override: { events_default: 50 },
      creation_content: { type: 'm.space', creator: '@forged:a.example', room_version: '1' },
    })
    expect(at(await stateOf(api, alice, roomId, 'm.room.power_levels'), 'events_default')).toBe(50)
    expect(await stateOf(api, alice, roomId, 'm.room.create')).toEqual({ type: 'm.space', room_version: '12' })
  })

  test('refuses what cannot be', async () => {
    const api = await openClientApi()
    const create = (body: JsonObject) => fails(api, alice, 'POST', '/v3/createRoom', body)
    expect(await create({ room_version: '99' })).toEqual([400, 'M_UNSUPPORTED_ROOM_VERSION'])
    expect(await create({ invite: 'bob' })).toEqual([400, 'M_BAD_JSON'])
    expect(await create({ invite: ['bob'] })).toEqual([400, 'M_BAD_JSON'])
    expect(await create({ initial_state: [{ type: 'm.room.create', content: {} }] })).toEqual([400, 'M_INVALID_ROOM_STATE'])
    expect(await create({ room_version: '11', power_level_content_override: { users: {} } })).toEqual([400, 'M_INVALID_ROOM_STATE'])
    await api.createRoom(alice, { room_alias_name: 'pub' })
    expect(await create({ room_alias_name: 'pub' })).toEqual([400, 'M_ROOM_IN_USE'])
    expect(await create({ room_alias_name: 'a:b' })).toEqual([400, 'M_INVALID_PARAM'])
    expect(await fails(api, '', 'POST', '/v3/createRoom', {})).toEqual([401, 'M_MISSING_TOKEN'])
  })

  test('frees the alias of a room that could not be made', async () => {
    const api = await openClientApi()
    const broken = { room_alias_name: 'pub', initial_state: [{ type: 'm.room.create', content: {} }] }
    expect(await fails(api, alice, 'POST', '/v3/createRoom', broken)).toEqual([400, 'M_INVALID_ROOM_STATE'])
    await api.createRoom(alice, { room_alias_name: 'pub' })
  })
})

describe('membership', () => {
  test('an invited user joins, is kicked, banned, unbanned, and comes back by invitation alone', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    expect(await fails(api, bob, 'POST', `${rooms(roomId)}/join`)).toEqual([403, 'M_FORBIDDEN'])
    await api.post(alice, `${rooms(roomId)}/invite`, { user_id: bob, reason: 'please' })
    expect(await stateOf(api, alice, roomId, 'm.room.member', bob)).toEqual({ membership: 'invite', reason: 'please' })
    expect(await api.post(bob, `${rooms(roomId)}/join`)).toEqual({ room_id: roomId })
    expect((await api.get(bob, '/v3/joined_rooms')).joined_rooms).toEqual([roomId])
    await api.post(alice, `${rooms(roomId)}/kick`, { user_id: bob })
    expect(await fails(api, alice, 'POST', `${rooms(roomId)}/kick`, { user_id: bob })).toEqual([403, 'M_FORBIDDEN'])
    await api.post(alice, `${rooms(roomId)}/ban`, { user_id: bob })
    expect(await fails(api, alice, 'POST', `${rooms(roomId)}/invite`, { user_id: bob })).toEqual([403, 'M_FORBIDDEN'])
    await api.post(alice, `${rooms(roomId)}/unban`, { user_id: bob })
    await api.post(alice, `${rooms(roomId)}/invite`, { user_id: bob })
    await api.join(bob, roomId)
    await api.post(bob, `${rooms(roomId)}/leave`)
    expect((await api.get(bob, '/v3/joined_rooms')).joined_rooms).toEqual([])
  })

  test('who has no power kicks, bans and invites nobody', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    await api.join(carol, roomId)
    for (const how of ['kick', 'ban']) {
      expect(await fails(api, bob, 'POST', `${rooms(roomId)}/${how}`, { user_id: carol })).toEqual([403, 'M_FORBIDDEN'])
    }
    expect(await fails(api, bob, 'POST', `${rooms(roomId)}/invite`, { user_id: '@dave:a.example' })).toEqual([403, 'M_FORBIDDEN'])
    expect(await fails(api, alice, 'POST', `${rooms(roomId)}/invite`, {})).toEqual([400, 'M_MISSING_PARAM'])
    expect(await fails(api, alice, 'POST', `${rooms(roomId)}/invite`, { medium: 'email', address: 'x', id_server: 'y' })).toEqual([
      400,
      'M_THREEPID_DENIED',
    ])
  })

  test('a join by room id or alias says more, but nothing that is the server’s to say', async () => {
    const api = await openClientApi()
    api.profiles.set(bob, { displayname: 'Bob' })
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    const own = { membership: 'ban', displayname: 'Eve', avatar_url: 'mxc://a/b', third_party_invite: {}, third_party_signed: {} }
    const body = { 'org.example.via': { a: ['link'] }, reason: 'tea', join_authorised_via_users_server: alice, ...own }
    await api.post(bob, `/v3/join/${encode(roomId)}`, body)
    const member = `/v3/rooms/${encode(roomId)}/state/m.room.member/${encode(bob)}`
    expect(await api.get(bob, member)).toEqual({
      membership: 'join',
      displayname: 'Bob',
      reason: 'tea',
      'org.example.via': { a: ['link'] },
    })
    const fraction = await api.ask('@carol:a.example', 'POST', `/v3/join/${encode(roomId)}`, { a: 1.5 })
    expect([fraction.status, fraction.body.errcode]).toEqual([400, 'M_BAD_JSON'])
    const large = await api.ask('@carol:a.example', 'POST', `/v3/join/${encode(roomId)}`, { a: 'x'.repeat(70_000) })
    expect([large.status, large.body.errcode]).toEqual([413, 'M_TOO_LARGE'])
  })

  test('a room is joined by its alias, one of another server through the servers that it names', async () => {
    const asked: string[] = []
    const api = await openClientApi({
      remote: {
        resolveAlias: async () => ({ roomId: '!far:b.example', servers: ['b.example', 'c.example'] }),
        makeMembership: async (server) => {
          asked.push(server)
          throw new MatrixError(403, 'M_FORBIDDEN', { message: 'no' })
        },
      },
    })
    const roomId = await api.createRoom(alice, { preset: 'public_chat', room_alias_name: 'pub' })
    expect(await api.post(bob, '/v3/join/%23pub%3Aa.example')).toEqual({ room_id: roomId })
    expect(await fails(api, bob, 'POST', '/v3/join/%23far%3Ab.example?via=d.example')).toEqual([403, 'M_FORBIDDEN'])
    expect(asked).toEqual(['d.example', 'b.example', 'c.example'])
    expect(await fails(api, bob, 'POST', '/v3/join/%23none%3Aa.example')).toEqual([404, 'M_NOT_FOUND'])
    expect(await fails(api, bob, 'POST', '/v3/join/nonsense')).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('a knock waits for an invitation, and shows to both sides', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }] })
    expect(await api.post(bob, `/v3/knock/${encode(roomId)}`, { reason: 'hello?' })).toEqual({ room_id: roomId })
    const knocked = at(await api.get(bob, '/v3/sync'), 'rooms', 'knock', roomId, 'knock_state', 'events')
    expect(listAt(knocked ?? null).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['m.room.create', 'm.room.join_rules', 'm.room.member']),
    )
    expect(await stateOf(api, alice, roomId, 'm.room.member', bob)).toEqual({ membership: 'knock', reason: 'hello?' })
    await api.post(alice, `${rooms(roomId)}/invite`, { user_id: bob })
    await api.join(bob, roomId)
  })

  test('set as state goes the same ways', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const member = (user: string, target: string, content: JsonObject) =>
      api.put(user, `${rooms(roomId)}/state/m.room.member/${encode(target)}`, content)
    await member(alice, bob, { membership: 'invite' })
    expect((await member(bob, bob, { membership: 'join' })).event_id).toMatch(/^\$/)
    await member(bob, bob, { membership: 'join', displayname: 'Bobby' })
    expect((await api.get(alice, `${rooms(roomId)}/joined_members`)).joined).toEqual({ [alice]: {}, [bob]: { display_name: 'Bobby' } })
    await member(alice, bob, { membership: 'ban' })
    await member(alice, bob, { membership: 'leave' })
    expect(at(await stateOf(api, alice, roomId, 'm.room.member', bob), 'membership')).toBe('leave')
  })

  test('an invitation is turned down though whoever made it, and everybody else, has left', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'private_chat', invite: [bob] })
    const { next_batch: since } = await api.get(bob, '/v3/sync')
    await api.post(alice, `${rooms(roomId)}/leave`)
    await api.post(bob, `${rooms(roomId)}/leave`)
    const sync = await api.get(bob, `/v3/sync?since=${since}`)
    expect(at(sync, 'rooms', 'invite')).toBeUndefined()
    const events = listAt(sync, 'rooms', 'leave', roomId, 'timeline', 'events')
    expect(events.at(-1)).toMatchObject({ type: 'm.room.member', state_key: bob, content: { membership: 'leave' } })
  })

  test('a room that was not left is not forgotten, one that was forgotten is not read', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    await api.createRoom(alice)
    expect(await fails(api, alice, 'POST', `${rooms(roomId)}/forget`)).toEqual([400, 'M_UNKNOWN'])
    await api.post(alice, `${rooms(roomId)}/leave`)
    expect((await api.ask(alice, 'GET', `${rooms(roomId)}/messages?dir=b`)).status).toBe(200)
    await api.post(alice, `${rooms(roomId)}/forget`)
    expect(await fails(api, alice, 'GET', `${rooms(roomId)}/messages?dir=b`)).toEqual([403, 'M_FORBIDDEN'])
  })
})

describe('sending', () => {
  test('the same transaction on the same path is one event, on another path another', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const send = (token: string, type: string) => api.put(token, `${rooms(roomId)}/send/${type}/t`, { body: 'x' })
    const first = await send(alice, 'm.room.message')
    expect(await send(alice, 'm.room.message')).toEqual(first)
    expect(await send(alice, 'org.example')).not.toEqual(first)
    expect(await send(`${alice}/OTHER`, 'm.room.message')).not.toEqual(first)
  })

  test('state that says what its sender set already is the same event, until it was changed or redacted', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const set = async (user: string, a: number) =>
      String((await api.put(user, `/v3/rooms/${encode(roomId)}/state/org.example/${encode(user)}`, { a, b: 1 })).event_id)
    const first = await set(alice, 1)
    expect(await set(alice, 1)).toBe(first)
    const other = await set(alice, 2)
    const back = await set(alice, 1)
    expect(new Set([first, other, back]).size).toBe(3)
    await api.put(alice, `/v3/rooms/${encode(roomId)}/redact/${encode(back)}/r`, {})
    expect(await set(alice, 1)).not.toBe(back)
    const member = async () => (await api.get(bob, `/v3/rooms/${encode(roomId)}/state/m.room.member/${encode(bob)}?format=event`)).event_id
    const joined = await member()
    await api.join(bob, roomId)
    expect(await member()).toBe(joined)
  })

  test('is for who is in the room, and for what the format allows', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    expect(await fails(api, bob, 'PUT', `${rooms(roomId)}/send/m.room.message/1`, {})).toEqual([403, 'M_FORBIDDEN'])
    expect(await fails(api, alice, 'PUT', `${rooms(roomId)}/send/m.room.message/1`, { body: 'x'.repeat(70_000) })).toEqual([
      413,
      'M_TOO_LARGE',
    ])
    for (const body of ['[]', '{"a":1.5}', '{"a":9007199254740992}', '{"a":"\\ud800"}']) {
      expect(await fails(api, alice, 'PUT', `${rooms(roomId)}/send/m.room.message/1`, body)).toEqual([400, 'M_BAD_JSON'])
    }
    expect(await fails(api, alice, 'PUT', `${rooms(roomId)}/send/m.room.message/1`, '{')).toEqual([400, 'M_NOT_JSON'])
    expect(await fails(api, alice, 'PUT', `${rooms(roomId)}/send/${'x'.repeat(256)}/1`, {})).toEqual([400, 'M_INVALID_PARAM'])
    expect(await fails(api, alice, 'PUT', `/v3/rooms/nonsense/send/m.room.message/1`, {})).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('a redaction sent as an event reaches its target in every version', async () => {
    const api = await openClientApi()
    for (const version of ['10', '12']) {
      const roomId = await api.createRoom(alice, { room_version: version })
      const eventId = await api.send(alice, roomId, 'oops')
      await api.put(alice, `${rooms(roomId)}/send/m.room.redaction/r`, { redacts: eventId })
      expect((await api.get(alice, `${rooms(roomId)}/event/${encode(eventId)}`)).content).toEqual({})
    }
  })

  test('others’ events are redacted only with the power to', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const eventId = await api.send(alice, roomId, 'mine')
    const redact = `${rooms(roomId)}/redact/${encode(eventId)}/1`
    expect(await fails(api, bob, 'PUT', redact, {})).toEqual([403, 'M_FORBIDDEN'])
    expect(await fails(api, bob, 'PUT', `${rooms(roomId)}/redact/%24none/1`, {})).toEqual([404, 'M_NOT_FOUND'])
    const his = await api.send(bob, roomId, 'his')
    await api.put(bob, `${rooms(roomId)}/redact/${encode(his)}/1`, {})
    await api.put(alice, redact, {})
  })

  test('what is not known here is redacted by whom everything may be redacted by, and not shown if it comes', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    const other = await api.createRoom(alice)
    const elsewhere = await api.send(alice, other, 'in another room')
    const unknown = `$${'A'.repeat(43)}`
    const { event_id: redaction } = await api.put(alice, `${rooms(roomId)}/redact/${encode(unknown)}/1`, { reason: 'spam' })
    const sent = await api.get(alice, `${rooms(roomId)}/event/${encode(String(redaction))}`)
    expect(sent).toMatchObject({ type: 'm.room.redaction', content: { redacts: unknown, reason: 'spam' } })
    expect(await fails(api, alice, 'PUT', `${rooms(roomId)}/redact/${encode(elsewhere)}/2`, {})).toEqual([404, 'M_NOT_FOUND'])
  })

  test('the same reaction is sent once', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const eventId = await api.send(alice, roomId, 'like me')
    const reaction = (key: string) => ({ 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key } })
    await api.put(alice, `${rooms(roomId)}/send/m.reaction/1`, reaction('👍'))
    expect(await fails(api, alice, 'PUT', `${rooms(roomId)}/send/m.reaction/2`, reaction('👍'))).toEqual([400, 'M_DUPLICATE_ANNOTATION'])
    await api.put(alice, `${rooms(roomId)}/send/m.reaction/3`, reaction('👎'))
  })

  test('a canonical alias must lead to the room', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { room_alias_name: 'one' })
    await api.createRoom(alice, { room_alias_name: 'two' })
    const set = (alias: string) =>
      fails(api, alice, 'PUT', `${rooms(roomId)}/state/m.room.canonical_alias`, { alias: '#one:a.example', alt_aliases: [alias] })
    expect(await set('#two:a.example')).toEqual([400, 'M_BAD_ALIAS'])
    expect(await set('two')).toEqual([400, 'M_INVALID_PARAM'])
    await api.put(alice, '/v3/directory/room/%23three%3Aa.example', { room_id: roomId })
    expect(await set('#three:a.example')).toEqual([200, undefined])
  })
})

describe('reading state', () => {
  test('by type and key, with and without a trailing slash, as content or as a whole event', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'Den' })
    await api.put(alice, `${rooms(roomId)}/state/org.example/a%2Fb`, { key: 'with a slash' })
    await api.put(alice, `${rooms(roomId)}/state/org.example/`, { key: 'empty' })
    for (const path of ['state/m.room.name', 'state/m.room.name/'])
      expect(await api.get(alice, `${rooms(roomId)}/${path}`)).toEqual({ name: 'Den' })
    expect(await api.get(alice, `${rooms(roomId)}/state/org.example/a%2Fb`)).toEqual({ key: 'with a slash' })
    expect(await api.get(alice, `${rooms(roomId)}/state/org.example`)).toEqual({ key: 'empty' })
    const event = await api.get(alice, `${rooms(roomId)}/state/m.room.name?format=event`)
    expect(event).toMatchObject({ type: 'm.room.name', state_key: '', room_id: roomId, sender: alice, content: { name: 'Den' } })
    expect(await fails(api, alice, 'GET', `${rooms(roomId)}/state/m.room.avatar`)).toEqual([404, 'M_NOT_FOUND'])
    expect(await fails(api, bob, 'GET', `${rooms(roomId)}/state/m.room.name`)).toEqual([403, 'M_FORBIDDEN'])
    expect(await fails(api, bob, 'GET', `${rooms(roomId)}/state`)).toEqual([403, 'M_FORBIDDEN'])
  })

  test('who left sees the state in which they left the room', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat', name: 'before' })
    await api.join(bob, roomId)
    await api.post(bob, `${rooms(roomId)}/leave`)
    await api.put(alice, `${rooms(roomId)}/state/m.room.name`, { name: 'after' })
    await api.join(carol, roomId)
    expect(await stateOf(api, bob, roomId, 'm.room.name')).toEqual({ name: 'before' })
    const members = listAt(await api.get(bob, `${rooms(roomId)}/members`), 'chunk').map(({ state_key: key }) => key)
    expect(members.sort()).toEqual([alice, bob])
    expect(await fails(api, bob, 'GET', `${rooms(roomId)}/joined_members`)).toEqual([403, 'M_FORBIDDEN'])
  })

  test('members by membership, and at a point of sync', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const { next_batch: token } = await api.get(alice, '/v3/sync')
    await api.join(carol, roomId)
    await api.post(bob, `${rooms(roomId)}/leave`)
    const members = async (query: string) =>
      listAt(await api.get(alice, `${rooms(roomId)}/members?${query}`), 'chunk')
        .map(({ state_key: key }) => key)
        .sort()
    expect(await members('')).toEqual([alice, bob, carol])
    expect(await members('membership=join')).toEqual([alice, carol])
    expect(await members('not_membership=join')).toEqual([bob])
    expect(await members(`at=${String(token)}`)).toEqual([alice, bob])
    expect(await members(`at=${String(token)}&membership=join`)).toEqual([alice, bob])
  })

  test('who left sees the members at a point before they left, and at none after', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const { next_batch: early } = await api.get(bob, '/v3/sync')
    await api.join(carol, roomId)
    await api.post(bob, `${rooms(roomId)}/leave`)
    await api.post(carol, `${rooms(roomId)}/leave`)
    const { next_batch: late } = await api.get(bob, '/v3/sync')
    const joined = async (at: unknown) =>
      listAt(await api.get(bob, `${rooms(roomId)}/members?membership=join&at=${String(at)}`), 'chunk').map(({ state_key: key }) => key)
    expect((await joined(early)).sort()).toEqual([alice, bob])
    expect((await joined(late)).sort()).toEqual([alice, carol])
  })

  test.each([
    ['world_readable', true],
    ['shared', true],
    ['invited', false],
    ['joined', false],
  ])('members at a point before one’s own joining, where history is %s: told is %s', async (visibility, isTold) => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.put(alice, `${rooms(roomId)}/state/m.room.history_visibility`, { history_visibility: visibility })
    const { next_batch: early } = await api.get(alice, '/v3/sync')
    await api.join(bob, roomId)
    const query = `${rooms(roomId)}/members?at=${String(early)}`
    if (isTold) expect(listAt(await api.get(bob, query), 'chunk').map(({ state_key: key }) => key)).toEqual([alice])
    else expect(await fails(api, bob, 'GET', query)).toEqual([403, 'M_FORBIDDEN'])
    const { next_batch: now } = await api.get(alice, '/v3/sync')
    expect(listAt(await api.get(bob, `${rooms(roomId)}/members?at=${String(now)}`), 'chunk')).toHaveLength(2)
  })
})

describe('history visibility', () => {
  const visibleTo = async (api: ClientApi, user: string, roomId: string) =>
    said(
      listAt(
        (await api.ask(user, 'GET', `${rooms(roomId)}/messages?dir=f&limit=100&filter=${encode('{"types":["m.room.message"]}')}`)).body,
        'chunk',
      ),
    )

  test.each([
    ['world_readable', ['before', 'invited', 'joined'], ['before', 'invited', 'joined', 'left']],
    ['shared', ['before', 'invited', 'joined'], ['before', 'invited', 'joined']],
    ['invited', ['invited', 'joined'], ['invited', 'joined']],
    ['joined', ['joined'], ['joined']],
  ])('%s hides what it says, by every way of reading', async (visibility, whileJoined, afterwards) => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, {
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
    })
    const before = await api.send(alice, roomId, 'before')
    await api.post(alice, `${rooms(roomId)}/invite`, { user_id: bob })
    await api.send(alice, roomId, 'invited')
    await api.join(bob, roomId)
    await api.send(alice, roomId, 'joined')
    expect(await visibleTo(api, bob, roomId)).toEqual(whileJoined)
    const isShown = whileJoined.includes('before')
    expect((await api.ask(bob, 'GET', `${rooms(roomId)}/event/${encode(before)}`)).status).toBe(isShown ? 200 : 404)
    expect((await api.ask(bob, 'GET', `${rooms(roomId)}/context/${encode(before)}`)).status).toBe(isShown ? 200 : 404)
    const search = await api.post(bob, '/v3/search', { search_categories: { room_events: { search_term: 'before' } } })
    expect(at(search, 'search_categories', 'room_events', 'count')).toBe(isShown ? 1 : 0)
    const timeline = listAt(await api.get(bob, '/v3/sync'), 'rooms', 'join', roomId, 'timeline', 'events')
    expect(said(timeline.filter(({ type }) => type === 'm.room.message'))).toEqual(whileJoined)
    await api.post(bob, `${rooms(roomId)}/leave`)
    await api.send(alice, roomId, 'left')
    expect(await visibleTo(api, bob, roomId)).toEqual(afterwards)
    expect(await visibleTo(api, carol, roomId)).toEqual(visibility === 'world_readable' ? afterwards : [])
  })
})
