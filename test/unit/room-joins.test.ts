import { describe, expect, test } from 'vitest'
import { joinText } from '../../demo/rooms/join-text.ts'
import type { Key, Table } from '../../src/ports/storage.ts'
import type { JoinProgress } from '../../src/rooms/join-progress.ts'
import { isObject } from '../../src/spec/json.ts'
import { eventPacks, eventRuns, events, rooms, unfinishedJoins } from '../../src/storage/tables/rooms.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedClient } from '../simulation/simulated-client.ts'
import { within } from './federation-party.ts'
import { ResidentRoom } from './resident-room.ts'
import { type Home, homeWorld, keptAt, RogueServer } from './rogue-server.ts'

async function joined(home: Home, roomId: string): Promise<string[]> {
  const { joined: members } = await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)
  return Object.keys(isObject(members) ? members : {}).sort()
}

async function join(home: Home, { roomId, server }: ResidentRoom) {
  const answer = await within(
    home,
    300_000,
    home.alice.ask('POST', `/v3/join/${encodeURIComponent(roomId)}?server_name=${server.name}`, {}),
  )
  return { status: answer?.status, errcode: answer?.body.errcode }
}

async function residentRoom(members: number) {
  const home = await homeWorld()
  const room = await ResidentRoom.found(new RogueServer(home, 'resident.example'), members)
  const everyone = [home.alice.userId, room.server.userId, ...Array.from({ length: members }, (_, i) => `@member${i}:resident.example`)]
  return { home, room, everyone: everyone.sort() }
}

describe('a room that is joined through another server', () => {
  test('has all its members', async () => {
    const { home, room, everyone } = await residentRoom(3)
    expect(await join(home, room)).toEqual({ status: 200 })
    expect(await joined(home, room.roomId)).toEqual(everyone)
  })

  test('has all its members though the answer leaves them out: the whole state is asked for before anything is shown', async () => {
    const { home, room, everyone } = await residentRoom(3)
    room.bend = ({ state, ...answer }) => ({
      ...answer,
      state: ResidentRoom.withoutMembers(state),
      members_omitted: true,
      servers_in_room: [room.server.name],
    })
    expect(await join(home, room)).toEqual({ status: 200 })
    expect(await joined(home, room.roomId)).toEqual(everyone)
    expect(room.server.asked.some(({ query }) => query.has('omit_members'))).toBe(false)
  })

  test('is completed by another server in it where the resident one gives no more', async () => {
    const { home, room, everyone } = await residentRoom(3)
    const other = new RogueServer(home, 'other.example')
    other.script = ({ path }) => (path.includes('/state/') ? { pdus: room.state, auth_chain: room.state } : undefined)
    room.bend = ({ state, ...answer }) => ({
      ...answer,
      state: ResidentRoom.withoutMembers(state),
      members_omitted: true,
      servers_in_room: [room.server.name, 'not a name', other.name],
    })
    const honest = room.server.script
    room.server.script = (asked) => (asked.path.includes('/state/') ? undefined : honest(asked))
    expect(await join(home, room)).toEqual({ status: 200 })
    expect(await joined(home, room.roomId)).toEqual(everyone)
  })

  test('is not joined where nobody gives its members', async () => {
    const { home, room } = await residentRoom(3)
    room.bend = ({ state, ...answer }) => ({ ...answer, state: ResidentRoom.withoutMembers(state), members_omitted: true })
    const honest = room.server.script
    room.server.script = (asked) => (asked.path.includes('/state/') ? undefined : honest(asked))
    expect(await join(home, room)).toEqual({ status: 502, errcode: 'M_UNKNOWN' })
    expect((await home.must('GET', '/v3/joined_rooms')).joined_rooms).toEqual([])
  })
})

const tables: Table<Key, unknown>[] = [events, eventPacks, eventRuns, rooms, unfinishedJoins]

/** Rows that are of a room: nothing may be left of one that nobody came to be in. */
async function rowsOf(home: Home, roomId: string): Promise<number> {
  const rows = await home.server.disk.inspect().read(tables, (tx) => Promise.all(tables.map((table) => tx.range(table, {}))))
  return rows.flat().filter((row) => JSON.stringify(row).includes(roomId)).length
}

