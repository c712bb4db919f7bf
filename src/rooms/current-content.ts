import { type StateMap, stateKeyOf } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { redact } from '../spec/redaction.ts'
import { rulesOf } from '../spec/room-version.ts'
import type { EventRecord, RoomStore } from './room-store.ts'

/** The event's fields as anyone may see them now: pruned where it was redacted. */
export function currentPdu({ stored }: Pick<EventRecord, 'stored'>): JsonObject {
  const rules = stored.redactedBy === undefined ? undefined : rulesOf(stored.version)
  return rules ? redact(stored.pdu, rules) : stored.pdu
}

/** The event's content as anyone may see it now. */
export function currentContent(record: EventRecord): JsonObject {
  const { content } = currentPdu(record)
  return isObject(content) ? content : {}
}

/** The content of the event that holds `(type, stateKey)` in `state`, as anyone may see it now; empty where there is none. */
export async function currentState(store: RoomStore, state: StateMap, type: string, stateKey = ''): Promise<JsonObject> {
  const eventId = state.get(stateKeyOf(type, stateKey))
  const record = eventId === undefined ? undefined : await store.event(eventId)
  return record ? currentContent(record) : {}
}
