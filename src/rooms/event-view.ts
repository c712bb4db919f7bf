import type { EventId, Pdu, RoomEvent, RoomId } from '../spec/event.ts'
import { isObject, type JsonValue } from '../spec/json.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'

/**
 * The event of a PDU that was checked before it was stored: the fields are read, not verified again.
 * `ids` are those under which it is kept, since a redacted PDU still hashes to the same id.
 */
export function eventView(pdu: Pdu, ids: { readonly eventId: EventId; readonly roomId: RoomId }, rules: RoomVersionRules): RoomEvent {
  const content = isObject(pdu.content) ? pdu.content : {}
  const redacts = rules.redaction.redactsInContent ? content.redacts : pdu.redacts
  const stateKey = pdu.state_key
  return {
    eventId: ids.eventId,
    roomId: ids.roomId,
    type: String(pdu.type),
    stateKey: typeof stateKey === 'string' ? stateKey : undefined,
    sender: String(pdu.sender),
    content,
    originServerTs: Number(pdu.origin_server_ts),
    depth: Number(pdu.depth),
    prevEvents: references(pdu.prev_events),
    authEvents: references(pdu.auth_events),
    redacts: typeof redacts === 'string' ? redacts : undefined,
    pdu,
  }
}

/** Event ids in a list of references: ids, or pairs of id and hash in room versions 1 and 2. */
function references(list: JsonValue | undefined): EventId[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Array.isArray(entry) && typeof entry[0] === 'string' ? [entry[0]] : [],
  )
}
