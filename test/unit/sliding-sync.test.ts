import { describe, expect, test } from 'vitest'
import { put } from '../../src/ports/storage.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { devices } from '../../src/storage/tables/users.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const path = '/unstable/org.matrix.simplified_msc3575/sync'

const everything = [['*', '*']]
const list = (more: JsonObject = {}) => ({ timeline_limit: 3, required_state: [['m.room.create', '']], ranges: [[0, 99]], ...more })
const lists = (more: JsonObject = {}): JsonObject => ({ lists: { all: list(more) } })

/** A client that syncs, each time with the `pos` of the answer before. */
function connect(api: ClientApi, who: string) {
  let pos = ''
  const ask = (body: JsonObject, from: string, timeoutMs = 0) =>
    api.ask(who, 'POST', `${path}?timeout=${timeoutMs}${from === '' ? '' : `&pos=${from}`}`, body)
  return {
    sync: async (body: JsonObject, timeoutMs = 0) => {
      const { status, body: answer } = await ask(body, pos, timeoutMs)
      if (status !== 200) throw new Error(JSON.stringify(answer))
      pos = String(answer.pos)
      return answer
    },
    ask,
    at: () => pos,
  }
}

const typesOf = (room: JsonValue | undefined) => listAt(room, 'required_state').map(({ type }) => type)

describe('a list', () => {
  test('gives its window of rooms, the newest activity first, and counts all', async () => {
    const api = await openClientApi()
    const rooms = []
    for (let i = 0; i < 5; i++) rooms.push(await api.createRoom(alice, { name: `${i}` }))
    await api.send(alice, rooms[1] ?? '', 'up')
    const answer = await connect(api, alice).sync(lists({ ranges: [[0, 1]] }))
    expect(at(answer, 'lists', 'all', 'count')).toBe(5)
    expect(Object.keys(at(answer, 'rooms') ?? {}).sort()).toEqual([rooms[1], rooms[4]].sort())
    expect(at(answer, 'lists', 'all', 'ops', 0)).toEqual({ op: 'SYNC', range: [0, 1], room_ids: [rooms[1], rooms[4]] })
    const room = at(answer, 'rooms', rooms[1] ?? '')
    expect(room).toMatchObject({ initial: true, name: '1', joined_count: 1, invited_count: 0, limited: true, num_live: 0 })
    expect(said(listAt(room, 'timeline')).at(-1)).toBe('up')
  })

  test('that grows gives the rooms that were not sent before, and no others', async () => {
    const api = await openClientApi()
    const rooms = []
    for (let i = 0; i < 4; i++) rooms.push(await api.createRoom(alice))
    const client = connect(api, alice)
    await client.sync(lists({ ranges: [[0, 0]] }))
    const grown = await client.sync(lists({ ranges: [[0, 3]] }))
    expect(Object.keys(at(grown, 'rooms') ?? {}).sort()).toEqual(rooms.slice(0, 3).sort())
  })

  test.each([
    ['is_dm', { is_dm: true }, ['direct']],
    ['is_encrypted', { is_encrypted: true }, ['secret']],
    ['is_invite', { is_invite: true }, ['invited']],
    ['not is_invite', { is_invite: false }, ['direct', 'plain', 'secret', 'space']],
    ['room_types', { room_types: ['m.space'] }, ['space']],
    ['not_room_types', { not_room_types: ['m.space'], is_invite: false }, ['direct', 'plain', 'secret']],
    ['room_name_like', { room_name_like: 'LAI' }, ['plain']],
    ['tags', { tags: ['m.favourite'] }, ['plain']],
    ['not_tags', { not_tags: ['m.favourite'], is_invite: false }, ['direct', 'secret', 'space']],
    ['spaces', { spaces: 'space' }, ['secret']],
  ])('is filtered by %s', async (_name, filters, expected) => {
    const api = await openClientApi()
    const named = new Map<string, string>()
    for (const name of ['plain', 'secret', 'space', 'direct', 'invited']) {
      const owner = name === 'invited' ? bob : alice
      const more: JsonObject = name === 'space' ? { creation_content: { type: 'm.space' } } : name === 'invited' ? { invite: [alice] } : {}
      named.set(name, await api.createRoom(owner, { name, ...more }))
    }
    const id = (name: string) => named.get(name) ?? ''
    await api.put(alice, `/v3/rooms/${encode(id('secret'))}/state/m.room.encryption`, { algorithm: 'm.megolm.v1.aes-sha2' })
    await api.put(alice, `/v3/rooms/${encode(id('space'))}/state/m.space.child/${encode(id('secret'))}`, { via: ['a.example'] })
    await api.accountData.set(alice, '', { type: 'm.direct', content: { [bob]: [id('direct')] } })
    await api.accountData.set(alice, id('plain'), { type: 'm.tag', content: { tags: { 'm.favourite': {} } } })
    const asked = 'spaces' in filters ? { spaces: [id('space')] } : filters
    const answer = await connect(api, alice).sync(lists({ filters: asked }))
    const names = [...named].filter(([, roomId]) => at(answer, 'rooms', roomId) !== undefined).map(([name]) => name)
    expect(names.sort()).toEqual(expected)
    expect(at(answer, 'lists', 'all', 'count')).toBe(expected.length)
  })
})

