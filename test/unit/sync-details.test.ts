import { describe, expect, test } from 'vitest'
import { put } from '../../src/ports/storage.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { devices } from '../../src/storage/tables/users.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const carol = '@carol:a.example'
const quiet = 'set_presence=offline'

/** Two users in a public room, and the tokens of both after that. */
async function talking(api: ClientApi, users: readonly string[] = [alice, bob]) {
  const [creator = alice, ...others] = users
  const roomId = await api.createRoom(creator, { preset: 'public_chat' })
  for (const user of others) await api.join(user, roomId)
  return { roomId, since: async (user: string) => String((await api.get(user, `/v3/sync?${quiet}`)).next_batch) }
}

const next = (api: ClientApi, user: string, since: string, query = '') => api.get(user, `/v3/sync?${quiet}&since=${since}${query}`)
const filtered = (filter: JsonObject) => `&filter=${encode(JSON.stringify(filter))}`

describe('lazy loading of members', () => {
  const lazy = filtered({ room: { state: { lazy_load_members: true }, timeline: { limit: 1 } } })
  const membersIn = (response: JsonObject, roomId: string) =>
    listAt(response, 'rooms', 'join', roomId, 'state', 'events').flatMap(({ type, state_key: key }) =>
      type === 'm.room.member' ? [key] : [],
    )

  test('gives on an initial sync only who speaks, who names the room, and oneself', async () => {
    const api = await openClientApi()
    const { roomId } = await talking(api, [alice, bob, carol])
    await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.name`, { name: 'named' })
    await api.send(bob, roomId, 'hello')
    const response = await api.get(alice, `/v3/sync?${quiet}${lazy}`)
    expect(membersIn(response, roomId).sort()).toEqual([alice, bob])
  })

  test('does not repeat a member the device has, once it has shown that the response arrived', async () => {
    const api = await openClientApi()
    const { roomId } = await talking(api, [alice, bob, carol])
    await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.name`, { name: 'named' })
    const first = String((await api.get(alice, `/v3/sync?${quiet}${lazy}`)).next_batch)
    await api.send(carol, roomId, 'one')
    const second = await next(api, alice, first, lazy)
    expect(membersIn(second, roomId)).toEqual([carol])
    await api.send(carol, roomId, 'two')
    expect(membersIn(await next(api, alice, String(second.next_batch), lazy), roomId)).toEqual([])
    expect(membersIn(await next(api, alice, first, lazy), roomId)).toEqual([carol])
    const redundant = filtered({ room: { state: { lazy_load_members: true, include_redundant_members: true } } })
    expect(membersIn(await next(api, alice, String(second.next_batch), redundant), roomId)).toEqual([carol])
  })

  test('gives who changed in a gap, known or not', async () => {
    const api = await openClientApi()
    const { roomId } = await talking(api, [alice, bob, carol])
    const first = String((await api.get(alice, `/v3/sync?${quiet}${lazy}`)).next_batch)
    await api.post(bob, `/v3/rooms/${encode(roomId)}/leave`)
    for (let i = 0; i < 3; i++) await api.send(alice, roomId, `${i}`)
    expect(membersIn(await next(api, alice, first, lazy), roomId)).toContain(bob)
  })
})

describe('filters', () => {
  test('choose rooms, types by wildcard, senders, and how much', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api)
    const other = await api.createRoom(alice)
    const start = await since(alice)
    await api.send(alice, roomId, 'mine')
    await api.send(bob, roomId, 'his')
    await api.send(bob, roomId, 'thing', {}, 'org.example.thing')
    await api.send(alice, other, 'elsewhere')
    const timeline = async (filter: JsonObject) => {
      const response = await next(api, alice, start, filtered(filter))
      return [Object.keys(at(response, 'rooms', 'join') ?? {}), said(listAt(response, 'rooms', 'join', roomId, 'timeline', 'events'))]
    }
    expect(await timeline({ room: { rooms: [roomId] } })).toEqual([[roomId], ['mine', 'his', 'thing']])
    expect(await timeline({ room: { not_rooms: [other], timeline: { types: ['org.*'] } } })).toEqual([[roomId], ['thing']])
    expect(await timeline({ room: { timeline: { senders: [bob], not_types: ['org.example.*'] } } })).toEqual([[roomId], ['his']])
    expect(await timeline({ room: { timeline: { limit: 1, types: ['m.room.message'] } } })).toEqual([[roomId, other], ['his']])
  })

  test('may be stored, and are refused if they are none', async () => {
    const api = await openClientApi()
    await talking(api)
    for (const filter of ['{"room":5}', '{', 'unknown']) {
      const { status, body } = await api.ask(alice, 'GET', `/v3/sync?filter=${encode(filter)}`)
      expect([status, body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    }
  })
})

