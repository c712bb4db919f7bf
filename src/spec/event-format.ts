import { decodeBase64 } from './base64.ts'
import { fitsUtf8, isEncodableJson, isStrictJson, nestsWithin } from './canonical-json.ts'
import type { EventId, Pdu, RoomEvent, RoomId } from './event.ts'
import { eventIdOf, roomIdOfCreate } from './event-hash.ts'
import { fitsBytes, isEventId, isEventIdOf, isRoomIdOf, parseUserId } from './identifiers.ts'
import { isObject, type JsonObject, type JsonValue } from './json.ts'
import type { RoomVersionRules } from './room-version.ts'

/** What an event may take; the defaults are the specification's. */
export interface EventLimits {
  /** Of canonical JSON with the signatures, without `unsigned`. */
  readonly bytes: number
  readonly prevEvents: number
  readonly authEvents: number
  /**
   * How deep its JSON may nest. The specification has no such limit, and an event that others accept must not be lost here:
   * so this is as deep as the recursion over it is safe, and deeper than what clients of ours may send.
   */
  readonly nesting: number
}

export const eventLimits: EventLimits = { bytes: 65_536, prevEvents: 20, authEvents: 10, nesting: 512 }

/** Why an event is none. */
export interface FormatFault {
  readonly error: string
  /** Whether it breaks a limit of size, and would be an event if it were smaller. */
  readonly isTooLarge: boolean
}

export type ParsedEvent = { readonly event: RoomEvent } | FormatFault

/** Thrown within this file alone, so that the checks read as a list. */
class FormatError extends Error {}
class SizeError extends FormatError {}

/**
 * Checks a PDU against the event format of its room version (room versions, "Event format"; Client-Server API, "Size limits")
 * and reads it. An event that fails is dropped, for the reason in `error`; hashes, signatures and authorisation are others'
 * matter. The event's `pdu` lacks `unsigned`: no signature covers it, and whoever passes an event on could fill it.
 */
export function parseEvent(pdu: JsonValue, rules: RoomVersionRules, limits: EventLimits = eventLimits): ParsedEvent {
  try {
    return { event: readEvent(checkJson(pdu, rules, limits), rules, limits) }
  } catch (error) {
    if (error instanceof FormatError) return { error: error.message, isTooLarge: error instanceof SizeError }
    throw error
  }
}

function checkJson(value: JsonValue, rules: RoomVersionRules, limits: EventLimits): Pdu {
  if (!isObject(value)) throw new FormatError('an event is a JSON object')
  const { unsigned, ...rest } = value
  const pdu = unsigned === undefined ? value : rest
  if (!nestsWithin(pdu, limits.nesting)) throw new FormatError(`the event nests deeper than ${limits.nesting}`)
  const isAllowed = rules.strictCanonicalJson ? isStrictJson : isEncodableJson
  if (!isAllowed(pdu)) throw new FormatError('the event is not canonical JSON')
  // The order of its keys, all that tells canonical JSON from this, does not change its length.
  if (!fitsUtf8(JSON.stringify(pdu), limits.bytes)) throw new SizeError(`the event is larger than ${limits.bytes} bytes`)
  return pdu
}

function readEvent(pdu: Pdu, rules: RoomVersionRules, limits: EventLimits): RoomEvent {
  const type = boundedString(pdu, 'type')
  const sender = boundedString(pdu, 'sender')
  if (parseUserId(sender) === undefined) throw new FormatError('sender is not a user id')
  checkHashes(pdu)
  checkSignatures(pdu)
  const content = objectAt(pdu, 'content')
  return {
    eventId: readEventId(pdu, rules),
    roomId: readRoomId(pdu, rules),
    type,
    stateKey: pdu.state_key === undefined ? undefined : boundedString(pdu, 'state_key'),
    sender,
    content,
    originServerTs: integerAt(pdu, 'origin_server_ts'),
    depth: readDepth(pdu, rules),
    prevEvents: readReferences(pdu, 'prev_events', { rules, most: limits.prevEvents }),
    authEvents: readReferences(pdu, 'auth_events', { rules, most: limits.authEvents }),
    redacts: type === 'm.room.redaction' ? readRedacts(pdu, content, rules) : undefined,
    pdu,
  }
}

