import type { EventId } from './event.ts'
import type { ResolutionEvents, ResolvableEvent, Resolving } from './resolution-events.ts'

/**
 * The conflicted state subgraph (rooms/v12, "Definitions"): all events on paths of auth events from one event of `conflicted` to
 * another, both ends included. Walks back no further than to the oldest of `conflicted`.
 */
export function* conflictedSubgraph(conflicted: ReadonlySet<EventId>, events: ResolutionEvents): Resolving<Set<EventId>> {
  yield* events.need(conflicted)
  const oldest = events.all(conflicted).reduce((rank, found) => Math.min(rank, found.rank), Number.POSITIVE_INFINITY)
  const visited = new Map<EventId, ResolvableEvent>()
  let level = events.all(conflicted)
  while (level.length > 0) {
    for (const found of level) visited.set(found.event.eventId, found)
    const cited = level.filter(({ rank }) => rank > oldest).flatMap(({ event }) => event.authEvents)
    yield* events.need(cited)
    level = events.all(cited).filter(({ rank, event }) => rank > oldest && !visited.has(event.eventId))
  }
  const leading = new Set<EventId>()
  for (const { event } of [...visited.values()].sort((a, b) => a.rank - b.rank)) {
    if (conflicted.has(event.eventId) || event.authEvents.some((cited) => leading.has(cited))) leading.add(event.eventId)
  }
  return leading
}
