import { expect, test } from 'vitest'
import { RoomDraft } from '../../src/rooms/room-draft.ts'
import { type EventRecord, RoomStore } from '../../src/rooms/room-store.ts'
import type { EventId, Pdu } from '../../src/spec/event.ts'
import { parseEvent } from '../../src/spec/event-format.ts'
import { homeWorld, keptAt, RogueServer } from './rogue-server.ts'

test('however many ends another server gives a room, what is said next joins twenty of them, and what follows the rest', async () => {
  const home = await homeWorld()
  const roomId = await home.room()
  const server = new RogueServer(home, 'other.example')
  await server.join(roomId)
  const beside: Pdu[] = []
  for (let i = 0; i < 30; i++) beside.push(await server.say(`beside ${i}`, { aside: true }))
  await server.send(...beside)
  await home.settle()
  const ends = async () => (await new RoomStore(home.server.disk.inspect()).room(roomId))?.forwardExtremities ?? []
  expect([...(await ends())].sort()).toEqual(beside.map((pdu) => server.idOf(pdu)).sort())
  const [first, second] = [await home.say(roomId, 'first'), await home.say(roomId, 'second')]
  expect((await keptAt(home, first))?.event.prevEvents).toHaveLength(20)
  expect((await keptAt(home, second))?.event.prevEvents).toHaveLength(11)
  expect(await ends()).toEqual([second])
})

/** Counts what is asked of it. */
class CountingStore extends RoomStore {
  asked = 0

  override events(eventIds: Iterable<EventId>): Promise<Map<EventId, EventRecord>> {
    this.asked++
    return super.events(eventIds)
  }

  override stateAfter(record: EventRecord) {
    this.asked++
    return super.stateAfter(record)
  }
}

test('an event in a room of many ends asks for their states at once, and for each state once', async () => {
  const home = await homeWorld()
  const roomId = await home.room()
  const server = new RogueServer(home, 'other.example')
  await server.join(roomId)
  const asked: number[] = []
  for (const more of [20, 180]) {
    const beside: Pdu[] = []
    for (let i = 0; i < more; i++) beside.push(await server.say(`beside ${i}`, { aside: true }))
    for (let i = 0; i < more; i += 50) await server.send(...beside.slice(i, i + 50))
    await home.settle()
    const store = new CountingStore(home.server.disk.inspect())
    const room = await store.room(roomId)
    const parsed = room && parseEvent(await server.say('one more', { aside: true }), room.rules)
    if (!parsed || 'error' in parsed) throw new Error('it is an event of the room')
    const draft = new RoomDraft(roomId, room, store)
    await draft.place(parsed.event, { live: true })
    expect(draft.forwardExtremities.size).toBe((room?.forwardExtremities.length ?? 0) + 1)
    asked.push(store.asked)
  }
  expect(asked[1]).toBe(asked[0])
})