function readEventId(pdu: Pdu, rules: RoomVersionRules): EventId {
  const eventId = eventIdOf(pdu, rules)
  if (eventId === undefined || !isEventIdOf(rules, eventId)) throw new FormatError('event_id is missing or malformed')
  return eventId
}

function readRoomId(pdu: Pdu, rules: RoomVersionRules): RoomId {
  const isFirst = rules.roomId === 'create-event-hash' && isCreate(pdu)
  if (isFirst && pdu.room_id !== undefined) throw new FormatError('a create event of this room version has no room_id')
  const roomId = isFirst ? roomIdOfCreate(pdu, rules) : pdu.room_id
  if (typeof roomId !== 'string' || !isRoomIdOf(rules, roomId)) throw new FormatError('room_id is missing or malformed')
  return roomId
}

/** Whether it is what makes a room; other events of the type `m.room.create` lie in a room, and are refused there. */
function isCreate(pdu: Pdu): boolean {
  return pdu.type === 'm.room.create' && pdu.state_key === ''
}

function readDepth(pdu: Pdu, rules: RoomVersionRules): number {
  const depth = integerAt(pdu, 'depth')
  if (depth < 0 || depth > maxDepth(rules)) throw new FormatError('depth is out of range')
  return depth
}

/** The greatest depth of an event: 2⁶³−1, from version 6 on 2⁵³−1. An event after one that deep has the same depth. */
export function maxDepth(rules: RoomVersionRules): number {
  return rules.strictCanonicalJson ? Number.MAX_SAFE_INTEGER : 2 ** 63
}

function readReferences(pdu: Pdu, key: string, { rules, most }: { rules: RoomVersionRules; most: number }): EventId[] {
  const references = pdu[key]
  if (!Array.isArray(references)) throw new FormatError(`${key} is not a list`)
  if (references.length > most) throw new SizeError(`${key} has more than ${most} entries`)
  return references.map((reference) => {
    const eventId = rules.eventId === 'chosen' ? referencePairId(reference) : reference
    if (typeof eventId !== 'string' || !isEventId(eventId)) throw new FormatError(`${key} has an entry that is no event id`)
    return eventId
  })
}

/** Versions 1 and 2 refer to an event by `[event id, { sha256: reference hash }]`. */
function referencePairId(reference: JsonValue): JsonValue | undefined {
  return Array.isArray(reference) && reference.length === 2 && isObject(reference[1]) ? reference[0] : undefined
}

function readRedacts(pdu: Pdu, content: JsonObject, rules: RoomVersionRules): EventId | undefined {
  const redacts = rules.redaction.redactsInContent ? content.redacts : pdu.redacts
  return typeof redacts === 'string' && isEventId(redacts) ? redacts : undefined
}

function checkHashes(pdu: Pdu): void {
  const { sha256 } = objectAt(pdu, 'hashes')
  if (typeof sha256 !== 'string' || decodeBase64(sha256) === undefined) throw new FormatError('hashes has no sha256')
}

function checkSignatures(pdu: Pdu): void {
  for (const ofServer of Object.values(objectAt(pdu, 'signatures'))) {
    if (!isObject(ofServer) || Object.values(ofServer).some((signature) => typeof signature !== 'string')) {
      throw new FormatError('signatures is malformed')
    }
  }
}

function boundedString(pdu: Pdu, key: string): string {
  const value = pdu[key]
  if (typeof value !== 'string') throw new FormatError(`${key} is missing or not a string`)
  if (!fitsBytes(value)) throw new SizeError(`${key} is longer than 255 bytes`)
  return value
}

function objectAt(pdu: Pdu, key: string): JsonObject {
  const value = pdu[key]
  if (!isObject(value)) throw new FormatError(`${key} is missing or not an object`)
  return value
}

function integerAt(pdu: Pdu, key: string): number {
  const value = pdu[key]
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new FormatError(`${key} is missing or not an integer`)
  return value
}
