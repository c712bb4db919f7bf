import type { EventId, RoomEvent } from '../spec/event.ts'
import type { KnownEvent } from './resolve.ts'

/** How many rejected or soft-failed events are walked through in search of what comes before them. */
const mostStepsBack = 200

/** Ends of a room's history at which it may be filled in: whoever names what never was adds some. */
const mostBackward = 1_000

/** Where events of the room are found. */
interface Graph {
  find(eventIds: Iterable<EventId>): Promise<ReadonlyMap<EventId, KnownEvent>>
}

/** The heads that do not come before the event: neither directly, nor through soft-failed or rejected ones, which are no heads. */
export async function headsBeside(event: RoomEvent, heads: ReadonlySet<EventId>, graph: Graph): Promise<EventId[]> {
  const before = new Set(event.prevEvents)
  const beside = () => [...heads].filter((eventId) => !before.has(eventId))
  for (let ids = [...before]; ids.length > 0 && beside().length > 0 && before.size < mostStepsBack; ) {
    const found = await graph.find(ids)
    const aside = [...found.values()].filter(({ status, rejected }) => rejected || status === 'soft-failed')
    ids = aside.flatMap((known) => known.event.prevEvents.filter((eventId) => !before.has(eventId)))
    for (const eventId of ids) before.add(eventId)
  }
  return beside()
}

/** What is to be back-filled before an event. A rejected one never gets a place: what comes before it is wanted in its stead. */
export async function lackingBefore(event: RoomEvent, graph: Graph): Promise<EventId[]> {
  const lacking = new Set<EventId>()
  const seen = new Set<EventId>()
  for (let ids = [...event.prevEvents]; ids.length > 0 && seen.size < mostStepsBack; ) {
    const found = await graph.find(ids)
    for (const eventId of ids) seen.add(eventId)
    const isAside = (eventId: EventId) => found.get(eventId)?.rejected && !found.get(eventId)?.placed
    for (const eventId of ids) if (!found.get(eventId)?.placed && !isAside(eventId)) lacking.add(eventId)
    ids = ids.filter(isAside).flatMap((eventId) => found.get(eventId)?.event.prevEvents.filter((before) => !seen.has(before)) ?? [])
  }
  return [...lacking]
}

/** The oldest ends, where most of the history lies, and the newest, of which the last gap is one. */
export function boundedEnds(backward: ReadonlySet<EventId>): ReadonlySet<EventId> {
  if (backward.size <= mostBackward) return backward
  const ends = [...backward]
  return new Set([...ends.slice(0, mostBackward / 2), ...ends.slice(-mostBackward / 2)])
}