describe('what is written of an event', () => {
  test('the sending device alone learns the transaction id', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api)
    const start = await since(alice)
    await api.put(`${alice}/PHONE`, `/v3/rooms/${encode(roomId)}/send/m.room.message/txn1`, { body: 'hi' })
    const transactionFor = async (token: string) =>
      at(await next(api, token, start), 'rooms', 'join', roomId, 'timeline', 'events', 0, 'unsigned', 'transaction_id')
    expect(await transactionFor(`${alice}/PHONE`)).toBe('txn1')
    expect(await transactionFor(`${alice}/LAPTOP`)).toBeUndefined()
    expect(await transactionFor(bob)).toBeUndefined()
  })

  test('a state event tells what it replaced, and every event the reader’s membership', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api)
    const { event_id: old } = await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.topic`, { topic: 'old' })
    const start = await since(bob)
    await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.topic`, { topic: 'new' })
    const [event] = listAt(await next(api, bob, start), 'rooms', 'join', roomId, 'timeline', 'events')
    expect(at(event, 'unsigned')).toMatchObject({ replaces_state: old, prev_content: { topic: 'old' }, membership: 'join' })
    expect(at(event, 'unsigned', 'age')).toBeTypeOf('number')
    expect(event).not.toHaveProperty('room_id')
  })

  test.each(['10', '12'])('a redacted event is pruned wherever it is read, and says why (room version %s)', async (version) => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { room_version: version })
    const eventId = await api.send(alice, roomId, 'oops')
    const start = String((await api.get(alice, `/v3/sync?${quiet}`)).next_batch)
    const { event_id: redaction } = await api.put(alice, `/v3/rooms/${encode(roomId)}/redact/${encode(eventId)}/1`, { reason: 'typo' })
    const event = await api.get(alice, `/v3/rooms/${encode(roomId)}/event/${encode(eventId)}`)
    expect(event.content).toEqual({})
    expect(at(event, 'unsigned', 'redacted_because')).toMatchObject({
      event_id: redaction,
      redacts: eventId,
      content: { reason: 'typo', redacts: eventId },
    })
    const [shown] = listAt(await next(api, alice, start), 'rooms', 'join', roomId, 'timeline', 'events')
    expect(shown).toMatchObject({ type: 'm.room.redaction', redacts: eventId, content: { redacts: eventId } })
  })

  test('edits and threads are bundled with what they belong to', async () => {
    const api = await openClientApi()
    const { roomId } = await talking(api)
    const root = await api.send(alice, roomId, 'root')
    const edit = (body: string) => ({
      'm.new_content': { body, msgtype: 'm.text' },
      'm.relates_to': { rel_type: 'm.replace', event_id: root },
    })
    await api.send(alice, roomId, '* first', edit('first'))
    const second = await api.send(alice, roomId, '* second', edit('second'))
    await api.send(bob, roomId, '* forged', edit('forged'))
    const inThread = { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
    await api.send(bob, roomId, 'reply 1', inThread)
    const last = await api.send(bob, roomId, 'reply 2', inThread)
    const event = await api.get(alice, `/v3/rooms/${encode(roomId)}/event/${encode(root)}`)
    const relations = at(event, 'unsigned', 'm.relations')
    expect(event.content).toMatchObject({ body: 'root' })
    expect(at(relations, 'm.replace', 'event_id')).toBe(second)
    expect(at(relations, 'm.thread')).toMatchObject({ count: 2, current_user_participated: true, latest_event: { event_id: last } })
    await api.put(alice, `/v3/rooms/${encode(roomId)}/redact/${encode(second)}/2`, {})
    const after = await api.get(bob, `/v3/rooms/${encode(roomId)}/event/${encode(root)}`)
    expect(at(after, 'unsigned', 'm.relations', 'm.replace', 'content', 'body')).toBe('* first')
  })
})

