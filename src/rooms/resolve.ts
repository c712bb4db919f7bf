import type { EventId } from '../spec/event.ts'
import type { ResolvableEvent } from '../spec/resolution-events.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { resolveState } from '../spec/state-resolution.ts'
import type { StateTrie } from '../spec/state-trie.ts'
import { thirdPartySigned } from '../spec/third-party-signature.ts'
import type { EventStatus } from '../storage/tables/rooms.ts'

/** An event that is known to a draft: one of its own, or one that is stored. */
export interface KnownEvent extends ResolvableEvent {
  readonly status: EventStatus
  /** Whether it has its place in the graph, with the state at it; outliers have none. */
  readonly placed: boolean
}

/** Where state resolution finds events: a draft before the store. */
type FindEvents = (eventIds: readonly EventId[]) => Promise<ReadonlyMap<EventId, KnownEvent>>

/** The resolution of several snapshots of a room by its version's algorithm; shares with one of them what did not change. */
export async function resolveSnapshots(rules: RoomVersionRules, snapshots: readonly StateTrie[], find: FindEvents): Promise<StateTrie> {
  const resolver = resolveState(rules, snapshots, thirdPartySigned)
  let step = resolver.next()
  while (!step.done) step = resolver.next(await find(step.value))
  return step.value
}
