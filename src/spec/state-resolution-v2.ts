import { authDifference } from './auth-difference.ts'
import { conflictedSubgraph } from './conflicted-subgraph.ts'
import type { RoomEvent } from './event.ts'
import { IterativeAuthChecks, type ThirdPartySigned } from './iterative-auth-checks.ts'
import { mainlineOrdering } from './mainline-ordering.ts'
import { powerOrdering } from './power-ordering.ts'
import { type GraphEvent, ResolutionEvents, type Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import type { StateConflicts } from './state-conflicts.ts'
import type { StateTrie } from './state-trie.ts'

/** State resolution of room versions 2 to 11 and, as v2.1, of version 12 (rooms/v2 and rooms/v12, "State resolution"). */
export function* resolveV2(rules: RoomVersionRules, states: StateConflicts, thirdPartySigned: ThirdPartySigned): Resolving<StateTrie> {
  const events = new ResolutionEvents(rules)
  const fullConflictedSet = yield* findFullConflictedSet(rules, states, events)
  yield* events.link(fullConflictedSet)
  const startsEmpty = rules.stateResolution === 'v2.1'
  const checks = new IterativeAuthChecks(rules, events, {
    initial: startsEmpty ? () => undefined : (type, stateKey) => states.unconflicted(type, stateKey),
    thirdPartySigned,
  })
  const powerEvents = withConflictedAuthChains(fullConflictedSet)
  yield* checks.apply(yield* powerOrdering(rules, powerEvents, events))
  const remaining = [...fullConflictedSet].filter((event) => !powerEvents.has(event))
  yield* checks.apply(yield* mainlineOrdering(checks.get('m.room.power_levels', ''), remaining, events))
  return states.settle(checks.applied)
}

function* findFullConflictedSet(rules: RoomVersionRules, states: StateConflicts, events: ResolutionEvents): Resolving<Set<GraphEvent>> {
  const difference = yield* authDifference(rules, states, events)
  const conflicted = events.all(states.events())
  const subgraph = rules.stateResolution === 'v2.1' ? yield* conflictedSubgraph(conflicted, events) : []
  return new Set([...conflicted, ...difference, ...subgraph])
}

/**
 * The power events of the full conflicted set with what of it lies in their auth chains. As on other homeservers chains are
 * followed within the set alone, and only the power levels and join rules that are in force, those with an empty state key, count.
 */
function withConflictedAuthChains(fullConflictedSet: ReadonlySet<GraphEvent>): Set<GraphEvent> {
  const open = [...fullConflictedSet].filter(({ event }) => isPowerEvent(event))
  const selected = new Set(open)
  for (let event = open.pop(); event !== undefined; event = open.pop()) {
    for (const cited of event.cited) {
      if (!fullConflictedSet.has(cited) || selected.has(cited)) continue
      selected.add(cited)
      open.push(cited)
    }
  }
  return selected
}

function isPowerEvent({ type, stateKey, sender, content }: RoomEvent): boolean {
  if (type === 'm.room.power_levels' || type === 'm.room.join_rules') return stateKey === ''
  const removes = content.membership === 'leave' || content.membership === 'ban'
  return type === 'm.room.member' && stateKey !== undefined && removes && sender !== stateKey
}