describe('unread notifications', () => {
  const countsOf = async (api: ClientApi, user: string, roomId: string, query = '') => {
    const room = at(await api.get(user, `/v3/sync?${quiet}${query}`), 'rooms', 'join', roomId)
    return { counts: at(room, 'unread_notifications'), threads: at(room, 'unread_thread_notifications') }
  }

  test('count what others said since one’s own receipt, and highlights apart', async () => {
    const api = await openClientApi()
    const { roomId } = await talking(api)
    await api.send(bob, roomId, 'one')
    const two = await api.send(bob, roomId, 'two', { 'm.mentions': { user_ids: [alice] } })
    expect((await countsOf(api, alice, roomId)).counts).toEqual({ notification_count: 2, highlight_count: 1 })
    expect((await countsOf(api, bob, roomId)).counts).toEqual({ notification_count: 0, highlight_count: 0 })
    await api.post(alice, `/v3/rooms/${encode(roomId)}/receipt/m.read/${encode(two)}`)
    expect((await countsOf(api, alice, roomId)).counts).toEqual({ notification_count: 0, highlight_count: 0 })
    await api.send(bob, roomId, 'three')
    expect((await countsOf(api, alice, roomId)).counts).toEqual({ notification_count: 1, highlight_count: 0 })
  })

  test('come with the very event that changes them, and go when it is redacted', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api)
    const start = await since(alice)
    const eventId = await api.send(bob, roomId, 'one')
    const first = await next(api, alice, start)
    expect(at(first, 'rooms', 'join', roomId, 'unread_notifications', 'notification_count')).toBe(1)
    await api.put(bob, `/v3/rooms/${encode(roomId)}/redact/${encode(eventId)}/1`, {})
    const second = await next(api, alice, String(first.next_batch))
    expect(at(second, 'rooms', 'join', roomId, 'unread_notifications', 'notification_count')).toBe(0)
  })

  test('are kept for each thread where the client asks for that', async () => {
    const api = await openClientApi()
    const { roomId } = await talking(api)
    const root = await api.send(alice, roomId, 'root')
    const inThread = { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
    const reply = await api.send(bob, roomId, 'in the thread', inThread)
    await api.send(bob, roomId, 'outside')
    const byThread = filtered({ room: { timeline: { unread_thread_notifications: true } } })
    expect(await countsOf(api, alice, roomId, byThread)).toEqual({
      counts: { notification_count: 1, highlight_count: 0 },
      threads: { [root]: { notification_count: 1, highlight_count: 0 } },
    })
    expect((await countsOf(api, alice, roomId)).counts).toEqual({ notification_count: 2, highlight_count: 0 })
    await api.post(alice, `/v3/rooms/${encode(roomId)}/receipt/m.read/${encode(reply)}`, { thread_id: root })
    expect(await countsOf(api, alice, roomId, byThread)).toEqual({
      counts: { notification_count: 1, highlight_count: 0 },
      threads: undefined,
    })
  })
})

describe('the list of notifications', () => {
  test('has what notified, newest first, read or not, page by page', async () => {
    const api = await openClientApi()
    const { roomId } = await talking(api)
    const other = (await talking(api)).roomId
    const first = await api.send(bob, roomId, 'one')
    await api.send(bob, other, 'two', { 'm.mentions': { user_ids: [alice] } })
    await api.send(alice, roomId, 'mine')
    await api.send(bob, roomId, 'three')
    await api.post(alice, `/v3/rooms/${encode(roomId)}/receipt/m.read/${encode(first)}`)
    const list = (body: JsonObject) => listAt(body, 'notifications').map((entry) => [at(entry, 'event', 'content', 'body'), entry.read])
    const page = await api.get(alice, '/v3/notifications?limit=2')
    expect(list(page)).toEqual([
      ['three', false],
      ['two', false],
    ])
    const rest = await api.get(alice, `/v3/notifications?limit=2&from=${String(page.next_token)}`)
    expect(list(rest)).toEqual([['one', true]])
    expect(rest.next_token).toBeUndefined()
    expect(list(await api.get(alice, '/v3/notifications?only=highlight'))).toEqual([['two', false]])
    expect(list(await api.get(bob, '/v3/notifications'))).toEqual([['mine', false]])
  })
})

