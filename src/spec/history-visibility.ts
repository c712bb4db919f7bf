import type { RoomEvent, UserId } from './event.ts'
import type { JsonObject, JsonValue } from './json.ts'

export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined'

/** What decides whether a user may see one event, beside the event itself. */
export interface Viewer {
  readonly userId: UserId
  /** `membership` in the state before the event; `undefined` where there is none. */
  readonly membership: JsonValue | undefined
  /** Whether the user joined at any point after the event was sent. */
  readonly joinedAfter: boolean
}

/** The visibility that `m.room.history_visibility` of this content sets (Client-Server API, "Room history visibility"): `shared` where it is missing or not understood. */
export function historyVisibilityOf(content: JsonObject | undefined): HistoryVisibility {
  const visibility = content?.history_visibility
  return visibility === 'world_readable' || visibility === 'invited' || visibility === 'joined' ? visibility : 'shared'
}

/**
 * Whether a user may see `event` (Client-Server API, "Room history visibility"), given the visibility in the state before it.
 * A change of visibility, or of the user's own membership, shows to whom the state before or after it would show it.
 */
export function mayUserSee(event: RoomEvent, visibility: HistoryVisibility, viewer: Viewer): boolean {
  const visibilities = isVisibilityChange(event) ? [visibility, historyVisibilityOf(event.content)] : [visibility]
  const isOwnMembership = event.type === 'm.room.member' && event.stateKey === viewer.userId
  const memberships = isOwnMembership ? [viewer.membership, event.content.membership] : [viewer.membership]
  return visibilities.some((one) => memberships.some((membership) => isVisibleTo(one, membership, viewer.joinedAfter)))
}

/** Whether a server may see `event`: whether any of its users may. `users` are those of its users who were ever in the room. */
export function mayServerSee(event: RoomEvent, visibility: HistoryVisibility, users: Iterable<Viewer>): boolean {
  if (visibility === 'world_readable' || (isVisibilityChange(event) && historyVisibilityOf(event.content) === 'world_readable')) return true
  for (const user of users) if (mayUserSee(event, visibility, user)) return true
  return false
}

function isVisibilityChange(event: RoomEvent): boolean {
  return event.type === 'm.room.history_visibility' && event.stateKey === ''
}

/** Whether history of this visibility shows to who had this membership, and joined after it or did not. */
export function isVisibleTo(visibility: HistoryVisibility, membership: JsonValue | undefined, joinedAfter: boolean): boolean {
  if (visibility === 'world_readable' || membership === 'join') return true
  if (visibility === 'shared') return joinedAfter
  return visibility === 'invited' && membership === 'invite'
}
