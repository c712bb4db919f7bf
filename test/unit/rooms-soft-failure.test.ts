import { describe, expect, test } from 'vitest'
import { RoomStore } from '../../src/rooms/room-store.ts'
import type { EventId } from '../../src/spec/event.ts'
import { type Home, homeWorld, RogueServer } from './rogue-server.ts'

const eve = '@eve:other.example'

/** A room of home whose other server has two users; one of them, eve, has been removed, which the other server does not know yet. */
async function roomWithoutEve() {
  const home = await homeWorld()
  const roomId = await home.room()
  const other = new RogueServer(home, 'other.example')
  await other.join(roomId)
  await other.join(roomId, eve)
  await home.must('POST', `/v3/rooms/${encodeURIComponent(roomId)}/kick`, { user_id: eve })
  const ends = await extremities(home, roomId)
  return { home, roomId, other, kick: ends[0] ?? '' }
}

async function extremities(home: Home, roomId: string): Promise<readonly EventId[]> {
  return (await new RoomStore(home.server.disk.inspect()).room(roomId))?.forwardExtremities ?? []
}

describe('an event that the room as it is now forbids, though not as it was before the event', () => {
  test('is not shown, and nothing is built upon it', async () => {
    const { home, roomId, other, kick } = await roomWithoutEve()
    const late = await other.say('I am still here', { sender: eve })
    expect(await other.send(late)).toEqual({ [other.idOf(late)]: {} })
    await home.settle()
    expect(await home.history(roomId)).toEqual([])
    expect(await extremities(home, roomId)).toEqual([kick])
  })

  test('comes before what others build upon it: no end of the room is left behind it', async () => {
    const { home, roomId, other, kick } = await roomWithoutEve()
    const [before, late, after] = [await other.say('before'), await other.say('late', { sender: eve }), await other.say('after')]
    for (const pdu of [before, late, after]) await other.send(pdu)
    await home.settle()
    expect(await home.history(roomId)).toEqual(['after', 'before'])
    expect([...(await extremities(home, roomId))].sort()).toEqual([kick, other.idOf(after)].sort())
  })
})