describe('a connection', () => {
  test('gives what is new since the answer before, and nothing where there is nothing', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'Den' })
    const client = connect(api, alice)
    await client.sync(lists())
    expect(at(await client.sync(lists()), 'rooms')).toEqual({})
    await api.send(alice, roomId, 'one')
    const room = at(await client.sync(lists()), 'rooms', roomId)
    expect(room).toMatchObject({ limited: false, num_live: 1 })
    expect(at(room, 'initial')).toBeUndefined()
    expect(at(room, 'name')).toBeUndefined()
    expect(said(listAt(room, 'timeline'))).toEqual(['one'])
  })

  test('gives the same again to a client that lost an answer', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const client = connect(api, alice)
    await client.sync(lists())
    await api.send(alice, roomId, 'one')
    const lost = await client.ask(lists(), client.at())
    const again = await client.sync(lists())
    expect(said(listAt(again, 'rooms', roomId, 'timeline'))).toEqual(said(listAt(lost.body, 'rooms', roomId, 'timeline')))
    expect(at(await client.sync(lists()), 'rooms')).toEqual({})
  })

  test.each([
    ['nobody gave out', 's1_1_c99'],
    ['of GET /sync', 's1_1'],
    ['of another incarnation', 's1_7_c1'],
    ['that is no token', 'nonsense'],
  ])('with a pos %s has expired', async (_name, pos) => {
    const api = await openClientApi()
    await connect(api, alice).sync(lists())
    const { status, body } = await connect(api, alice).ask(lists(), pos)
    expect([status, body.errcode]).toEqual([400, 'M_UNKNOWN_POS'])
  })

  test('belongs to one user, and its pos only to the newest answers', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const client = connect(api, alice)
    await client.sync(lists())
    const first = client.at()
    expect((await client.ask(lists(), first.replace('_c', '_c'))).status).toBe(200)
    expect((await connect(api, bob).ask(lists(), first)).body.errcode).toBe('M_UNKNOWN_POS')
    await client.sync(lists())
    await api.send(alice, roomId, 'one')
    await client.sync(lists())
    await client.sync(lists())
    expect((await client.ask(lists(), first)).body.errcode).toBe('M_UNKNOWN_POS')
  })

  test('waits until there is something to say', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const client = connect(api, alice)
    await client.sync(lists())
    const waiting = client.sync(lists(), 30_000)
    await api.send(alice, roomId, 'now')
    expect(said(listAt(await waiting, 'rooms', roomId, 'timeline'))).toEqual(['now'])
  })

  test('tells, of a room that fell out of the window, what was missed once it is back', async () => {
    const api = await openClientApi()
    const quiet = await api.createRoom(alice)
    const client = connect(api, alice)
    await client.sync(lists({ ranges: [[0, 0]] }))
    const loud = await api.createRoom(alice)
    await client.sync(lists({ ranges: [[0, 0]] }))
    await api.send(alice, quiet, 'missed')
    await api.send(alice, loud, 'louder')
    expect(Object.keys(at(await client.sync(lists({ ranges: [[0, 0]] })), 'rooms') ?? {})).toEqual([loud])
    const back = at(await client.sync(lists()), 'rooms', quiet)
    expect(at(back, 'initial')).toBeUndefined()
    expect(said(listAt(back, 'timeline'))).toEqual(['missed'])
  })
})

