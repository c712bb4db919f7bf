import { authDifference } from './auth-difference.ts'
import { conflictedSubgraph } from './conflicted-subgraph.ts'
import { type EventId, type RoomEvent, stateKeyOf } from './event.ts'
import { IterativeAuthChecks, type ThirdPartySigned } from './iterative-auth-checks.ts'
import { mainlineOrdering } from './mainline-ordering.ts'
import { powerOrdering } from './power-ordering.ts'
import { ResolutionEvents, type Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import type { StateConflicts } from './state-conflicts.ts'
import type { StateTrie } from './state-trie.ts'

const powerLevelsKey = stateKeyOf('m.room.power_levels', '')

/** State resolution of room versions 2 to 11 and, as v2.1, of version 12 (rooms/v2 and rooms/v12, "State resolution"). */
export function* resolveV2(rules: RoomVersionRules, states: StateConflicts, thirdPartySigned: ThirdPartySigned): Resolving<StateTrie> {
  const events = new ResolutionEvents()
  const fullConflictedSet = yield* findFullConflictedSet(rules, states, events)
  const startsEmpty = rules.stateResolution === 'v2.1'
  const checks = new IterativeAuthChecks(rules, events, {
    initial: startsEmpty ? () => undefined : (key) => states.unconflicted(key),
    thirdPartySigned,
  })
  const powerEvents = withConflictedAuthChains(fullConflictedSet, events)
  yield* checks.apply(yield* powerOrdering(rules, powerEvents, events))
  const remaining = events.all(fullConflictedSet).flatMap(({ event }) => (powerEvents.has(event.eventId) ? [] : [event]))
  yield* checks.apply(yield* mainlineOrdering(checks.get(powerLevelsKey), remaining, events))
  return states.settle(checks.applied)
}

function* findFullConflictedSet(
  rules: RoomVersionRules,
  states: StateConflicts,
  events: ResolutionEvents,
): Resolving<ReadonlySet<EventId>> {
  const conflicted = new Set(states.events())
  const difference = yield* authDifference(rules, states, events)
  const subgraph = rules.stateResolution === 'v2.1' ? yield* conflictedSubgraph(conflicted, events) : []
  return new Set([...conflicted, ...difference, ...subgraph])
}

/**
 * The power events of the full conflicted set with what of it lies in their auth chains. As on other homeservers chains are
 * followed within the set alone, and only the power levels and join rules that are in force, those with an empty state key, count.
 */
function withConflictedAuthChains(fullConflictedSet: ReadonlySet<EventId>, events: ResolutionEvents): Set<EventId> {
  const open = events.all(fullConflictedSet).flatMap(({ event }) => (isPowerEvent(event) ? [event] : []))
  const selected = new Set(open.map(({ eventId }) => eventId))
  for (let event = open.pop(); event !== undefined; event = open.pop()) {
    const added = event.authEvents.filter((cited) => fullConflictedSet.has(cited) && !selected.has(cited))
    for (const cited of events.all(added)) {
      selected.add(cited.event.eventId)
      open.push(cited.event)
    }
  }
  return selected
}

function isPowerEvent({ type, stateKey, sender, content }: RoomEvent): boolean {
  if (type === 'm.room.power_levels' || type === 'm.room.join_rules') return stateKey === ''
  const removes = content.membership === 'leave' || content.membership === 'ban'
  return type === 'm.room.member' && stateKey !== undefined && removes && sender !== stateKey
}
