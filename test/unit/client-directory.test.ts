import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { type ClientApi, encode, listAt, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'

const rooms = (roomId: string) => `/v3/rooms/${encode(roomId)}`
const aliasPath = (alias: string) => `/v3/directory/room/${encode(alias)}`
const fails = async (api: ClientApi, token: string, method: string, path: string, body?: unknown) => {
  const answer = await api.ask(token, method, path, body)
  return [answer.status, answer.body.errcode]
}

describe('aliases', () => {
  test('are given by who is in the room, looked up by anyone, and taken away by who made them', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    expect(await fails(api, bob, 'PUT', aliasPath('#x:a.example'), { room_id: roomId })).toEqual([403, 'M_FORBIDDEN'])
    await api.put(alice, aliasPath('#x:a.example'), { room_id: roomId })
    expect(await fails(api, alice, 'PUT', aliasPath('#x:a.example'), { room_id: roomId })).toEqual([409, 'M_UNKNOWN'])
    expect(await fails(api, alice, 'PUT', aliasPath('#x:b.example'), { room_id: roomId })).toEqual([400, 'M_INVALID_PARAM'])
    expect(await fails(api, alice, 'GET', '/v3/directory/room/nonsense')).toEqual([400, 'M_INVALID_PARAM'])
    expect((await api.get('', aliasPath('#x:a.example'))).room_id).toBe(roomId)
    expect(await api.get(alice, `${rooms(roomId)}/aliases`)).toEqual({ aliases: ['#x:a.example'] })
    expect(await fails(api, bob, 'GET', `${rooms(roomId)}/aliases`)).toEqual([403, 'M_FORBIDDEN'])
    await api.join(bob, roomId)
    expect(await fails(api, bob, 'DELETE', aliasPath('#x:a.example'))).toEqual([403, 'M_FORBIDDEN'])
    await api.put(alice, `${rooms(roomId)}/state/m.room.canonical_alias`, { alias: '#x:a.example', alt_aliases: ['#x:a.example'] })
    expect((await api.ask(alice, 'DELETE', aliasPath('#x:a.example'))).status).toBe(200)
    expect(await fails(api, alice, 'GET', aliasPath('#x:a.example'))).toEqual([404, 'M_NOT_FOUND'])
    expect(await fails(api, alice, 'DELETE', aliasPath('#x:a.example'))).toEqual([404, 'M_NOT_FOUND'])
    expect(await api.get(alice, `${rooms(roomId)}/state/m.room.canonical_alias`)).toEqual({})
  })
})

