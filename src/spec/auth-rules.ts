import { checkMember } from './auth-rules-member.ts'
import { checkPowerLevels } from './auth-rules-power-levels.ts'
import {
  type AuthCase,
  type AuthSignatures,
  allow,
  allowIf,
  isCreateOf,
  membershipIn,
  reject,
  type StateLookup,
  type Verdict,
} from './auth-verdict.ts'
import type { RoomEvent } from './event.ts'
import { parseUserId, serverNameOf } from './identifiers.ts'
import { ownValue } from './json.ts'
import { powerLevelsOf } from './power-levels.ts'
import type { RoomVersionRules } from './room-version.ts'

export { checkAuthEvents } from './auth-rules-auth-events.ts'
export type { AuthSignatures, StateLookup, Verdict } from './auth-verdict.ts'

const nothingSigned: AuthSignatures = { authoriserSigned: false, thirdPartySigned: () => false }

/**
 * Whether the authorisation rules of the room's version allow `event` in `state` (rooms/v1 to v12, "Authorisation rules"; the rules
 * about its own `auth_events` are those of `checkAuthEvents`). `state` is asked only for the keys that `authEventKeys` selects, and
 * for the create event; in version 12 it must answer that one with the room's accepted create event. Without `signatures`, nothing
 * counts as signed.
 */
export function checkAuth(
  rules: RoomVersionRules,
  event: RoomEvent,
  state: StateLookup,
  signatures: AuthSignatures = nothingSigned,
): Verdict {
  if (event.type === 'm.room.create') return checkCreate(rules, event)
  const create = state('m.room.create', '')
  if (create === undefined) return reject('the room has no create event')
  if (rules.roomId === 'create-event-hash' && !isCreateOf(create, event)) return reject('the create event is that of another room')
  if (create.content['m.federate'] === false && serverNameOf(event.sender) !== serverNameOf(create.sender)) {
    return reject('the room is not federated')
  }
  const levels = powerLevelsOf(rules, create, state('m.room.power_levels', ''))
  return checkByType({ rules, event, create, levels, state, signatures })
}

/** Rule 1 of every room version; what changed: `creator` until version 10, no `room_id` and `additional_creators` in version 12. */
function checkCreate(rules: RoomVersionRules, event: RoomEvent): Verdict {
  const { content, sender } = event
  if (event.prevEvents.length > 0) return reject('a create event has no prev_events')
  if (rules.roomId === 'create-event-hash') {
    if (Object.hasOwn(event.pdu, 'room_id')) return reject('a create event has no room_id')
  } else if (serverNameOf(event.roomId) !== serverNameOf(sender)) return reject("the room_id is not of the sender's server")
  // A room whose create event names no version is of version 1.
  const version = Object.hasOwn(content, 'room_version') ? content.room_version : '1'
  if (version !== rules.version) return reject('the create event is of another room version')
  if (rules.auth.creatorInContent && !Object.hasOwn(content, 'creator')) return reject('the create event has no creator')
  const others = rules.auth.privilegedCreators ? ownValue(content, 'additional_creators') : undefined
  const isListOfUsers = Array.isArray(others) && others.every((user) => typeof user === 'string' && parseUserId(user) !== undefined)
  return allowIf(others === undefined || isListOfUsers, 'additional_creators is not a list of user IDs')
}

/** Rules 4 to 12 of room versions 1 to 5, of which version 6 drops rule 4 and version 3 rule 11; rules 5 to 11 of version 12. */
function checkByType(judged: AuthCase): Verdict {
  const { event, rules, levels, state } = judged
  const { type, stateKey, sender } = event
  if (type === 'm.room.aliases' && rules.auth.aliasesBelongToServer) {
    return allowIf(stateKey !== undefined && serverNameOf(sender) === stateKey, "the aliases are not of the sender's server")
  }
  if (type === 'm.room.member') return checkMember(judged)
  if (membershipIn(state, sender) !== 'join') return reject('the sender is not in the room')
  const own = levels.user(sender)
  if (type === 'm.room.third_party_invite') return allowIf(own >= levels.invite, 'the sender may not invite')
  if (levels.event(type, stateKey !== undefined) > own) return reject(`the sender may not send ${type}`)
  if (stateKey?.startsWith('@') && stateKey !== sender) return reject('the state_key is another user')
  if (type === 'm.room.power_levels') return checkPowerLevels(judged)
  if (type === 'm.room.redaction' && rules.auth.checksRedactions) return checkRedaction(judged)
  return allow
}

/** Until version 2 whoever sent an event may redact it, known by the server in the event IDs (rule 11). */
function checkRedaction({ event, levels }: AuthCase): Verdict {
  const isOwn = event.redacts !== undefined && serverNameOf(event.redacts) === serverNameOf(event.eventId)
  return allowIf(isOwn || levels.user(event.sender) >= levels.redact, 'the sender may not redact')
}
