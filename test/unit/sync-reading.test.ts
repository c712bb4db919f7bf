import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { at, type ClientApi, encode, listAt, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const carol = '@carol:a.example'
const quiet = 'set_presence=offline'

async function talking(api: ClientApi, others: readonly string[] = [bob]) {
  const roomId = await api.createRoom(alice, { preset: 'public_chat' })
  for (const user of others) await api.join(user, roomId)
  return roomId
}

/** One user's syncs through one filter, each going on from the one before. */
async function following(api: ClientApi, user: string, filter: JsonObject) {
  const query = `${quiet}&filter=${encode(JSON.stringify(filter))}`
  let since = String((await api.get(user, `/v3/sync?${query}`)).next_batch)
  return async () => {
    const response = await api.get(user, `/v3/sync?${query}&since=${since}`)
    since = String(response.next_batch)
    return response
  }
}

describe('the count of unread notifications', () => {
  test('is told as it changes, though the filter hides what changed it', async () => {
    const api = await openClientApi()
    const roomId = await talking(api)
    const next = await following(api, alice, { room: { timeline: { types: ['m.room.topic'] }, ephemeral: { types: [] } } })
    const count = async () => at(await next(), 'rooms', 'join', roomId, 'unread_notifications', 'notification_count')
    await api.send(bob, roomId, 'a thing', {}, 'org.example.thing')
    expect((await next()).rooms).toBeUndefined()
    const eventId = await api.send(bob, roomId, 'hidden')
    expect(await count()).toBe(1)
    await api.post(alice, `/v3/rooms/${encode(roomId)}/receipt/m.read.private/${encode(eventId)}`)
    expect(await count()).toBe(0)
    await api.send(bob, roomId, 'again')
    await api.send(alice, roomId, 'seen')
    expect(await count()).toBe(0)
  })
})

describe('typing', () => {
  test('of someone ignored is not told', async () => {
    const api = await openClientApi()
    const roomId = await talking(api, [bob, carol])
    await api.accountData.set(alice, '', { type: 'm.ignored_user_list', content: { ignored_users: { [bob]: {} } } })
    const next = await following(api, alice, {})
    for (const user of [bob, carol]) await api.put(user, `/v3/rooms/${encode(roomId)}/typing/${encode(user)}`, { typing: true })
    expect(listAt(await next(), 'rooms', 'join', roomId, 'ephemeral', 'events')).toEqual([
      { type: 'm.typing', content: { user_ids: [carol] } },
    ])
  })
})

describe('a receipt in a thread', () => {
  test('may be on an event that three relations lead to the thread, and on no other', async () => {
    const api = await openClientApi()
    const roomId = await talking(api)
    const other = await talking(api)
    const relate = (to: string, type: string, room = roomId) =>
      api.send(bob, room, 'related', { 'm.relates_to': { rel_type: type, event_id: to } })
    const root = await api.send(bob, roomId, 'root')
    const chain = [await relate(root, 'm.thread')]
    for (let hop = 0; hop < 4; hop++) chain.push(await relate(chain.at(-1) ?? '', 'm.reference'))
    const elsewhere = await relate(chain[0] ?? '', 'm.reference', other)
    const read = async (eventId = '', room = roomId) =>
      (await api.ask(alice, 'POST', `/v3/rooms/${encode(room)}/receipt/m.read/${encode(eventId)}`, { thread_id: root })).status
    expect([await read(chain[3]), await read(chain[4]), await read(elsewhere, other)]).toEqual([200, 400, 400])
  })
})

describe('a thread that begins at an event that relates to another', () => {
  test('is none: it is neither bundled nor listed', async () => {
    const api = await openClientApi()
    const roomId = await talking(api)
    const first = await api.send(alice, roomId, 'first')
    const second = await api.send(alice, roomId, 'second', { 'm.relates_to': { rel_type: 'm.reference', event_id: first } })
    // No client of ours may send this, but other servers do.
    const content = { msgtype: 'm.text', body: 'third', 'm.relates_to': { rel_type: 'm.thread', event_id: second } }
    await api.sender.send({ roomId, sender: bob, type: 'm.room.message', content })
    const path = `/v3/rooms/${encode(roomId)}`
    expect(at(await api.get(alice, `${path}/event/${encode(second)}`), 'unsigned', 'm.relations')).toBeUndefined()
    expect(at(await api.get(alice, `${path}/event/${encode(first)}`), 'unsigned', 'm.relations', 'm.reference', 'chunk')).toHaveLength(1)
    expect(listAt(await api.get(alice, `/v1/rooms/${encode(roomId)}/threads`), 'chunk')).toEqual([])
  })
})

describe('a name that was redacted', () => {
  test('leaves its room to be named by its members', async () => {
    const api = await openClientApi()
    const roomId = await talking(api)
    const { event_id: named } = await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.name`, { name: 'Secret den' })
    const next = await following(api, alice, { room: { state: { lazy_load_members: true } } })
    await api.put(alice, `/v3/rooms/${encode(roomId)}/redact/${encode(String(named))}/1`, {})
    expect(at(await next(), 'rooms', 'join', roomId, 'summary', 'm.heroes')).toEqual([bob])
  })

  test('is shown nowhere any more: not of a room, nor of a member', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const path = `/v3/rooms/${encode(roomId)}`
    const named = await api.put(alice, `${path}/state/m.room.name`, { name: 'Secret den' })
    const member = await api.put(bob, `${path}/state/m.room.member/${encode(bob)}`, { membership: 'join', displayname: 'Secret Bob' })
    await api.send(bob, roomId, 'findme')
    const summary = async () => at(await api.get(alice, `/v3/sync?${quiet}`), 'rooms', 'join', roomId, 'summary', 'm.heroes')
    const overview = async () => (await api.get(alice, `/v1/rooms/${encode(roomId)}/hierarchy`)).rooms
    const judged = async () => {
      const context = { search_term: 'findme', event_context: { before_limit: 0, after_limit: 0, include_profile: true } }
      const found = await api.post(alice, '/v3/search', { search_categories: { room_events: context } })
      return at(found, 'search_categories', 'room_events', 'results', 0, 'context', 'profile_info', bob)
    }
    expect([await summary(), JSON.stringify(await overview()), await judged()]).toEqual([
      undefined,
      expect.stringContaining('Secret den'),
      { displayname: 'Secret Bob' },
    ])
    for (const [index, { event_id: id }] of [named, member].entries())
      await api.put(alice, `${path}/redact/${encode(String(id))}/${index}`, {})
    expect([await summary(), await judged()]).toEqual([[bob], {}])
    expect(JSON.stringify(await overview())).not.toContain('Secret den')
  })
})
