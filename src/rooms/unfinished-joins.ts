import { remove, type Storage } from '../ports/storage.ts'
import { eventPositions, eventRuns, events, rooms, unfinishedJoins } from '../storage/tables/rooms.ts'
import { removeRun, runsOf } from './packed-events.ts'

/**
 * Removes what joins left behind that had not ended when the homeserver last stopped: events of rooms that nobody here came to
 * be in. For a start, before anything is read; cut short, the next start goes on.
 */
export async function discardUnfinishedJoins(storage: Storage): Promise<void> {
  for (;;) {
    const [row] = await storage.read([unfinishedJoins], (tx) => tx.range(unfinishedJoins, { limit: 1 }))
    if (!row) return
    const [key, eventIds] = row
    const removed = await storage.read([rooms, eventPositions, eventRuns], async (tx) => {
      if (await tx.get(rooms, key[0])) return []
      const [runs, positions] = await Promise.all([runsOf(tx, key[0]), tx.getMany(eventPositions, eventIds)])
      const single = eventIds.flatMap((eventId, i) => {
        const position = positions[i]
        return position === undefined ? [] : [remove(events, position), remove(eventPositions, eventId)]
      })
      return [...single, ...runs.flatMap((run) => removeRun(key[0], run))]
    })
    await storage.commit([...removed, remove(unfinishedJoins, key)], 'strict')
  }
}
