import type { JsonObject } from './json.ts'

export type EventId = string
export type RoomId = string
export type UserId = string
export type ServerName = string

/** A PDU exactly as it goes over federation: the object that is hashed, signed and stored. */
export type Pdu = JsonObject

/**
 * An event whose format was checked, with the fields the homeserver works with beside the PDU they came from.
 * Immutable: nothing in it, nor in `pdu`, is ever changed.
 */
export interface RoomEvent {
  readonly eventId: EventId
  /** In room version 12 a create event has no `room_id` in its PDU: here it always has one. */
  readonly roomId: RoomId
  readonly type: string
  /** `undefined` for a message event. */
  readonly stateKey: string | undefined
  readonly sender: UserId
  readonly content: JsonObject
  /** Milliseconds since the epoch, as the origin claims. */
  readonly originServerTs: number
  readonly depth: number
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]
  /** What a redaction event redacts, wherever its room version puts it. */
  readonly redacts: EventId | undefined
  readonly pdu: Pdu
}

/** A key of room state, `(type, state_key)` as one string; made by {@link stateKeyOf} alone. */
export type StateKey = string & { readonly __brand: 'StateKey' }

/** Resolved or partial room state: which event holds each key. */
export type StateMap = ReadonlyMap<StateKey, EventId>

/** The one string for `(type, stateKey)`; no two pairs share one, whatever characters they contain. */
export function stateKeyOf(type: string, stateKey: string): StateKey {
  return `${type.length}:${type}${stateKey}` as StateKey
}

/** The `(type, stateKey)` that {@link stateKeyOf} was given. */
export function splitStateKey(key: StateKey): { type: string; stateKey: string } {
  const colon = key.indexOf(':')
  const end = colon + 1 + Number(key.slice(0, colon))
  return { type: key.slice(colon + 1, end), stateKey: key.slice(end) }
}
