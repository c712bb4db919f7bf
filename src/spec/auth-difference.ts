import { authEventKeyParts } from './auth-events.ts'
import type { EventId } from './event.ts'
import { PriorityQueue } from './priority-queue.ts'
import type { GraphEvent, ResolutionEvents, Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import type { StateConflicts } from './state-conflicts.ts'
import { dropReachedByUnconflicted } from './unconflicted-chain.ts'

/**
 * The auth difference of states (rooms/v2, "Auth difference"), without those of the conflicted state set. As on other homeservers a
 * state's auth chain counts the state's own events in, so that what all states hold is never in the difference.
 *
 * It walks back only as far as the states differ: in order of falling rank from the conflicted events, noting which states reach
 * each event, until all that is left to visit is reached by all of them.
 */
export function* authDifference(rules: RoomVersionRules, states: StateConflicts, events: ResolutionEvents): Resolving<Set<GraphEvent>> {
  const conflicted = states.events()
  yield* events.need(conflicted)
  const relevant = heldByAll(rules, states, events.all(conflicted))
  yield* events.need(relevant)
  const walk = new ReachWalk(states, events)
  walk.start(relevant)
  const candidates = yield* walk.run()
  for (const event of events.all(conflicted)) candidates.delete(event)
  yield* dropReachedByUnconflicted(candidates, states, events)
  return candidates
}

/** What all states hold under the keys that bear on the authorisation of `conflicted`. */
function heldByAll(rules: RoomVersionRules, states: StateConflicts, conflicted: Iterable<GraphEvent>): Set<EventId> {
  const held = new Set<EventId>()
  for (const { event } of conflicted) {
    for (const [type, stateKey] of authEventKeyParts(rules, event)) {
      const eventId = states.unconflicted(type, stateKey)
      if (eventId !== undefined) held.add(eventId)
    }
  }
  return held
}

/** The walk from the conflicted events; a set of states is a bit mask. */
class ReachWalk {
  readonly #states: StateConflicts
  readonly #events: ResolutionEvents
  readonly #everywhere: bigint
  readonly #reached = new Map<GraphEvent, bigint>()
  readonly #queue = new PriorityQueue<GraphEvent>((a, b) => b.rank - a.rank)
  /** Those in the queue that not all states reach. */
  readonly #open = new Set<GraphEvent>()

  constructor(states: StateConflicts, events: ResolutionEvents) {
    this.#states = states
    this.#events = events
    this.#everywhere = (1n << BigInt(states.stateCount)) - 1n
    const bits = Array.from({ length: states.stateCount }, (_, index) => 1n << BigInt(index))
    for (const holders of states.conflicts.values()) {
      for (const [index, bit] of bits.entries()) this.#reachId(holders[index], bit)
    }
  }

  /** Starts from further events, which all states hold. */
  start(eventIds: Iterable<EventId>): void {
    for (const eventId of eventIds) this.#reachId(eventId, this.#everywhere)
  }

  /** The events visited that some states reach and others do not. */
  *run(): Resolving<Set<GraphEvent>> {
    const partial = new Set<GraphEvent>()
    while (this.#open.size > 0) {
      const event = this.#queue.pop()
      if (event === undefined) break
      // With all that is open: a level of the graph is asked for at once.
      if (!event.isLinked) yield* this.#events.link(this.#open.has(event) ? this.#open : [event])
      if (this.#open.delete(event)) partial.add(event)
      const states = this.#reached.get(event) ?? 0n
      for (const cited of event.cited) this.#reach(cited, states)
    }
    return partial
  }

  #reachId(eventId: EventId | undefined, states: bigint): void {
    const found = eventId === undefined ? undefined : this.#events.get(eventId)
    if (found !== undefined) this.#reach(found, states)
  }

  #reach(node: GraphEvent, states: bigint): void {
    const before = this.#reached.get(node)
    const after = before === undefined && this.#states.isUnconflicted(node.event) ? this.#everywhere : (before ?? 0n) | states
    if (after === before) return
    this.#reached.set(node, after)
    if (before === undefined) {
      this.#queue.push(node)
      if (after !== this.#everywhere) this.#open.add(node)
    } else if (after === this.#everywhere) this.#open.delete(node)
  }
}
