import { expect, test } from 'vitest'
import { RoomStore } from '../../src/rooms/room-store.ts'
import type { Pdu } from '../../src/spec/event.ts'
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
