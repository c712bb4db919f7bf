import type { EventRecord, RoomStore, TimelinePoint } from '../rooms/room-store.ts'
import type { RoomId } from '../spec/event.ts'

const pageSize = 200
/** Events looked at to find the one closest to a point in time. */
const mostRead = 20_000

/**
 * The event of the room that is closest to a time, looking from it in one direction: the newest at or before it, or the oldest
 * at or after it. Looks through the newest events only, as many as are bearable.
 */
export async function closestEvent(
  store: RoomStore,
  wanted: { readonly roomId: RoomId; readonly ts: number; readonly direction: 'f' | 'b' },
): Promise<EventRecord | undefined> {
  const { roomId, ts, direction } = wanted
  let found: EventRecord | undefined
  let from: TimelinePoint | undefined
  for (let read = 0; read < mostRead; read += pageSize) {
    const page = await store.timeline(roomId, { direction: 'backwards', limit: pageSize, ...(from ? { from } : {}) })
    for (const record of page.filter(({ stored }) => stored.status === 'accepted')) {
      const { originServerTs } = record.event
      if (direction === 'b' && originServerTs <= ts) return record
      if (direction === 'f' && originServerTs >= ts) found = record
    }
    const oldest = page.at(-1)
    if (!oldest || page.length < pageSize || page.every(({ event }) => event.originServerTs < ts)) return found
    from = { depth: oldest.event.depth, position: oldest.position }
  }
  return found
}
