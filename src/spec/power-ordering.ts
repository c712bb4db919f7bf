import type { RoomEvent } from './event.ts'
import { powerLevelsOf } from './power-levels.ts'
import { PriorityQueue } from './priority-queue.ts'
import type { GraphEvent, ResolutionEvents, Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'

/** An event waiting for those of its auth events that are to be ordered before it. */
interface Vertex {
  readonly node: GraphEvent
  readonly level: number
  readonly dependents: Vertex[]
  waitsFor: number
}

/** The reverse topological power ordering of `ordered`, earliest first (rooms/v2, "Reverse topological power ordering"). */
export function* powerOrdering(
  rules: RoomVersionRules,
  ordered: ReadonlySet<GraphEvent>,
  events: ResolutionEvents,
): Resolving<GraphEvent[]> {
  yield* events.link(ordered)
  const vertices = new Map<GraphEvent, Vertex>()
  for (const node of ordered) vertices.set(node, { node, level: senderLevel(rules, node), dependents: [], waitsFor: 0 })
  for (const vertex of vertices.values()) {
    for (const cited of vertex.node.cited) {
      const before = vertices.get(cited)
      if (before === undefined) continue
      before.dependents.push(vertex)
      vertex.waitsFor++
    }
  }
  return topologicalOrder(vertices.values())
}

/** Kahn's algorithm; of the vertices that wait for nothing more the smallest comes next. */
function topologicalOrder(vertices: Iterable<Vertex>): GraphEvent[] {
  const ready = new PriorityQueue<Vertex>(compareVertices)
  for (const vertex of vertices) if (vertex.waitsFor === 0) ready.push(vertex)
  const order: GraphEvent[] = []
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    order.push(next.node)
    for (const dependent of next.dependents) {
      dependent.waitsFor--
      if (dependent.waitsFor === 0) ready.push(dependent)
    }
  }
  return order
}

function compareVertices(a: Vertex, b: Vertex): number {
  // Levels of creators are infinite: their difference would be no number.
  if (a.level !== b.level) return a.level > b.level ? -1 : 1
  return compareByTime(a.node.event, b.node.event)
}

/** By `origin_server_ts`, then by event ID: how both orderings break their ties. */
export function compareByTime(a: RoomEvent, b: RoomEvent): number {
  if (a.originServerTs !== b.originServerTs) return a.originServerTs - b.originServerTs
  return a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0
}

/** The level of the sender of an event by the power levels that it cites. */
function senderLevel(rules: RoomVersionRules, node: GraphEvent): number {
  return powerLevelsOf(rules, node.create?.event, node.citedOf('m.room.power_levels')?.event).user(node.event.sender)
}
