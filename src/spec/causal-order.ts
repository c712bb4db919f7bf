import type { EventId, RoomEvent } from './event.ts'

/**
 * Events so that each comes after those of the list that it refers to, and else in their order. `refersTo` says by which
 * references: `prev_events`, or `auth_events`. Where events of room versions 1 and 2, whose ids are chosen, refer to each other
 * in a circle, one of them comes first.
 */
export function inCausalOrder(events: readonly RoomEvent[], refersTo: (event: RoomEvent) => readonly EventId[]): RoomEvent[] {
  const listed = new Map(events.map((event) => [event.eventId, event]))
  const begun = new Set<EventId>()
  const ordered = new Set<RoomEvent>()
  for (const start of listed.values()) {
    const stack = [start]
    for (let event = stack.at(-1); event; event = stack.at(-1)) {
      if (begun.has(event.eventId)) {
        stack.pop()
        ordered.add(event)
      } else {
        begun.add(event.eventId)
        stack.push(
          ...refersTo(event)
            .flatMap((eventId) => (begun.has(eventId) ? [] : (listed.get(eventId) ?? [])))
            .reverse(),
        )
      }
    }
  }
  return [...ordered]
}
