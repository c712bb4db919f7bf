import type { RoomEvent, UserId } from './event.ts'
import type { JsonObject } from './json.ts'
import type { PowerLevels } from './power-levels.ts'
import type { RoomVersionRules } from './room-version.ts'

/** Whether the authorisation rules allow an event; if not, why, for logs and errors. */
export type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly reason: string }

/** The event that holds a state key in the state by which an event is judged. */
export type StateLookup = (type: string, stateKey: string) => RoomEvent | undefined

/** What the rules want to know of signatures, which they do not check themselves. */
export interface AuthSignatures {
  /**
   * Whether the event bears a valid signature of the homeserver of its `join_authorised_via_users_server`. It depends on the event
   * alone, so it is found out once, when the event arrives. Asked only where the content names such a user.
   */
  readonly authoriserSigned: boolean
  /** Whether any signature in `signed` of a third-party invite is valid by any of `publicKeys` (base64 of Ed25519 keys). */
  readonly thirdPartySigned: (signed: JsonObject, publicKeys: readonly string[]) => boolean
}

/** An event with all that its judgement draws on. */
export interface AuthCase {
  readonly rules: RoomVersionRules
  readonly event: RoomEvent
  readonly create: RoomEvent
  readonly levels: PowerLevels
  readonly state: StateLookup
  readonly signatures: AuthSignatures
}

export const allow: Verdict = { allowed: true }

export function reject(reason: string): Verdict {
  return { allowed: false, reason }
}

/** Allows if `condition` holds, else rejects for `reason`. */
export function allowIf(condition: boolean, reason: string): Verdict {
  return condition ? allow : reject(reason)
}

/** The membership of `userId` in the state; who never had any has left. */
export function membershipIn(state: StateLookup, userId: UserId): string {
  const membership = state('m.room.member', userId)?.content.membership
  return typeof membership === 'string' ? membership : 'leave'
}

/** Whether `create`, by rule 2 of version 12, is the create event of the room of `event`. */
export function isCreateOf(create: RoomEvent, event: RoomEvent): boolean {
  return create.type === 'm.room.create' && event.roomId.slice(1) === create.eventId.slice(1)
}