describe('a join of a big room', () => {
  const members = 1_100

  test('shows how far it is, in words, and afterwards nothing', async () => {
    const { home, room } = await residentRoom(3)
    let shown: readonly JoinProgress[] = []
    room.bend = (answer) => {
      shown = home.server.running?.joins() ?? []
      return answer
    }
    await join(home, room)
    expect(shown).toEqual([{ roomId: room.roomId, stage: 'asking', done: 0, total: 0 }])
    expect(home.server.running?.joins()).toEqual([])
    expect(joinText(shown)).toBe('Waiting for another server to let you in…')
    expect(joinText([{ roomId: room.roomId, stage: 'checking', done: 3_400, total: 10_000 }])).toBe(
      'Joining… 3,400 of 10,000 events checked',
    )
    expect(joinText([])).toBeUndefined()
  })

  test('that is cut short at any of its commits leaves nothing behind after the next start, and can be made again', async () => {
    const { home, room, everyone } = await residentRoom(members)
    let crashes = 0
    for (let commit = 1; ; commit++) {
      home.server.disk.crashAfter(commit)
      const answer = await join(home, room)
      if (answer.status === 200) break
      crashes++
      await within(home, 60_000, home.server.start())
      const isJoined = JSON.stringify(await home.must('GET', '/v3/joined_rooms')).includes(room.roomId)
      if (isJoined) break
      expect(await rowsOf(home, room.roomId)).toBe(0)
      expect(JSON.stringify(await home.must('GET', '/v3/sync'))).not.toContain(room.roomId)
    }
    expect(crashes).toBeGreaterThan(3)
    // The crash that was planned last may be still to come.
    home.server.crash()
    await within(home, 60_000, home.server.start())
    expect(await joined(home, room.roomId)).toEqual(everyone)
  })

  test('of which the end is nonsense leaves nothing behind, and can be made again', async () => {
    const { home, room, everyone } = await residentRoom(members)
    room.bend = ({ event, ...lists }) => ({ ...lists, auth_chain: [...lists.auth_chain, 1], event })
    expect(await join(home, room)).toEqual({ status: 502, errcode: 'M_UNKNOWN' })
    expect(await rowsOf(home, room.roomId)).toBe(0)
    room.bend = (answer) => answer
    expect(await join(home, room)).toEqual({ status: 200 })
    expect(await joined(home, room.roomId)).toEqual(everyone)
  })

  test('that the state forbids leaves nothing behind', async () => {
    const { home, room } = await residentRoom(members)
    await room.server.make({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } })
    expect((await join(home, room)).status).toBe(403)
    expect(await rowsOf(home, room.roomId)).toBe(0)
  })

  test('takes its events in any order', async () => {
    const { home, room, everyone } = await residentRoom(members)
    room.bend = ({ state, ...answer }) => ({ ...answer, state: state.toReversed() })
    expect(await join(home, room)).toEqual({ status: 200 })
    expect(await joined(home, room.roomId)).toEqual(everyone)
  })

  test('waits for a server that is gone no longer than for one key, whatever it signed', async () => {
    const { home, room, everyone } = await residentRoom(members)
    const gone = new RogueServer(home, 'gone.example')
    const { roomId, head, depth, state, events } = room.server
    Object.assign(gone, { roomId, head, depth, state: new Map(state), events: new Map(events) })
    for (let i = 0; i < 200; i++) {
      const sender = `@lost${i}:gone.example`
      room.server.know(await gone.make({ type: 'm.room.member', stateKey: sender, sender, content: { membership: 'join' } }))
    }
    home.network.detach('gone.example')
    const before = home.clock.now()
    expect(await join(home, room)).toEqual({ status: 200 })
    expect(home.clock.now() - before).toBeLessThan(25_000)
    expect(await joined(home, room.roomId)).toEqual(everyone)
  })

  test('commits a bounded part of it at a time', async () => {
    const { home, room } = await residentRoom(members)
    expect((await join(home, room)).status).toBe(200)
    expect(home.server.disk.largestCommit).toBeLessThan(2 * members)
  })

  test('leaves no event as it was that is redacted later', async () => {
    const { home, room } = await residentRoom(members)
    const { server, roomId } = room
    const named = `@named:${server.name}`
    const content = { membership: 'join', displayname: 'Named' }
    const member = await server.make({ type: 'm.room.member', stateKey: named, sender: named, content })
    expect((await join(home, room)).status).toBe(200)
    const shown = () => home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(named)}`)
    expect(await shown()).toMatchObject(content)
    for (const pdu of room.joins.values()) server.know(pdu)
    await server.send(await server.make({ type: 'm.room.redaction', content: { redacts: server.idOf(member) } }))
    await within(home, 10_000, home.server.running?.idle() ?? Promise.reject(new Error('it does not run')))
    expect(await shown()).toEqual({ membership: 'join' })
    expect((await keptAt(home, server.idOf(member)))?.stored.redactedBy).toBe(server.head)
  })

  test('of two users at once is made once', async () => {
    const { home, room } = await residentRoom(3)
    const bob = new SimulatedClient(home.server, 'bob', { clock: home.clock, random: new SeededRandom(8) })
    await within(home, 10_000, bob.register())
    const path = `/v3/join/${encodeURIComponent(room.roomId)}?server_name=${room.server.name}`
    const answers = await within(home, 60_000, Promise.all([home.alice, bob].map((client) => client.ask('POST', path, {}))))
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200])
    expect(room.joins.size).toBe(1)
    expect(await joined(home, room.roomId)).toEqual(expect.arrayContaining([home.alice.userId, bob.userId]))
  })
})
