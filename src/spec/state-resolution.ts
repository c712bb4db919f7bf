import type { ThirdPartySigned } from './iterative-auth-checks.ts'
import type { Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import { StateConflicts } from './state-conflicts.ts'
import { resolveV1 } from './state-resolution-v1.ts'
import { resolveV2 } from './state-resolution-v2.ts'
import { StateTrie } from './state-trie.ts'

export type { ResolvableEvent, Resolving } from './resolution-events.ts'

/**
 * The resolution of a set of room states by the algorithm of the room's version (rooms/v1, rooms/v2 and rooms/v12, "State resolution"). Yields the IDs of events that it needs, in batches
 * and each ID once, and wants those of them that exist, rejected ones included; a missing event counts for nothing. The outcome
 * depends on the states and events alone, and shares structure with one of the states.
 *
 * Third-party invites are taken to have been verified by the offer that they cite. `thirdPartySigned` decides where resolution puts
 * another offer of the same token in its place; without it such an invite is not allowed.
 */
export function* resolveState(
  rules: RoomVersionRules,
  stateSets: readonly StateTrie[],
  thirdPartySigned: ThirdPartySigned = () => false,
): Resolving<StateTrie> {
  const [first, ...others] = new Map(stateSets.map((state) => [state.root, state])).values()
  if (first === undefined) return StateTrie.empty
  if (others.length === 0) return first
  const states = new StateConflicts(first, others)
  const resolve = rules.stateResolution === 'v1' ? resolveV1 : resolveV2
  return yield* resolve(rules, states, thirdPartySigned)
}