describe('the published directory', () => {
  async function published() {
    const asked: JsonObject[] = []
    const api = await openClientApi({
      remotePublicRooms: async (server, request) => {
        asked.push({ server, ...request })
        return { chunk: [] }
      },
    })
    const names = ['Apples', 'Bananas', 'Cherries']
    for (const [index, name] of names.entries()) {
      const roomId = await api.createRoom(alice, {
        visibility: 'public',
        name,
        ...(index === 0 ? { creation_content: { type: 'm.space' } } : {}),
      })
      for (let i = 0; i <= index; i++) await api.join(`@user${i}:a.example`, roomId)
    }
    await api.createRoom(alice, { name: 'Hidden' })
    return { api, asked }
  }
  const namesIn = (body: JsonObject) => listAt(body, 'chunk').map(({ name }) => name)

  test('lists rooms by size, page by page, to anyone', async () => {
    const { api } = await published()
    const first = await api.get('', '/v3/publicRooms?limit=2')
    expect(namesIn(first)).toEqual(['Cherries', 'Bananas'])
    expect(first.total_room_count_estimate).toBe(3)
    expect(first.prev_batch).toBeUndefined()
    const second = await api.get('', `/v3/publicRooms?limit=2&since=${String(first.next_batch)}`)
    expect(namesIn(second)).toEqual(['Apples'])
    expect(second.next_batch).toBeUndefined()
    expect(namesIn(await api.get('', `/v3/publicRooms?limit=2&since=${String(second.prev_batch)}`))).toEqual(['Cherries', 'Bananas'])
    expect(listAt(first, 'chunk')[0]).toMatchObject({
      num_joined_members: 4,
      world_readable: false,
      guest_can_join: false,
      join_rule: 'public',
    })
    expect(await fails(api, '', 'GET', '/v3/publicRooms?since=x')).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('is searched by words and by type', async () => {
    const { api } = await published()
    const search = async (filter: JsonObject) => namesIn(await api.post(alice, '/v3/publicRooms', { filter }))
    expect(await search({ generic_search_term: 'NANA' })).toEqual(['Bananas'])
    expect(await search({ room_types: ['m.space'] })).toEqual(['Apples'])
    expect(await search({ room_types: [null] })).toEqual(['Cherries', 'Bananas'])
  })

  test('of another server is asked of that server, for who is logged in', async () => {
    const { api, asked } = await published()
    await api.post(alice, '/v3/publicRooms?server=b.example', { limit: 5, filter: { generic_search_term: 'x' } })
    await api.get(alice, '/v3/publicRooms?server=b.example&since=q')
    expect(asked).toEqual([
      { server: 'b.example', limit: 5, filter: { generic_search_term: 'x' } },
      { server: 'b.example', since: 'q', filter: {} },
    ])
    expect(await fails(api, '', 'GET', '/v3/publicRooms?server=b.example')).toEqual([403, 'M_FORBIDDEN'])
  })

  test('is changed by who may name the room', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const path = `/v3/directory/list/room/${encode(roomId)}`
    expect(await api.get('', path)).toEqual({ visibility: 'private' })
    expect(await fails(api, bob, 'PUT', path, { visibility: 'public' })).toEqual([403, 'M_FORBIDDEN'])
    await api.put(alice, path, { visibility: 'public' })
    expect(await api.get('', path)).toEqual({ visibility: 'public' })
    expect(await fails(api, '', 'GET', '/v3/directory/list/room/!none:a.example')).toEqual([404, 'M_NOT_FOUND'])
  })
})

describe('an upgrade', () => {
  test.each([
    ['12', [bob]],
    ['11', undefined],
  ])('to version %s takes further creators for what they are there', async (version, creators) => {
    const api = await openClientApi()
    const old = await api.createRoom(alice)
    const wish = { new_version: version, additional_creators: [bob] }
    const { replacement_room: replacement } = await api.post(alice, `${rooms(old)}/upgrade`, wish)
    const create = await api.get(alice, `${rooms(String(replacement))}/state/m.room.create`)
    expect(create.additional_creators).toEqual(creators)
  })

  test.each([
    ['10', '12'],
    ['12', '11'],
  ])('replaces a room of version %s by one of version %s that is like it', async (from, to) => {
    const api = await openClientApi()
    const old = await api.createRoom(alice, {
      preset: 'public_chat',
      room_version: from,
      name: 'Den',
      room_alias_name: 'den',
      visibility: 'public',
    })
    await api.join(bob, old)
    await api.post(alice, `${rooms(old)}/ban`, { user_id: '@mallory:a.example' })
    expect(await fails(api, bob, 'POST', `${rooms(old)}/upgrade`, { new_version: to })).toEqual([403, 'M_FORBIDDEN'])
    expect(await fails(api, alice, 'POST', `${rooms(old)}/upgrade`, { new_version: '99' })).toEqual([400, 'M_UNSUPPORTED_ROOM_VERSION'])
    const { replacement_room: replacement } = await api.post(alice, `${rooms(old)}/upgrade`, { new_version: to })
    const state = (roomId: string, rest: string) => api.get(alice, `${rooms(roomId)}/state/${rest}`)
    const fresh = String(replacement)
    expect(await state(fresh, 'm.room.create')).toMatchObject({ room_version: to, predecessor: { room_id: old } })
    expect(await state(fresh, 'm.room.name')).toEqual({ name: 'Den' })
    expect(await state(fresh, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
    expect(await state(fresh, `m.room.member/${encode('@mallory:a.example')}`)).toEqual({ membership: 'ban' })
    expect(await state(fresh, 'm.room.canonical_alias')).toEqual({ alias: '#den:a.example' })
    expect(await state(old, 'm.room.tombstone')).toMatchObject({ replacement_room: fresh })
    expect((await api.get(alice, aliasPath('#den:a.example'))).room_id).toBe(fresh)
    expect(listAt(await api.get('', '/v3/publicRooms'), 'chunk').map(({ room_id: id }) => id)).toEqual([fresh])
    expect(await fails(api, bob, 'PUT', `${rooms(old)}/send/m.room.message/1`, { body: 'still here' })).toEqual([403, 'M_FORBIDDEN'])
    await api.join(bob, fresh)
    await api.put(alice, `${rooms(fresh)}/state/m.room.name`, { name: 'New Den' })
  })
})

describe('rooms seen from outside', () => {
  async function space(remoteRoom?: (roomId: string, via: readonly string[]) => Promise<JsonObject | undefined>) {
    const api = await openClientApi(remoteRoom ? { remoteRoom } : {})
    const root = await api.createRoom(alice, { name: 'Root', preset: 'public_chat', creation_content: { type: 'm.space' } })
    const inner = await api.createRoom(alice, { name: 'Inner', preset: 'public_chat', creation_content: { type: 'm.space' } })
    const open = await api.createRoom(alice, { name: 'Open', preset: 'public_chat' })
    const closed = await api.createRoom(alice, { name: 'Closed' })
    const child = (parent: string, roomId: string, content: JsonObject) =>
      api.put(alice, `${rooms(parent)}/state/m.space.child/${encode(roomId)}`, { via: ['a.example'], ...content })
    await child(root, inner, { order: 'b' })
    await child(root, closed, { order: 'a' })
    await child(inner, open, { suggested: true })
    await child(inner, root, {})
    return { api, root, inner, open, closed, child }
  }
  const namesIn = (body: JsonObject) => listAt(body, 'rooms').map(({ name }) => name)

  test('a space is walked depth first, in its order, each room once, as far as one may see', async () => {
    const { api, root } = await space()
    const path = `/v1/rooms/${encode(root)}/hierarchy`
    expect(namesIn(await api.get(alice, path))).toEqual(['Root', 'Closed', 'Inner', 'Open'])
    expect(namesIn(await api.get(bob, path))).toEqual(['Root', 'Inner', 'Open'])
    expect(namesIn(await api.get(alice, `${path}?max_depth=1`))).toEqual(['Root', 'Closed', 'Inner'])
    expect(namesIn(await api.get(alice, `${path}?suggested_only=true`))).toEqual(['Root'])
    const first = await api.get(alice, `${path}?limit=3`)
    expect(namesIn(first)).toEqual(['Root', 'Closed', 'Inner'])
    expect(listAt(first, 'rooms', 0, 'children_state')).toHaveLength(2)
    expect(namesIn(await api.get(alice, `${path}?limit=3&from=${String(first.next_batch)}`))).toEqual(['Open'])
    expect(await fails(api, alice, 'GET', `${path}?max_depth=1&from=${String(first.next_batch)}`)).toEqual([400, 'M_INVALID_PARAM'])
    expect(await fails(api, alice, 'GET', '/v1/rooms/!none:a.example/hierarchy')).toEqual([403, 'M_FORBIDDEN'])
  })

  test('rooms that are not known here are asked for elsewhere, and shown as far as one may see', async () => {
    const far: Record<string, JsonObject> = {
      '!open:b.example': {
        room_id: '!open:b.example',
        name: 'Far',
        join_rule: 'public',
        num_joined_members: 1,
        world_readable: false,
        guest_can_join: false,
      },
      '!closed:b.example': { room_id: '!closed:b.example', name: 'Closed Far', join_rule: 'invite' },
    }
    const { api, root, child } = await space(async (roomId, via) => (via.includes('b.example') ? far[roomId] : undefined))
    await child(root, '!open:b.example', { via: ['b.example'] })
    await child(root, '!closed:b.example', { via: ['b.example'] })
    expect(namesIn(await api.get(alice, `/v1/rooms/${encode(root)}/hierarchy`))).toEqual(['Root', 'Closed', 'Inner', 'Open', 'Far'])
    expect((await api.get(alice, '/v1/room_summary/!open:b.example?via=b.example')).name).toBe('Far')
  })

  test('a summary is given of rooms one may join, with one’s membership, and to strangers without', async () => {
    const { api, open, closed } = await space()
    const path = (roomId: string) => `/v1/room_summary/${encode(roomId)}`
    expect(await api.get(bob, path(open))).toMatchObject({
      room_id: open,
      name: 'Open',
      room_version: '12',
      join_rule: 'public',
      membership: 'leave',
    })
    expect(await api.get(alice, path(closed))).toMatchObject({ name: 'Closed', membership: 'join' })
    expect(await api.get('', path(open))).not.toHaveProperty('membership')
    expect(await fails(api, bob, 'GET', path(closed))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('rooms in common', async () => {
    const { api, open } = await space()
    await api.join(bob, open)
    expect(await api.get(alice, `/v1/mutual_rooms?user_id=${encode(bob)}`)).toEqual({ joined: [open], count: 1 })
    expect(await fails(api, alice, 'GET', `/v1/mutual_rooms?user_id=${encode(alice)}`)).toEqual([400, 'M_INVALID_PARAM'])
  })
})

describe('reports', () => {
  test('reach the log, for what exists and may be seen', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    const eventId = await api.send(alice, roomId, 'rude')
    const path = `${rooms(roomId)}/report/${encode(eventId)}`
    expect(await fails(api, bob, 'POST', path, { reason: 'rude' })).toEqual([404, 'M_NOT_FOUND'])
    await api.join(bob, roomId)
    await api.post(bob, path, { reason: 'rude' })
    await api.post(bob, `${rooms(roomId)}/report`, { reason: '' })
    await api.post(bob, `/v3/users/${encode(alice)}/report`, { reason: 'rude' })
    expect(api.logged.map(({ message }) => message)).toEqual(['an event was reported', 'a room was reported', 'a user was reported'])
    expect(api.logged[0]?.fields).toMatchObject({ by: bob, eventId, sender: alice, reason: 'rude' })
  })
})
