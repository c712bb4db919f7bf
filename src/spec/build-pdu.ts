import { encodeBase64 } from './base64.ts'
import type { EventId, Pdu, RoomId, UserId } from './event.ts'
import { maxDepth } from './event-format.ts'
import { contentHash } from './event-hash.ts'
import type { JsonObject, JsonValue } from './json.ts'
import type { RoomVersionRules } from './room-version.ts'

/** What an event says: chosen by whoever makes it. */
export interface PduFields {
  readonly type: string
  /** Left out for a message event. */
  readonly stateKey?: string
  readonly sender: UserId
  /** Not needed for the create event of a room of version 12 or later, whose hash becomes the room id. */
  readonly roomId?: RoomId
  readonly content: JsonObject
  readonly originServerTs: number
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]
  /** Of the deepest of the previous events, plus one. */
  readonly depth: number
  readonly redacts?: EventId
  /** How long it is delivered to everyone in the room, ms (MSC4354). */
  readonly stickyMs?: number
  /** For versions 1 and 2 alone: the id of the new event, and the reference hashes of those that it refers to. */
  readonly chosen?: { readonly eventId: EventId; readonly referenceHash: (eventId: EventId) => Uint8Array }
}

/**
 * A new event of ours with its content hash, still without a signature (Server-Server API, "Adding hashes and signatures to
 * outgoing events"). The id follows from it: `eventIdOf`. Throws a `TypeError` for a version 1 or 2 event without `chosen`.
 */
export function buildPdu(fields: PduFields, rules: RoomVersionRules): Pdu {
  const { type, stateKey, sender, roomId, redacts, stickyMs } = fields
  const namesRoom = rules.roomId === 'chosen' || type !== 'm.room.create' || stateKey !== ''
  const pdu: Pdu = {
    auth_events: references(fields.authEvents, fields, rules),
    content: redacts !== undefined && rules.redaction.redactsInContent ? { ...fields.content, redacts } : fields.content,
    depth: Math.min(fields.depth, maxDepth(rules)),
    ...(rules.eventId === 'chosen' ? { event_id: chosenOf(fields).eventId } : {}),
    ...(stickyMs === undefined ? {} : { msc4354_sticky: { duration_ms: stickyMs } }),
    origin_server_ts: fields.originServerTs,
    prev_events: references(fields.prevEvents, fields, rules),
    ...(redacts !== undefined && !rules.redaction.redactsInContent ? { redacts } : {}),
    ...(namesRoom && roomId !== undefined ? { room_id: roomId } : {}),
    sender,
    ...(stateKey !== undefined ? { state_key: stateKey } : {}),
    type,
  }
  return { ...pdu, hashes: { sha256: contentHash(pdu) }, signatures: {} }
}

function references(eventIds: readonly EventId[], fields: PduFields, rules: RoomVersionRules): JsonValue[] {
  if (rules.eventId !== 'chosen') return [...eventIds]
  const { referenceHash } = chosenOf(fields)
  return eventIds.map((eventId) => [eventId, { sha256: encodeBase64(referenceHash(eventId)) }])
}

function chosenOf({ chosen }: PduFields): NonNullable<PduFields['chosen']> {
  if (chosen === undefined) throw new TypeError('events of room versions 1 and 2 need a chosen event id')
  return chosen
}
