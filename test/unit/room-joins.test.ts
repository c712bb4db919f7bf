import { describe, expect, test } from 'vitest'
import { isObject } from '../../src/spec/json.ts'
import { within } from './federation-party.ts'
import { ResidentRoom } from './resident-room.ts'
import { type Home, homeWorld, RogueServer } from './rogue-server.ts'

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
