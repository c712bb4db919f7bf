import type { RoomEvent } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'

/** What a test says about an event; the rest does not matter to it. */
export interface EventDraft {
  readonly type: string
  readonly stateKey?: string
  readonly sender?: string
  readonly content?: JsonObject
}

/** An event with the fields of `draft`, read back from a PDU that has them too. */
export function draftEvent({ type, stateKey, sender = '@alice:hs1', content = {} }: EventDraft): RoomEvent {
  const roomId = '!room:hs1'
  return {
    eventId: '$event',
    roomId,
    type,
    stateKey,
    sender,
    content,
    originServerTs: 0,
    depth: 1,
    prevEvents: [],
    authEvents: [],
    redacts: undefined,
    pdu: { type, sender, content, room_id: roomId, ...(stateKey === undefined ? {} : { state_key: stateKey }) },
  }
}
