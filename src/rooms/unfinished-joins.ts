import { remove, type Storage } from '../ports/storage.ts'
import { eventPositions, events, rooms, unfinishedJoins } from '../storage/tables/rooms.ts'

/**
 * Removes what joins left behind that had not ended when the homeserver last stopped: events of rooms that nobody here came to
 * be in. For a start, before anything is read; cut short, the next start goes on.
 */
export async function discardUnfinishedJoins(storage: Storage): Promise<void> {
  for (;;) {
    const [batch] = await storage.read([unfinishedJoins], (tx) => tx.range(unfinishedJoins, { limit: 1 }))
    if (!batch) return
    const [key, eventIds] = batch
    const positions = await storage.read([rooms, eventPositions], async (tx) =>
      (await tx.get(rooms, key[0])) ? [] : tx.getMany(eventPositions, eventIds),
    )
    const removed = positions.flatMap((position, i) => {
      const eventId = eventIds[i]
      return position === undefined || eventId === undefined ? [] : [remove(events, position), remove(eventPositions, eventId)]
    })
    await storage.commit([...removed, remove(unfinishedJoins, key)], 'strict')
  }
}
