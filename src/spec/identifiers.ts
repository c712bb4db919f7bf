import { fitsUtf8 } from './canonical-json.ts'
import type { EventId, RoomId, ServerName, UserId } from './event.ts'
import type { RoomVersionRules } from './room-version.ts'
import { isServerName } from './server-name.ts'

/** The most bytes a user id, room id, alias, event id, event type or state key may take. */
export const maxIdentifierBytes = 255

/** An identifier of the form `&localpart:domain`, taken apart. */
export interface Identifier {
  readonly localpart: string
  readonly serverName: ServerName
}

const newLocalpart = /^[a-z0-9._=/+-]+$/
const compliantLocalpart = /^[\x21-\x39\x3b-\x7e]+$/
const urlSafeHash = /^[A-Za-z0-9_-]{43}$/
const standardHash = /^[A-Za-z0-9+/]{43}$/

/** Whether `text` takes at most `bytes` bytes of UTF-8, and is Unicode at all. */
export function fitsBytes(text: string, bytes: number = maxIdentifierBytes): boolean {
  return text.isWellFormed() && fitsUtf8(text, bytes)
}

/**
 * A user id as events may carry it, historical localparts included (Appendices, "User Identifiers"): any Unicode but `:` and NUL,
 * even nothing at all. `undefined` if it is none.
 */
export function parseUserId(id: string): Identifier | undefined {
  return parseIdentifier('@', id)
}

/** Whether `id` is a user id by today's grammar: what a new account, or a user named by a client, must have. */
export function isNewUserId(id: string): id is UserId {
  const user = parseUserId(id)
  return user !== undefined && isNewLocalpart(user.localpart)
}

/** Whether `localpart` may be that of a new account. */
export function isNewLocalpart(localpart: string): boolean {
  return newLocalpart.test(localpart)
}

/** Whether `id` may be shown to clients outside of an event: its localpart is visible ASCII, and not empty. */
export function isCompliantUserId(id: string): boolean {
  const user = parseUserId(id)
  return user !== undefined && compliantLocalpart.test(user.localpart)
}

/** A room alias, `#localpart:domain`, or `undefined` if it is none. */
export function parseRoomAlias(alias: string): Identifier | undefined {
  return parseIdentifier('#', alias)
}

/** Whether `id` is a room id of some room version: with a domain, or since version 12 the create event's hash. */
export function isRoomId(id: string): id is RoomId {
  return isHashId('!', id, urlSafeHash) || parseIdentifier('!', id) !== undefined
}

/** Whether `id` is a room id as the room version of `rules` makes them. */
export function isRoomIdOf(rules: RoomVersionRules, id: string): id is RoomId {
  return rules.roomId === 'create-event-hash' ? isHashId('!', id, urlSafeHash) : parseIdentifier('!', id) !== undefined
}

/** Whether `id` can be an event id of some room version. */
export function isEventId(id: string): id is EventId {
  return id.length > 1 && id.startsWith('$') && fitsBytes(id)
}

/** Whether `id` is an event id as the room version of `rules` makes them. */
export function isEventIdOf(rules: RoomVersionRules, id: string): id is EventId {
  if (rules.eventId === 'chosen') return parseIdentifier('$', id) !== undefined
  return isHashId('$', id, rules.eventId === 'hash' ? standardHash : urlSafeHash)
}

/** The domain of an identifier, unchecked: what follows its first colon, or `undefined` where there is none. */
export function serverNameOf(id: string): ServerName | undefined {
  const colon = id.indexOf(':')
  return colon === -1 ? undefined : id.slice(colon + 1)
}

function parseIdentifier(sigil: string, id: string): Identifier | undefined {
  const colon = id.indexOf(':')
  if (!id.startsWith(sigil) || colon === -1 || !fitsBytes(id)) return undefined
  const localpart = id.slice(1, colon)
  const serverName = id.slice(colon + 1)
  return localpart.includes('\0') || !isServerName(serverName) ? undefined : { localpart, serverName }
}

function isHashId(sigil: string, id: string, hash: RegExp): boolean {
  return id.startsWith(sigil) && hash.test(id.slice(1))
}
