import { currentContent } from '../rooms/current-content.ts'
import type { RoomStore } from '../rooms/room-store.ts'
import type { EventId, RoomId } from '../spec/event.ts'
import { type ChildPlace, type Relations, relationOf } from './relations.ts'
import { comparePoints } from './timeline.ts'

/** How far indirect relations are followed. */
export const recursionDepth = 3
/** Events that relate to one, directly or not, that are known to a walk through them: those that came last of each event. */
const mostDescendants = 10_000

/**
 * Where the events are that relate to `parent`, or through others, the newest first (Client-Server API, "Relationships API",
 * `recurse`). What relates to it through an event that was redacted does not.
 */
export async function descendantsOf(
  { relations, store }: { readonly relations: Relations; readonly store: RoomStore },
  roomId: RoomId,
  parent: EventId,
): Promise<ChildPlace[]> {
  const found = new Map<EventId, ChildPlace>()
  let parents: EventId[] = [parent]
  for (let level = 0; level < recursionDepth && parents.length > 0 && found.size < mostDescendants; level++) {
    const children = await relations.childrenOf(roomId, parents, mostDescendants - found.size)
    const between = level === 0 ? [] : parents.filter((_parent, index) => (children[index] ?? []).length > 0)
    const records = await store.events(between)
    const gone = new Set(
      between.filter((eventId) => {
        const record = records.get(eventId)
        return !record || relationOf(currentContent(record)) === undefined
      }),
    )
    const fresh = children.flatMap((ofParent, index) => (gone.has(parents[index] ?? '') ? [] : ofParent))
    parents = []
    for (const place of fresh) {
      if (found.size >= mostDescendants || found.has(place.eventId)) continue
      found.set(place.eventId, place)
      parents.push(place.eventId)
    }
  }
  return [...found.values()].sort((a, b) => comparePoints(b.point, a.point))
}
