import type { RoomEvent, RoomId } from '../spec/event.ts'
import { parseEvent } from '../spec/event-format.ts'
import { hasValidContentHash } from '../spec/event-hash.ts'
import type { JsonValue } from '../spec/json.ts'
import { isObject } from '../spec/json.ts'
import { redact } from '../spec/redaction.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { eventView } from './event-view.ts'
import type { EventVerifier } from './remote.ts'

/** A PDU that came from outside: an event that may be judged, or why it is no event at all. */
export type Received =
  | { readonly event: RoomEvent }
  | { readonly event?: RoomEvent; readonly error: string /** It may be sound: a key could not be had. */; readonly isKeyMissing?: boolean }

/**
 * The checks that need no other event (Server-Server API, "Checks performed on receipt of a PDU", 1 to 3): format, room,
 * signatures in one batch, content hash. An event with a wrong content hash is taken in its redacted form.
 */
export async function receivePdus(
  pdus: readonly JsonValue[],
  room: { readonly roomId: RoomId; readonly rules: RoomVersionRules },
  verifier: EventVerifier,
): Promise<Received[]> {
  const parsed = pdus.map((pdu): Received => {
    const result = parseEvent(withoutUnsigned(pdu), room.rules)
    if ('error' in result) return result
    return result.event.roomId === room.roomId ? result : { event: result.event, error: `The event is of the room ${result.event.roomId}` }
  })
  const candidates = parsed.flatMap((result) => ('error' in result ? [] : [result.event]))
  const faults = await verifier.verify(candidates, room.rules)
  const verdicts = new Map(candidates.map((event, i) => [event, faults[i]]))
  return parsed.map((result) => {
    if ('error' in result) return result
    const fault = verdicts.get(result.event)
    if (fault !== undefined) return { event: result.event, error: fault.reason, isKeyMissing: fault.isKeyMissing }
    return { event: hasValidContentHash(result.event.pdu) ? result.event : redactedForm(result.event, room.rules) }
  })
}

/** The events of a list that passed {@link receivePdus}, each once. */
export function valid(received: readonly Received[]): RoomEvent[] {
  const events = received.flatMap((result) => ('error' in result ? [] : [result.event]))
  return [...new Map(events.map((event) => [event.eventId, event])).values()]
}

function redactedForm(event: RoomEvent, rules: RoomVersionRules): RoomEvent {
  return eventView(redact(event.pdu, rules), event, rules)
}

// What other servers put in `unsigned` is theirs to say and ours to forget.
function withoutUnsigned(pdu: JsonValue): JsonValue {
  if (!isObject(pdu) || !Object.hasOwn(pdu, 'unsigned')) return pdu
  const { unsigned: _, ...signed } = pdu
  return signed
}