describe('what is not in the timeline', () => {
  test('typing and receipts of others arrive, private receipts only at their owner', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api)
    const eventId = await api.send(alice, roomId, 'read me')
    const start = await since(alice)
    await api.put(bob, `/v3/rooms/${encode(roomId)}/typing/${encode(bob)}`, { typing: true })
    await api.post(bob, `/v3/rooms/${encode(roomId)}/receipt/m.read/${encode(eventId)}`)
    await api.post(carol, '/v3/createRoom')
    const first = await next(api, alice, start)
    const ephemeral = listAt(first, 'rooms', 'join', roomId, 'ephemeral', 'events')
    expect(ephemeral.find(({ type }) => type === 'm.typing')?.content).toEqual({ user_ids: [bob] })
    expect(
      at(
        ephemeral.find(({ type }) => type === 'm.receipt'),
        'content',
        eventId,
        'm.read',
        bob,
        'ts',
      ),
    ).toBeTypeOf('number')
    const second = await api.send(alice, roomId, 'again')
    const before = await next(api, alice, String(first.next_batch))
    await api.post(bob, `/v3/rooms/${encode(roomId)}/receipt/m.read.private/${encode(second)}`)
    expect((await next(api, alice, String(before.next_batch))).rooms).toBeUndefined()
    expect(listAt(await next(api, bob, String(before.next_batch)), 'rooms', 'join', roomId, 'ephemeral', 'events')).toHaveLength(1)
  })

  test('account data arrives by room and globally, once', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api)
    const start = await since(alice)
    await api.accountData.set(alice, '', { type: 'org.example.global', content: { a: 1 } })
    await api.accountData.set(alice, roomId, { type: 'm.tag', content: { tags: {} } })
    const first = await next(api, alice, start)
    expect(listAt(first, 'account_data', 'events')).toEqual([{ type: 'org.example.global', content: { a: 1 } }])
    expect(listAt(first, 'rooms', 'join', roomId, 'account_data', 'events')).toEqual([{ type: 'm.tag', content: { tags: {} } }])
    const second = await next(api, alice, String(first.next_batch))
    expect([second.account_data, second.rooms]).toEqual([undefined, undefined])
    expect(listAt(await api.get(alice, '/v3/sync'), 'account_data', 'events').map(({ type }) => type)).toEqual(
      expect.arrayContaining(['m.push_rules', 'org.example.global']),
    )
  })

  test('messages of someone ignored are left out, state is not, and neither are other people’s messages', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api, [alice, bob, carol])
    await api.accountData.set(alice, '', { type: 'm.ignored_user_list', content: { ignored_users: { [bob]: {} } } })
    const start = await since(alice)
    await api.send(bob, roomId, 'ignore me')
    await api.send(carol, roomId, 'not me')
    await api.put(bob, `/v3/rooms/${encode(roomId)}/state/m.room.member/${encode(bob)}`, { membership: 'join', displayname: 'Bobby' })
    const invited = await api.createRoom(bob, { invite: [alice] })
    const response = await next(api, alice, start)
    expect(said(listAt(response, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['not me', 'm.room.member'])
    expect(at(response, 'rooms', 'invite', invited)).toBeUndefined()
    expect(at(response, 'rooms', 'join', roomId, 'unread_notifications', 'notification_count')).toBe(1)
  })

  test('presence of who shares a room arrives, of strangers it does not', async () => {
    const api = await openClientApi()
    const { since } = await talking(api)
    await api.createRoom(carol)
    const start = await since(alice)
    await api.presence.set(bob, 'unavailable', 'lunch')
    await api.presence.set(carol, 'online', undefined)
    const events = listAt(await next(api, alice, start), 'presence', 'events')
    expect(events.map(({ sender }) => sender)).toEqual([bob])
    expect(events[0]).toMatchObject({ type: 'm.presence', content: { presence: 'unavailable', status_msg: 'lunch' } })
  })
})

