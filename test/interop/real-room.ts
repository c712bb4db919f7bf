import { buildPdu } from '../../src/spec/build-pdu.ts'
import type { EventId, RoomEvent, RoomId } from '../../src/spec/event.ts'
import { parseEvent } from '../../src/spec/event-format.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import type { ResolvableEvent } from '../../src/spec/state-resolution.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'

/** The events of a test's room as PDUs that have their hashes and, from version 3 on, the ids that follow from these. */
export class RealRoom {
  readonly events = new Map<EventId, ResolvableEvent>()
  readonly #rules: RoomVersionRules
  readonly #ids = new Map<EventId, EventId>()
  #roomId: RoomId | undefined

  /** `events` name each other by ids of the test's own, and their room as they like; the create event is the first of them. */
  constructor(rules: RoomVersionRules, events: Iterable<ResolvableEvent>) {
    this.#rules = rules
    for (const { event, rejected, rank } of [...events].sort((a, b) => a.rank - b.rank)) {
      const real = this.#realise(event)
      this.#ids.set(event.eventId, real.eventId)
      this.events.set(real.eventId, { event: real, rejected, rank })
    }
  }

  /** The real id of an event. */
  id(eventId: EventId): EventId {
    return this.#ids.get(eventId) ?? eventId
  }

  /** A state of the room, by real ids. */
  state(state: StateTrie): StateTrie {
    return StateTrie.from([...state].map(([key, eventId]) => [key, this.id(eventId)]))
  }

  #realise(event: RoomEvent): RoomEvent {
    const { type, stateKey, sender, content, originServerTs, depth } = event
    const isHashed = this.#rules.roomId === 'create-event-hash'
    const fields = {
      ...{ type, sender, content, originServerTs, depth },
      ...(stateKey === undefined ? {} : { stateKey }),
      roomId: (isHashed ? this.#roomId : undefined) ?? event.roomId,
      prevEvents: event.prevEvents.map((eventId) => this.id(eventId)),
      authEvents: event.authEvents.map((eventId) => this.id(eventId)),
      chosen: { eventId: event.eventId, referenceHash: () => new Uint8Array(32) },
    }
    const parsed = parseEvent(buildPdu(fields, this.#rules), this.#rules)
    if ('error' in parsed) throw new Error(parsed.error)
    this.#roomId ??= parsed.event.roomId
    return parsed.event
  }
}
