import { authEventKeys } from './auth-events.ts'
import type { EventId } from './event.ts'
import { PriorityQueue } from './priority-queue.ts'
import type { ResolutionEvents, ResolvableEvent, Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import type { StateConflicts } from './state-conflicts.ts'
import type { Leaf } from './state-trie.ts'

/** So many leaves of the unconflicted state cover, as a rule, what old events cite; more are read if they do not. */
const firstSample = 6

/**
 * The auth difference of states (rooms/v2, "Auth difference"), without those of the conflicted state set. As on other homeservers a
 * state's auth chain counts the state's own events in, so that what all states hold is never in the difference.
 *
 * It walks back only as far as the states differ: in order of falling rank from the conflicted events, noting which states reach
 * each event, until all that is left to visit is reached by all of them.
 */
export function* authDifference(rules: RoomVersionRules, states: StateConflicts, events: ResolutionEvents): Resolving<Set<EventId>> {
  const conflicted = new Set(states.events())
  yield* events.need(conflicted)
  const keys = events.all(conflicted).flatMap(({ event }) => authEventKeys(rules, event))
  const relevant = new Set(keys.flatMap((key) => states.unconflicted(key) ?? []))
  yield* events.need(relevant)
  const walk = new ReachWalk(states, events)
  walk.start(relevant)
  const partial = yield* walk.run()
  const candidates = new Map(
    events.all(partial).flatMap((found) => (conflicted.has(found.event.eventId) ? [] : [[found.event.eventId, found]])),
  )
  yield* dropReachedByUnconflicted(candidates, states, events)
  return new Set(candidates.keys())
}

/** The walk from the conflicted events; a set of states is a bit mask. */
class ReachWalk {
  readonly #states: StateConflicts
  readonly #events: ResolutionEvents
  readonly #everywhere: bigint
  readonly #reached = new Map<EventId, bigint>()
  readonly #queue = new PriorityQueue<ResolvableEvent>((a, b) => b.rank - a.rank)
  /** Those in the queue that not all states reach. */
  readonly #open = new Set<EventId>()

  constructor(states: StateConflicts, events: ResolutionEvents) {
    this.#states = states
    this.#events = events
    this.#everywhere = (1n << BigInt(states.stateCount)) - 1n
    for (const holders of states.conflicts.values()) {
      for (const [index, eventId] of holders.entries()) if (eventId !== undefined) this.#reach(eventId, 1n << BigInt(index))
    }
  }

  /** Starts from further events, which all states hold. */
  start(eventIds: Iterable<EventId>): void {
    for (const eventId of eventIds) this.#reach(eventId, this.#everywhere)
  }

  /** The events visited that some states reach and others do not. */
  *run(): Resolving<Set<EventId>> {
    const partial = new Set<EventId>()
    while (this.#open.size > 0) {
      const { event } = this.#queue.pop() ?? {}
      if (event === undefined) break
      if (!this.#events.hasAskedFor(event.authEvents)) yield* this.#events.need(this.#ahead(event.authEvents))
      if (this.#open.delete(event.eventId)) partial.add(event.eventId)
      for (const cited of event.authEvents) this.#reach(cited, this.#reached.get(event.eventId) ?? 0n)
    }
    return partial
  }

  /** What is needed next and what will be needed soon, so that a level of the graph is asked for at once. */
  *#ahead(next: readonly EventId[]): Generator<EventId> {
    yield* next
    for (const { event } of this.#events.all(this.#open)) yield* event.authEvents
  }

  #reach(eventId: EventId, states: bigint): void {
    const found = this.#events.get(eventId)
    if (found === undefined) return
    const before = this.#reached.get(eventId)
    const after = before === undefined && this.#states.isUnconflicted(found.event) ? this.#everywhere : (before ?? 0n) | states
    this.#reached.set(eventId, after)
    if (before === undefined) {
      this.#queue.push(found)
      if (after !== this.#everywhere) this.#open.add(eventId)
    } else if (after === this.#everywhere) this.#open.delete(eventId)
  }
}

/** What an event cites, and its own rank. */
interface Citations {
  readonly rank: number
  readonly authEvents: readonly EventId[]
}

/**
 * What the events of a leaf cite, in the order of its entries. States share their leaves, so that of a large room this is read once,
 * and then where it changed.
 */
const citationsOfLeaves = new WeakMap<Leaf, readonly (Citations | undefined)[]>()

/** Takes out of `candidates` what lies in the auth chain of the unconflicted state, asking for no more of it than it takes. */
function* dropReachedByUnconflicted(
  candidates: Map<EventId, ResolvableEvent>,
  states: StateConflicts,
  events: ResolutionEvents,
): Resolving<void> {
  const visited = new Set<EventId>()
  const leaves = candidates.size === 0 ? [] : [...states.leaves()]
  const mark = (level: ReadonlySet<EventId>): void => {
    for (const eventId of level) {
      visited.add(eventId)
      candidates.delete(eventId)
    }
  }
  for (let [start, size] = [0, firstSample]; start < leaves.length && candidates.size > 0; start += size, size *= 4) {
    const sample = leaves.slice(start, start + size)
    yield* readLeaves(sample, events)
    let level = citedByUnconflicted(sample, { states, events, above: lowestRank(candidates) })
    for (mark(level); level.size > 0 && candidates.size > 0; mark(level)) {
      yield* events.need(level)
      const above = lowestRank(candidates)
      const citing = events.all(level).filter(({ rank }) => rank > above)
      level = new Set(citing.flatMap(({ event }) => event.authEvents.filter((eventId) => !visited.has(eventId))))
    }
  }
}

function lowestRank(candidates: ReadonlyMap<EventId, ResolvableEvent>): number {
  return [...candidates.values()].reduce((lowest, { rank }) => Math.min(lowest, rank), Number.POSITIVE_INFINITY)
}

function* readLeaves(leaves: readonly Leaf[], events: ResolutionEvents): Resolving<void> {
  const unread = leaves.filter((leaf) => !citationsOfLeaves.has(leaf))
  yield* events.need(unread.flatMap(({ entries }) => entries.map(([, eventId]) => eventId)))
}

/** What is cited by those events of the leaves that all states hold and that rank `above` so much; what is not found cites nothing. */
function citedByUnconflicted(
  leaves: readonly Leaf[],
  { states, events, above }: { readonly states: StateConflicts; readonly events: ResolutionEvents; readonly above: number },
): Set<EventId> {
  const cited = new Set<EventId>()
  for (const leaf of leaves) {
    for (const [index, citations] of citationsOfLeaf(leaf, events).entries()) {
      const key = leaf.entries[index]?.[0]
      if (citations === undefined || citations.rank <= above || key === undefined || states.conflicts.has(key)) continue
      for (const eventId of citations.authEvents) cited.add(eventId)
    }
  }
  return cited
}

function citationsOfLeaf(leaf: Leaf, events: ResolutionEvents): readonly (Citations | undefined)[] {
  const read = citationsOfLeaves.get(leaf)
  if (read !== undefined) return read
  const found = leaf.entries.map(([, eventId]) => events.get(eventId))
  const citations = found.map((event) => event && citationsOf(event))
  if (!citations.includes(undefined)) citationsOfLeaves.set(leaf, citations)
  return citations
}

function citationsOf({ rank, event }: ResolvableEvent): Citations {
  return { rank, authEvents: event.authEvents }
}
