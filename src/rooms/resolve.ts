import type { EventId } from '../spec/event.ts'
import type { ResolvableEvent } from '../spec/resolution-events.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { resolveState } from '../spec/state-resolution.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { EventStatus } from '../storage/tables/rooms.ts'

/** An event that is known to a draft: one of its own, or one that is stored. */
export interface KnownEvent extends ResolvableEvent {
  readonly status: EventStatus
  /** Whether it has its place in the graph, with the state at it; outliers have none. */
  readonly placed: boolean
}

/** Where state resolution finds events: a draft before the store. */
type FindEvents = (eventIds: readonly EventId[]) => Promise<ReadonlyMap<EventId, KnownEvent>>

/** The resolution of several snapshots of a room by its version's algorithm; equal snapshots cost nothing. */
export async function resolveSnapshots(rules: RoomVersionRules, snapshots: readonly StateTrie[], find: FindEvents): Promise<StateTrie> {
  const distinct = [...new Map(snapshots.map((snapshot) => [snapshot.root, snapshot])).values()]
  const [base] = distinct
  if (!base) return StateTrie.empty
  if (distinct.length === 1) return base
  const resolver = resolveState(rules, distinct)
  let step = resolver.next()
  while (!step.done) step = resolver.next(await find(step.value))
  const resolved = step.value
  // Built from one of the snapshots, so that what did not change is shared with it.
  const gone = [...base.keys()].filter((key) => !resolved.has(key))
  return base.with([...resolved]).with(gone.map((key) => [key, undefined] as const))
}
