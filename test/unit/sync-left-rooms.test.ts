import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const carol = '@carol:a.example'
const quiet = 'set_presence=offline'

const filtered = (filter: JsonObject) => `&filter=${encode(JSON.stringify(filter))}`
const initial = (api: ClientApi, filter: JsonObject = {}) => api.get(alice, `/v3/sync?${quiet}${filtered(filter)}`)
const typesOf = (room: ReturnType<typeof at>) => listAt(room, 'state', 'events').map(({ type }) => type)

/** A room of bob's that alice is, or is not yet, in. */
async function bobsRoom(api: ClientApi, users: readonly string[] = [alice, carol]) {
  const roomId = await api.createRoom(bob, { preset: 'public_chat', name: 'Den' })
  for (const user of users) await api.join(user, roomId)
  return { roomId, leave: () => api.post(alice, `/v3/rooms/${encode(roomId)}/leave`) }
}

describe('a room that its user has left', () => {
  test('comes with what the user keeps about it', async () => {
    const api = await openClientApi()
    const { roomId, leave } = await bobsRoom(api)
    const { next_batch: since } = await initial(api)
    await api.accountData.set(alice, roomId, { type: 'm.tag', content: { tags: {} } })
    await leave()
    const tag = [{ type: 'm.tag', content: { tags: {} } }]
    const fresh = await api.get(alice, `/v3/sync?${quiet}&since=${String(since)}`)
    expect(listAt(fresh, 'rooms', 'leave', roomId, 'account_data', 'events')).toEqual(tag)
    const archived = await initial(api, { room: { include_leave: true } })
    expect(listAt(archived, 'rooms', 'leave', roomId, 'account_data', 'events')).toEqual(tag)
    const without = await initial(api, { room: { include_leave: true, account_data: { types: [] } } })
    expect(listAt(without, 'rooms', 'leave', roomId, 'account_data', 'events')).toEqual([])
  })

  test('is whole for who joined and left it since the last sync', async () => {
    const api = await openClientApi()
    const { roomId, leave } = await bobsRoom(api, [])
    const { next_batch: since } = await initial(api)
    await api.send(bob, roomId, 'before')
    await api.join(alice, roomId)
    await api.send(bob, roomId, 'during')
    await leave()
    await api.send(bob, roomId, 'after')
    const filter = filtered({ room: { timeline: { limit: 2 } } })
    const left = at(await api.get(alice, `/v3/sync?${quiet}&since=${String(since)}${filter}`), 'rooms', 'leave', roomId)
    expect(said(listAt(left, 'timeline', 'events'))).toEqual(['during', 'm.room.member'])
    expect(at(left, 'timeline', 'limited')).toBe(true)
    expect(typesOf(left)).toEqual(expect.arrayContaining(['m.room.create', 'm.room.name', 'm.room.power_levels']))
  })

  test('has of its members only those the client needs, where they are loaded lazily', async () => {
    const api = await openClientApi()
    const { roomId, leave } = await bobsRoom(api)
    await api.send(bob, roomId, 'hello')
    await leave()
    const left = async (lazy: boolean) => {
      const filter = { room: { include_leave: true, timeline: { limit: 2 }, state: { lazy_load_members: lazy } } }
      return at(await initial(api, filter), 'rooms', 'leave', roomId)
    }
    const members = (room: ReturnType<typeof at>) =>
      listAt(room, 'state', 'events').flatMap(({ type, state_key: key }) => (type === 'm.room.member' ? [key] : []))
    expect(members(await left(true)).sort()).toEqual([alice, bob])
    expect(members(await left(false)).sort()).toEqual([alice, bob, carol])
  })

  test('has its edits with what they edit, after a gap', async () => {
    const api = await openClientApi()
    const { roomId, leave } = await bobsRoom(api)
    const first = await api.send(bob, roomId, 'first')
    await api.send(bob, roomId, '* better', {
      'm.new_content': { body: 'better' },
      'm.relates_to': { rel_type: 'm.replace', event_id: first },
    })
    await leave()
    const left = at(await initial(api, { room: { include_leave: true, timeline: { limit: 3 } } }), 'rooms', 'leave', roomId)
    expect(at(left, 'timeline', 'events', 0, 'unsigned', 'm.relations', 'm.replace', 'content', 'body')).toBe('* better')
  })
})

describe('the whole state', () => {
  test('has the members that the client needs even if it was given them before', async () => {
    const api = await openClientApi()
    const { roomId } = await bobsRoom(api)
    const lazy = { room: { state: { lazy_load_members: true }, timeline: { limit: 1 } } }
    const { next_batch: since } = await initial(api, lazy)
    const again = await api.get(alice, `/v3/sync?${quiet}&full_state=true&since=${String(since)}${filtered(lazy)}`)
    const members = listAt(again, 'rooms', 'join', roomId, 'state', 'events').filter(({ type }) => type === 'm.room.member')
    expect(members.map(({ state_key: key }) => key)).toEqual([alice])
  })

  test('has all members where only the timeline asks for lazy loading', async () => {
    const api = await openClientApi()
    const { roomId } = await bobsRoom(api)
    // The third joins in the timeline.
    const room = at(await initial(api, { room: { timeline: { limit: 1, lazy_load_members: true } } }), 'rooms', 'join', roomId)
    expect(typesOf(room).filter((type) => type === 'm.room.member')).toHaveLength(2)
  })
})