describe('devices', () => {
  const device = `${alice}/PHONE`
  const tell = async (api: ClientApi, count: number) => {
    for (const deviceId of ['PHONE', 'LAPTOP']) {
      const row = { createdTs: 0, lastSeenTs: 0, lastSeenAddress: '' }
      await api.storage.commit([put(devices, [alice, deviceId], row)], 'strict')
    }
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        api.toDevice.send({
          sender: bob,
          deviceId: 'B',
          type: 'm.test',
          transactionId: `${index}`,
          messages: { [alice]: { PHONE: { index } } },
        }),
      ),
    )
  }

  test('a message to a device is given again until the device shows that it has it', async () => {
    const api = await openClientApi()
    const { since } = await talking(api)
    const start = await since(device)
    await tell(api, 1)
    const first = await next(api, device, start)
    expect(listAt(first, 'to_device', 'events')).toEqual([{ type: 'm.test', sender: bob, content: { index: 0 } }])
    expect(listAt(await next(api, device, start), 'to_device', 'events')).toHaveLength(1)
    expect(listAt(await next(api, `${alice}/LAPTOP`, start), 'to_device', 'events')).toEqual([])
    expect((await next(api, device, String(first.next_batch))).to_device).toBeUndefined()
    expect((await next(api, device, start)).to_device).toBeUndefined()
  })

  test('of many messages to a device none is lost where not all fit into one response', async () => {
    const api = await openClientApi()
    const { since } = await talking(api)
    let token = await since(device)
    await tell(api, 230)
    const received: unknown[] = []
    for (let round = 0; round < 4; round++) {
      const response = await next(api, device, token)
      received.push(...listAt(response, 'to_device', 'events').map(({ content }) => at(content, 'index')))
      token = String(response.next_batch)
    }
    expect(received).toEqual(Array.from({ length: 230 }, (_, index) => index))
  })

  test('who comes to share a room is to be looked up, who shares none any more is not', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api)
    const start = await since(alice)
    await api.join(carol, roomId)
    const first = await next(api, alice, start)
    expect(at(first, 'device_lists')).toEqual({ changed: [carol], left: [] })
    await api.post(carol, `/v3/rooms/${encode(roomId)}/leave`)
    const second = await next(api, alice, String(first.next_batch))
    expect(at(second, 'device_lists')).toEqual({ changed: [], left: [carol] })
    expect(await api.sync.deviceListsBetween(alice, String(first.next_batch), String(second.next_batch))).toEqual({
      changed: [],
      left: [carol],
    })
    await api.post(alice, `/v3/rooms/${encode(roomId)}/leave`)
    expect(at(await next(api, alice, String(second.next_batch)), 'device_lists', 'left')).toEqual([bob])
  })

  test('and so is who left a room while the user was away from it for a while', async () => {
    const api = await openClientApi()
    const { roomId, since } = await talking(api, [bob, alice, carol])
    const start = await since(alice)
    for (const user of [alice, carol]) await api.post(user, `/v3/rooms/${encode(roomId)}/leave`)
    await api.join(alice, roomId)
    expect(at(await next(api, alice, start), 'device_lists')).toEqual({ changed: [bob], left: [carol] })
  })

  test('learns how many of its keys are left, at once when they change', async () => {
    const api = await openClientApi()
    const { since } = await talking(api)
    const start = await since(device)
    const waiting = api.get(device, `/v3/sync?${quiet}&since=${start}&timeout=30000`)
    await api.clock.run(1_000)
    await api.oneTimeKeys.upload(alice, 'PHONE', {
      oneTime: { 'signed_curve25519:A': { key: 'x' } },
      fallback: { 'signed_curve25519:F': { key: 'y' } },
    })
    await api.clock.run(1)
    const response = await waiting
    expect(response.device_one_time_keys_count).toEqual({ signed_curve25519: 1 })
    expect(response.device_unused_fallback_key_types).toEqual(['signed_curve25519'])
  })
})