describe('a room', () => {
  test('comes with the state asked for, own membership and wildcards included', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'Den', preset: 'public_chat' })
    await api.join(bob, roomId)
    const required = [
      ['m.room.member', '$ME'],
      ['m.room.n*', ''],
      ['m.room.name', '*'],
    ]
    const room = at(await connect(api, alice).sync(lists({ required_state: required })), 'rooms', roomId)
    expect(listAt(room, 'required_state').map(({ type, state_key: key }) => [type, key])).toEqual(
      expect.arrayContaining([
        ['m.room.member', alice],
        ['m.room.name', ''],
      ]),
    )
    expect(listAt(room, 'required_state')).toHaveLength(2)
    const all = at(await connect(api, alice).sync(lists({ required_state: everything })), 'rooms', roomId)
    expect(typesOf(all)).toEqual(expect.arrayContaining(['m.room.create', 'm.room.power_levels', 'm.room.join_rules']))
  })

  test('loads members lazily: those the timeline needs, once', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    for (let i = 0; i < 4; i++) await api.send(alice, roomId, `${i}`)
    const lazy = lists({ required_state: [['m.room.member', '$LAZY'], ...everything] })
    const client = connect(api, alice)
    const first = at(await client.sync(lazy), 'rooms', roomId)
    const members = (room: JsonValue | undefined) =>
      listAt(room, 'required_state').flatMap((event) => (event.type === 'm.room.member' ? [event.state_key] : []))
    expect(members(first)).toEqual([alice])
    expect(typesOf(first)).toContain('m.room.power_levels')
    await api.send(bob, roomId, 'hi')
    expect(members(at(await client.sync(lazy), 'rooms', roomId))).toEqual([bob])
    await api.send(bob, roomId, 'again')
    expect(members(at(await client.sync(lazy), 'rooms', roomId))).toEqual([])
  })

  test('tells of changed state alone, also where a gap hides the events', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const client = connect(api, alice)
    await client.sync(lists({ required_state: everything }))
    await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.topic`, { topic: 'in the gap' })
    for (let i = 0; i < 5; i++) await api.send(alice, roomId, `${i}`)
    const room = at(await client.sync(lists({ required_state: everything })), 'rooms', roomId)
    expect(at(room, 'limited')).toBe(true)
    expect(said(listAt(room, 'timeline'))).toEqual(['2', '3', '4'])
    expect(typesOf(room)).toEqual(['m.room.topic'])
    const back = await api.get(alice, `/v3/rooms/${encode(roomId)}/messages?dir=b&limit=2&from=${String(at(room, 'prev_batch'))}`)
    expect(said(listAt(back, 'chunk'))).toEqual(['1', '0'])
  })

  test('comes at once with more of its timeline, or of its state, when more is asked for', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'Den' })
    for (let i = 0; i < 6; i++) await api.send(alice, roomId, `${i}`)
    const client = connect(api, alice)
    await client.sync(lists({ timeline_limit: 1 }))
    const longer = at(
      await client.sync(
        { ...lists({ timeline_limit: 1 }), room_subscriptions: { [roomId]: { timeline_limit: 4, required_state: [] } } },
        30_000,
      ),
      'rooms',
      roomId,
    )
    expect(longer).toMatchObject({ unstable_expanded_timeline: true, num_live: 0 })
    expect(said(listAt(longer, 'timeline'))).toEqual(['2', '3', '4', '5'])
    const wider = at(
      await client.sync(
        lists({
          timeline_limit: 1,
          required_state: [
            ['m.room.create', ''],
            ['m.room.name', ''],
          ],
        }),
        30_000,
      ),
      'rooms',
      roomId,
    )
    expect(typesOf(wider)).toEqual(['m.room.name'])
  })

  test('has heroes where it has no name, and a stamp that goes up with what people say', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { invite: [bob] })
    await api.join(bob, roomId)
    const client = connect(api, alice)
    const first = at(await client.sync(lists()), 'rooms', roomId)
    expect(listAt(first, 'heroes')).toEqual([{ user_id: bob }])
    await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.topic`, { topic: 'no activity' })
    const second = at(await client.sync(lists()), 'rooms', roomId)
    expect(at(second, 'bump_stamp')).toBe(at(first, 'bump_stamp'))
    await api.send(bob, roomId, 'activity')
    const third = at(await client.sync(lists()), 'rooms', roomId)
    expect(Number(at(third, 'bump_stamp'))).toBeGreaterThan(Number(at(first, 'bump_stamp')))
    expect(third).toMatchObject({ notification_count: 1, highlight_count: 0 })
  })

  test('that invites comes with stripped state, and as a whole once joined', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(bob, { name: 'Den', invite: [alice] })
    const client = connect(api, alice)
    const invited = at(await client.sync(lists()), 'rooms', roomId)
    expect(listAt(invited, 'invite_state').map(({ type }) => type)).toEqual(expect.arrayContaining(['m.room.name', 'm.room.member']))
    expect(at(invited, 'timeline')).toBeUndefined()
    expect(at(await client.sync(lists()), 'rooms')).toEqual({})
    await api.join(alice, roomId)
    expect(at(await client.sync(lists()), 'rooms', roomId)).toMatchObject({ initial: true, name: 'Den', joined_count: 2 })
  })

  test('that the user left ends with the leaving; one they were removed from shows up by itself', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(bob, { preset: 'public_chat' })
    await api.join(alice, roomId)
    const client = connect(api, alice)
    await client.sync(lists())
    await api.post(alice, `/v3/rooms/${encode(roomId)}/leave`)
    await api.send(bob, roomId, 'after she left')
    const left = at(await client.sync(lists()), 'rooms', roomId)
    expect(listAt(left, 'timeline').map(({ type, state_key: key }) => [type, key])).toEqual([['m.room.member', alice]])
    expect(at(await client.sync(lists()), 'rooms')).toEqual({})
    expect(at(await connect(api, alice).sync(lists()), 'rooms', roomId)).toBeUndefined()
    await api.join(alice, roomId)
    await api.post(bob, `/v3/rooms/${encode(roomId)}/kick`, { user_id: alice })
    const kicked = at(await connect(api, alice).sync(lists()), 'rooms', roomId)
    expect(listAt(kicked, 'timeline').at(-1)).toMatchObject({ type: 'm.room.member', content: { membership: 'leave' } })
  })

  test('that is none of the user’s is not there, whoever subscribes', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(bob)
    const answer = await connect(api, alice).sync({ room_subscriptions: { [roomId]: { timeline_limit: 5, required_state: everything } } })
    expect(answer.rooms).toEqual({})
  })
})

