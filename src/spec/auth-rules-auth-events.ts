import { authEventKeys } from './auth-events.ts'
import { allow, isCreateOf, reject, type Verdict } from './auth-verdict.ts'
import { type RoomEvent, type StateKey, stateKeyOf } from './event.ts'
import type { RoomVersionRules } from './room-version.ts'

/** An event with what became of it: `rejected` if the authorisation rules forbade it on receipt. */
export interface JudgedEvent {
  readonly event: RoomEvent
  readonly rejected: boolean
}

/**
 * Whether the `auth_events` of `event` are such as the rules of its room version want (room version 11, rule 2; version 12, rules 2
 * and 3). `authEvents` are the events that it cites, all of them and in that order. From version 12, whose events do not cite the
 * create event, `create` is the event whose ID is the room ID but for the sigil; before, it is not looked at.
 */
export function checkAuthEvents(
  rules: RoomVersionRules,
  event: RoomEvent,
  authEvents: readonly JudgedEvent[],
  create?: JudgedEvent,
): Verdict {
  if (event.type === 'm.room.create') return allow
  if (rules.roomId === 'create-event-hash') {
    if (create === undefined || create.rejected || !isCreateOf(create.event, event))
      return reject('the room_id is not of an accepted create event')
  } else if (!authEvents.some((cited) => cited.event.type === 'm.room.create')) return reject('auth_events has no create event')
  const unwanted = findUnwanted(authEvents, event, new Set(authEventKeys(rules, event)))
  return unwanted === undefined ? allow : reject(unwanted)
}

function findUnwanted(authEvents: readonly JudgedEvent[], event: RoomEvent, selected: Set<StateKey>): string | undefined {
  const seen = new Set<StateKey>()
  for (const { event: cited, rejected } of authEvents) {
    const { eventId, stateKey } = cited
    const key = stateKey === undefined ? undefined : stateKeyOf(cited.type, stateKey)
    if (key === undefined || !selected.has(key)) return `auth_events has ${eventId}, which is not to be cited`
    if (seen.has(key)) return `auth_events has ${cited.type} twice`
    if (rejected) return `auth_events has ${eventId}, which was rejected`
    if (cited.roomId !== event.roomId) return `auth_events has ${eventId} of another room`
    seen.add(key)
  }
  return undefined
}
