import * as v from 'valibot'
import { invalidParam } from '../../spec/errors.ts'
import type { EventId, RoomId, UserId } from '../../spec/event.ts'
import { fitsBytes, isEventId, isRoomId, maxIdentifierBytes, parseUserId } from '../../spec/identifiers.ts'
import { isServerName } from '../../spec/server-name.ts'

type Params = Readonly<Record<string, string>>

/** A whole number in a query. */
export const numberText = v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'not a whole number'))
/** A truth value in a query. */
export const booleanText = v.picklist(['true', 'false'])
/** A pagination token. */
export const tokenText = v.pipe(v.string(), v.maxLength(200))
/** A filter as JSON. */
export const filterText = v.pipe(v.string(), v.maxLength(65_536))
/** Why someone does something to someone. */
export const reasonText = v.optional(v.pipe(v.string(), v.maxLength(4096)))
export const userIdText = v.pipe(
  v.string(),
  v.check((id) => parseUserId(id) !== undefined, 'not a user id'),
)

/** Server names in a query, as `via` gives them. */
export const serverNames = v.optional(v.pipe(v.array(v.pipe(v.string(), v.check(isServerName, 'not a server name'))), v.maxLength(50)))

/** A number of a query within bounds; `fallback` where it is missing. */
export function bounded(
  text: string | undefined,
  bounds: { readonly fallback: number; readonly most: number; readonly least?: number },
): number {
  return text === undefined ? bounds.fallback : Math.max(bounds.least ?? 0, Math.min(Number(text), bounds.most))
}

/** The room of a path. Throws `M_INVALID_PARAM`. */
export function roomIdOf({ roomId = '' }: Params): RoomId {
  if (!isRoomId(roomId)) throw invalidParam('This is not a room id')
  return roomId
}

/** The event of a path. Throws `M_INVALID_PARAM`. */
export function eventIdOf({ eventId = '' }: Params): EventId {
  if (!isEventId(eventId)) throw invalidParam('This is not an event id')
  return eventId
}

/** The user of a path. Throws `M_INVALID_PARAM`. */
export function userIdOf({ userId = '' }: Params): UserId {
  if (parseUserId(userId) === undefined) throw invalidParam('This is not a user id')
  return userId
}

/** The event type of a path. Throws `M_INVALID_PARAM`. */
export function eventTypeOf({ eventType = '' }: Params): string {
  if (eventType === '' || !fitsBytes(eventType)) throw invalidParam(`An event type has 1 to ${maxIdentifierBytes} bytes`)
  return eventType
}

/** The state key of a path: empty where the path ends before it. Throws `M_INVALID_PARAM`. */
export function stateKeyOf({ stateKey = '' }: Params): string {
  if (!fitsBytes(stateKey)) throw invalidParam(`A state key has at most ${maxIdentifierBytes} bytes`)
  return stateKey
}

/** The transaction id of a path. Throws `M_INVALID_PARAM`. */
export function transactionIdOf({ txnId = '' }: Params): string {
  if (!fitsBytes(txnId)) throw invalidParam(`A transaction id has at most ${maxIdentifierBytes} bytes`)
  return txnId
}