describe('the extensions', () => {
  const all = {
    to_device: { enabled: true },
    e2ee: { enabled: true },
    account_data: { enabled: true },
    receipts: { enabled: true },
    typing: { enabled: true },
  }
  const asked = (more: JsonObject = {}): JsonObject => ({ ...lists(), extensions: { ...all, ...more } })

  test('give messages to the device until they are acknowledged', async () => {
    const api = await openClientApi()
    const row = { createdTs: 1, lastSeenTs: 1, lastSeenAddress: '' }
    await api.storage.commit([put(devices, [alice, 'PHONE'], row)], 'strict')
    const client = connect(api, `${alice}/PHONE`)
    await client.sync(asked())
    await api.toDevice.send({
      sender: bob,
      deviceId: 'LAPTOP',
      type: 'm.test',
      transactionId: '1',
      messages: { [alice]: { PHONE: { n: 1 } } },
    })
    const first = at(await client.sync(asked(), 30_000), 'extensions', 'to_device')
    expect(listAt(first, 'events').map(({ content }) => content)).toEqual([{ n: 1 }])
    const again = at(await client.sync(asked()), 'extensions', 'to_device')
    expect(listAt(again, 'events')).toHaveLength(1)
    const since = String(at(first, 'next_batch'))
    const done = at(await client.sync(asked({ to_device: { enabled: true, since } })), 'extensions', 'to_device')
    expect(listAt(done, 'events')).toEqual([])
  })

  test('give keys and device lists, account data, receipts and typing, each when it changes', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    const eventId = await api.send(alice, roomId, 'one')
    await api.accountData.set(alice, '', { type: 'm.direct', content: { [bob]: [roomId] } })
    await api.accountData.set(alice, roomId, { type: 'm.tag', content: { tags: {} } })
    const client = connect(api, alice)
    const first = at(await client.sync(asked()), 'extensions')
    expect(at(first, 'e2ee')).toMatchObject({ device_one_time_keys_count: expect.anything(), device_unused_fallback_key_types: [] })
    expect(listAt(first, 'account_data', 'global').map(({ type }) => type)).toEqual(expect.arrayContaining(['m.direct', 'm.push_rules']))
    expect(listAt(first, 'account_data', 'rooms', roomId)).toEqual([{ type: 'm.tag', content: { tags: {} } }])
    await api.join(bob, roomId)
    expect(at(await client.sync(asked()), 'extensions', 'e2ee', 'device_lists', 'changed')).toEqual([bob])
    await api.post(bob, `/v3/rooms/${encode(roomId)}/receipt/m.read/${encode(eventId)}`)
    expect(
      at(await client.sync(asked(), 30_000), 'extensions', 'receipts', 'rooms', roomId, 'content', eventId, 'm.read', bob),
    ).toBeDefined()
    await api.put(bob, `/v3/rooms/${encode(roomId)}/typing/${bob}`, { typing: true, timeout: 30_000 })
    expect(at(await client.sync(asked(), 30_000), 'extensions', 'typing', 'rooms', roomId, 'content', 'user_ids')).toEqual([bob])
    const quiet = await client.sync(asked())
    expect(Object.keys(at(quiet, 'extensions') ?? {}).sort()).toEqual(['e2ee', 'to_device'])
  })
})

test('malformed requests are refused', async () => {
  const api = await openClientApi()
  const refused = async (body: unknown) => (await api.ask(alice, 'POST', path, body)).status
  expect(await refused({ lists: { a: { timeline_limit: 'many', required_state: [], ranges: [] } } })).toBe(400)
  expect(await refused({ lists: { a: { timeline_limit: 1, required_state: [['m.room.name']], ranges: [] } } })).toBe(400)
  expect(await refused({ lists: { a: { timeline_limit: 1, required_state: [], ranges: [[-1, 2]] } } })).toBe(400)
  expect(await refused({ lists: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`${i}`, list()])) })).toBe(400)
  expect(await refused([])).toBe(400)
})
