import type { EventId, RoomEvent } from './event.ts'

/**
 * The auth chain of events: their auth events, those of these, and so on back to the creation of the room (Server-Server API,
 * "Auth chain"). The events themselves are in it only where another cites them. Yields the IDs of what it needs, level by level and
 * each once, and wants those that exist; what does not exist is left out. From version 12 no event cites the create event, which
 * thus must be added where it is wanted.
 */
export function* authChain(
  events: Iterable<RoomEvent>,
): Generator<readonly EventId[], Map<EventId, RoomEvent>, ReadonlyMap<EventId, RoomEvent>> {
  const chain = new Map<EventId, RoomEvent>()
  const asked = new Set<EventId>()
  let level = [...events]
  while (level.length > 0) {
    const cited = new Set(level.flatMap((event) => event.authEvents.filter((eventId) => !asked.has(eventId))))
    for (const eventId of cited) asked.add(eventId)
    const found = cited.size === 0 ? undefined : yield [...cited]
    level = [...cited].flatMap((eventId) => found?.get(eventId) ?? [])
    for (const event of level) chain.set(event.eventId, event)
  }
  return chain
}
