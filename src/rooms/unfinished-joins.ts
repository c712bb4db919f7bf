import { last, remove, type Storage, type Write } from '../ports/storage.ts'
import type { EventId, RoomId } from '../spec/event.ts'
import { eventPositions, eventRuns, events, rooms, unfinishedJoins } from '../storage/tables/rooms.ts'
import { type PackedRun, removeRun, runsOf } from './packed-events.ts'

type Row = readonly [readonly [RoomId, EventId], readonly EventId[]]

/**
 * Removes what joins left behind that had not ended when the homeserver last stopped: events of rooms that nobody here came to
 * be in. For a start, before anything is read; cut short, the next start goes on.
 */
export async function discardUnfinishedJoins(storage: Storage): Promise<void> {
  for (;;) {
    const [row] = await storage.read([unfinishedJoins], (tx) => tx.range(unfinishedJoins, { limit: 1 }))
    if (!row) return
    await storage.commit((await removalOf(storage, row)).writes, 'strict')
  }
}

/** Whether a join of the room has begun, and not ended. */
export async function isJoinUnfinished(storage: Storage, roomId: RoomId): Promise<boolean> {
  return (await storage.read([unfinishedJoins], (tx) => tx.range(unfinishedJoins, { ...ofRoom(roomId), limit: 1 }))).length > 0
}

/** What a join of the room, which has not ended, has left: its packed events, and what takes all of it away. */
export async function leftOfJoin(storage: Storage, roomId: RoomId): Promise<{ readonly writes: Write[]; readonly runs: PackedRun[] }> {
  const rows = await storage.read([unfinishedJoins], (tx) => tx.range(unfinishedJoins, ofRoom(roomId)))
  const removals = await Promise.all(rows.map((row) => removalOf(storage, row)))
  return { writes: removals.flatMap(({ writes }) => writes), runs: removals[0]?.runs ?? [] }
}

function ofRoom(roomId: RoomId) {
  return { from: [roomId, ''], to: [roomId, last] } as const
}

/** What takes the events of a row away, and all of the room that is packed, unless somebody here is in the room. */
async function removalOf(storage: Storage, [key, eventIds]: Row): Promise<{ readonly writes: Write[]; readonly runs: PackedRun[] }> {
  const [roomId] = key
  return storage.read([rooms, eventPositions, eventRuns], async (tx) => {
    if (await tx.get(rooms, roomId)) return { writes: [remove(unfinishedJoins, key)], runs: [] }
    const [runs, positions] = await Promise.all([runsOf(tx, roomId), tx.getMany(eventPositions, eventIds)])
    const single = eventIds.flatMap((eventId, i) => {
      const position = positions[i]
      return position === undefined ? [] : [remove(events, position), remove(eventPositions, eventId)]
    })
    return { writes: [...single, ...runs.flatMap((run) => removeRun(roomId, run)), remove(unfinishedJoins, key)], runs }
  })
}
