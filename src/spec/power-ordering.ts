import type { EventId, RoomEvent } from './event.ts'
import { powerLevelsOf } from './power-levels.ts'
import { PriorityQueue } from './priority-queue.ts'
import type { ResolutionEvents, Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'

/** An event waiting for those of its auth events that are to be ordered before it. */
interface Vertex {
  readonly event: RoomEvent
  readonly level: number
  waitsFor: number
}

/** The reverse topological power ordering of `ordered`, earliest first (rooms/v2, "Reverse topological power ordering"). */
export function* powerOrdering(rules: RoomVersionRules, ordered: ReadonlySet<EventId>, events: ResolutionEvents): Resolving<RoomEvent[]> {
  const found = events.all(ordered)
  yield* events.need(found.flatMap(({ event }) => [...event.authEvents, ...createEventId(rules, event)]))
  const vertices = new Map<EventId, Vertex>()
  const dependents = new Map<EventId, Vertex[]>()
  for (const { event } of found) {
    const before = event.authEvents.filter((cited) => ordered.has(cited) && events.get(cited) !== undefined)
    const vertex = { event, level: senderLevel(rules, event, events), waitsFor: new Set(before).size }
    vertices.set(event.eventId, vertex)
    for (const cited of new Set(before)) {
      const others = dependents.get(cited)
      if (others === undefined) dependents.set(cited, [vertex])
      else others.push(vertex)
    }
  }
  return topologicalOrder([...vertices.values()], dependents)
}

/** Kahn's algorithm; of the vertices that wait for nothing more the smallest comes next. */
function topologicalOrder(vertices: readonly Vertex[], dependents: ReadonlyMap<EventId, readonly Vertex[]>): RoomEvent[] {
  const ready = new PriorityQueue<Vertex>(compareVertices)
  for (const vertex of vertices) if (vertex.waitsFor === 0) ready.push(vertex)
  const order: RoomEvent[] = []
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    order.push(next.event)
    for (const dependent of dependents.get(next.event.eventId) ?? []) {
      dependent.waitsFor--
      if (dependent.waitsFor === 0) ready.push(dependent)
    }
  }
  return order
}

function compareVertices(a: Vertex, b: Vertex): number {
  // Levels of creators are infinite: their difference would be no number.
  if (a.level !== b.level) return a.level > b.level ? -1 : 1
  return compareByTime(a.event, b.event)
}

/** By `origin_server_ts`, then by event ID: how both orderings break their ties. */
export function compareByTime(a: RoomEvent, b: RoomEvent): number {
  if (a.originServerTs !== b.originServerTs) return a.originServerTs - b.originServerTs
  return a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0
}

/** From version 12 the create event of the room of `event`, which no event cites. */
export function createEventId(rules: RoomVersionRules, event: RoomEvent): EventId[] {
  return rules.roomId === 'create-event-hash' ? [`$${event.roomId.slice(1)}`] : []
}

/** The level of the sender of `event` by the power levels that it cites. */
function senderLevel(rules: RoomVersionRules, event: RoomEvent, events: ResolutionEvents): number {
  const [implied] = createEventId(rules, event)
  const create = implied === undefined ? events.cited(event, 'm.room.create') : events.get(implied)
  return powerLevelsOf(rules, create?.event, events.cited(event, 'm.room.power_levels')?.event).user(event.sender)
}
