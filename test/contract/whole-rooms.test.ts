import { expect, test } from 'vitest'
import { StorageLost } from '../../src/ports/storage.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { rooms } from '../../src/storage/tables/rooms.ts'
import { dyingAfter, Leader } from './leader.ts'

const alias = '#tea:a.example'
const roomPath = (roomId: string) => `/rooms/${encodeURIComponent(roomId)}`

interface Users {
  readonly alice: string
  readonly bob: string
}

/** Kills the leader at each commit of a request in turn; the next one is not asked again, and must show a whole room or none. */
async function killedAnywhere(
  prepare: (leader: Leader, users: Users) => Promise<{ readonly path: string; readonly body: JsonObject }>,
  check: (next: Leader, users: Users & { readonly storage: MemoryStorage }) => Promise<void>,
): Promise<void> {
  for (let commits = 0; ; commits++) {
    const storage = new MemoryStorage()
    const leader = await Leader.start(storage)
    const users = { alice: await leader.register('alice'), bob: await leader.register('bob') }
    const { path, body } = await prepare(leader, users)
    const dying = dyingAfter(storage, Number.POSITIVE_INFINITY)
    const killed = await Leader.start(dying.storage)
    const limited = dyingAfter(storage, commits)
    dying.storage.commit = limited.storage.commit
    await killed.ask({ method: 'POST', path: `/_matrix/client/v3${path}`, body, token: users.alice })
    dying.storage.commit = () => Promise.reject(new StorageLost('the leader was killed'))
    await check(await Leader.start(storage), { ...users, storage })
    if (!limited.died()) return
  }
}

async function joinedRooms(leader: Leader, token: string): Promise<string[]> {
  const { joined_rooms: joined } = await leader.get(token, '/joined_rooms')
  return Array.isArray(joined) ? joined.map(String) : []
}

async function stateOf(leader: Leader, token: string, roomId: string): Promise<Map<string, JsonObject>> {
  const { body } = await leader.ask({ method: 'GET', path: `/_matrix/client/v3${roomPath(roomId)}/state`, token })
  const events: unknown[] = Object.values(body)
  return new Map(events.filter(isObject).map(({ type, content }) => [String(type), isObject(content) ? content : {}]))
}

async function roomOfAlias(leader: Leader, token: string): Promise<unknown> {
  const path = `/_matrix/client/v3/directory/room/${encodeURIComponent(alias)}`
  return (await leader.ask({ method: 'GET', path, token })).body.room_id
}

/** Room ids in the published directory. */
async function published(leader: Leader, token: string): Promise<unknown[]> {
  const { chunk } = await leader.get(token, '/publicRooms')
  return Array.isArray(chunk) ? chunk.map((room) => isObject(room) && room.room_id) : []
}

/** Waits until the user's sync shows an invitation; resolves with its rooms. */
async function invitesOf(leader: Leader, token: string): Promise<string[]> {
  for (let since = ''; ; ) {
    const { next_batch: next, rooms: sections } = await leader.get(token, `/sync?timeout=30000${since && `&since=${since}`}`)
    const invite = isObject(sections) && isObject(sections.invite) ? Object.keys(sections.invite) : []
    if (invite.length > 0) return invite
    since = String(next)
  }
}

test('a homeserver killed while it makes a room has the whole room or none of it, and invites whom the room was made for', async () => {
  const body = {
    preset: 'public_chat',
    visibility: 'public',
    room_alias_name: 'tea',
    name: 'Tea',
    topic: 'party',
    invite: ['@bob:a.example'],
  }
  await killedAnywhere(
    async () => ({ path: '/createRoom', body }),
    async (next, { alice, bob, storage }) => {
      const stored = await storage.read([rooms], (tx) => tx.range(rooms, {}))
      const roomIds = await joinedRooms(next, alice)
      expect(stored.map(([roomId]) => roomId)).toEqual(roomIds)
      expect(await roomOfAlias(next, alice)).toBe(roomIds[0])
      expect(await published(next, alice)).toEqual(roomIds)
      if (roomIds[0] === undefined) return
      expect(await invitesOf(next, bob)).toEqual(roomIds)
      expect([...(await stateOf(next, alice, roomIds[0])).keys()].sort()).toEqual(
        ['canonical_alias', 'create', 'guest_access', 'history_visibility', 'join_rules', 'member', 'name', 'power_levels', 'topic'].map(
          (type) => `m.room.${type}`,
        ),
      )
    },
  )
})

test('a homeserver killed while it replaces a room leaves the old one as it was, or closes it at its next start', async () => {
  await killedAnywhere(
    async (leader, { alice }) => {
      const options = { room_version: '11', visibility: 'public', room_alias_name: 'tea', name: 'Tea' }
      const { room_id: roomId } = await leader.post(alice, '/createRoom', options)
      return { path: `${roomPath(String(roomId))}/upgrade`, body: { new_version: '12' } }
    },
    async (next, { alice }) => {
      const states = await Promise.all(
        (await joinedRooms(next, alice)).map(async (roomId) => ({ roomId, state: await stateOf(next, alice, roomId) })),
      )
      const old = states.find(({ state }) => state.get('m.room.create')?.room_version === '11')
      const replacement = states.find(({ state }) => state.get('m.room.create')?.room_version === '12')
      expect(old?.state.get('m.room.tombstone')?.replacement_room).toBe(replacement?.roomId)
      const named = replacement ?? old
      expect(named?.state.get('m.room.name')).toEqual({ name: 'Tea' })
      expect(named?.state.get('m.room.canonical_alias')).toEqual({ alias })
      expect(await roomOfAlias(next, alice)).toBe(named?.roomId)
      expect(await published(next, alice)).toEqual([named?.roomId])
      expect(old?.state.get('m.room.canonical_alias')).toEqual(replacement ? {} : { alias })
      expect(old?.state.get('m.room.power_levels')).toMatchObject({ events_default: replacement ? 50 : 0 })
    },
  )
})
