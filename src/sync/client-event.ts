import type { Clock } from '../ports/clock.ts'
import { currentContent, currentPdu } from '../rooms/current-content.ts'
import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import { stickyUntil } from '../rooms/sticky-events.ts'
import { stateKeyOf } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { redact } from '../spec/redaction.ts'
import { rulesOf } from '../spec/room-version.ts'
import type { Viewpoint } from './viewpoint.ts'

/** For whom events are written, and how. */
export interface EventAudience {
  readonly viewpoint: Viewpoint
  /** The device that asks: it alone sees its transaction ids. */
  readonly deviceId: string
  /** Left out in `/sync`, where the room is told elsewhere. */
  readonly withRoomId?: boolean
  readonly format?: 'client' | 'federation'
}

/** The record as it would be if the event were redacted. */
export function redactedRecord(record: EventRecord): EventRecord {
  const rules = rulesOf(record.stored.version)
  return rules ? { ...record, stored: { ...record.stored, pdu: redact(record.stored.pdu, rules) } } : record
}

/** A stripped state event (Client-Server API, "Stripped state"), made of any PDU or stripped event. */
export function strippedEvent(event: JsonObject): JsonObject {
  const { type, state_key: stateKey, sender, content } = event
  return { type: type ?? '', state_key: stateKey ?? '', sender: sender ?? '', content: content ?? {} }
}

/** Writes events as clients read them (Client-Server API, "Room event format"). */
export class ClientEvents {
  readonly #store: RoomStore
  readonly #clock: Clock

  constructor(store: RoomStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Events of a timeline, with all that `unsigned` can say. Whether they may be seen was decided before. */
  async write(records: readonly EventRecord[], audience: EventAudience): Promise<JsonObject[]> {
    return Promise.all(records.map((record) => this.#write(record, audience)))
  }

  /** Events of a room's state, plainly: what they replaced is of no use to whoever is handed the whole state. */
  async writeState(records: readonly EventRecord[], audience: EventAudience): Promise<JsonObject[]> {
    return Promise.all(records.map(async (record) => ({ ...this.#fields(record, audience), unsigned: await this.#age(record, audience) })))
  }

  async #write(record: EventRecord, audience: EventAudience): Promise<JsonObject> {
    const [age, replaced, membership] = await Promise.all([
      this.#age(record, audience),
      this.#replaced(record, audience.viewpoint),
      audience.viewpoint.membershipAt(record),
    ])
    const { transaction } = record.stored
    const isOwn = transaction?.userId === audience.viewpoint.userId && transaction.deviceId === audience.deviceId
    return {
      ...this.#fields(record, audience),
      unsigned: { ...age, ...(isOwn ? { transaction_id: transaction.id } : {}), ...replaced, membership },
    }
  }

  #fields(record: EventRecord, { withRoomId, format }: EventAudience): JsonObject {
    const { event } = record
    const pdu = currentPdu(record)
    if (format === 'federation') return { ...pdu, room_id: event.roomId, event_id: event.eventId }
    // Clients older and newer than the move of `redacts` into the content find it where they look (room version 11).
    const redacts = event.type === 'm.room.redaction' && record.stored.redactedBy === undefined ? event.redacts : undefined
    const content = isObject(pdu.content) ? pdu.content : {}
    return {
      type: event.type,
      ...(withRoomId ? { room_id: event.roomId } : {}),
      sender: event.sender,
      content: redacts === undefined ? content : { ...content, redacts },
      ...(event.stateKey === undefined ? {} : { state_key: event.stateKey }),
      ...(redacts === undefined ? {} : { redacts }),
      ...(pdu.msc4354_sticky === undefined ? {} : { msc4354_sticky: pdu.msc4354_sticky }),
      origin_server_ts: event.originServerTs,
      event_id: event.eventId,
    }
  }

  async #age(record: EventRecord, audience: EventAudience): Promise<JsonObject> {
    const { event, stored } = record
    const now = this.#clock.now()
    const until = stickyUntil(stored.pdu, now) ?? 0
    const age = { age: now - event.originServerTs, ...(until > now ? { msc4354_sticky_duration_ttl_ms: until - now } : {}) }
    const redaction = stored.redactedBy === undefined ? undefined : await this.#store.event(stored.redactedBy)
    if (!redaction) return age
    return {
      ...age,
      redacted_because: { ...this.#fields(redaction, audience), unsigned: { age: this.#clock.now() - redaction.event.originServerTs } },
    }
  }

  /** What a state event replaced; its content only for who may see that event too. */
  async #replaced(record: EventRecord, viewpoint: Viewpoint): Promise<JsonObject> {
    const { event } = record
    if (event.stateKey === undefined) return {}
    const replacedId = await this.#store.entryBefore(record, stateKeyOf(event.type, event.stateKey))
    if (replacedId === undefined || replacedId === event.eventId) return {}
    const replaced = await this.#store.event(replacedId)
    const maySee = replaced !== undefined && (replaced.stored.status === 'outlier' || (await viewpoint.maySee(replaced)))
    return { replaces_state: replacedId, ...(maySee ? { prev_content: currentContent(replaced) } : {}) }
  }
}
