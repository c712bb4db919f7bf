import type { EventId, RoomEvent } from './event.ts'

/** An event as state resolution wants it. */
export interface ResolvableEvent {
  readonly event: RoomEvent
  /** Whether the authorisation rules forbade it on receipt. */
  readonly rejected: boolean
  /**
   * A number greater than the rank of each of its auth events, as is the order in which events were first stored. It must not be
   * their `depth`: that is a claim of the sender, who by a false one could steer what is found to be in conflict.
   */
  readonly rank: number
}

/** A computation that asks for events by yielding their IDs, each once, and is handed those of them that exist. */
export type Resolving<T> = Generator<readonly EventId[], T, ReadonlyMap<EventId, ResolvableEvent>>

/** The events that a resolution has been handed so far. */
export class ResolutionEvents {
  readonly #asked = new Set<EventId>()
  readonly #found = new Map<EventId, ResolvableEvent>()

  /** Whether all of these events were asked for. */
  hasAskedFor(eventIds: readonly EventId[]): boolean {
    return eventIds.every((eventId) => this.#asked.has(eventId))
  }

  /** An event that was asked for; `undefined` if it does not exist. */
  get(eventId: EventId): ResolvableEvent | undefined {
    return this.#found.get(eventId)
  }

  /** Asks for those of the events that were not asked for before, all at once. */
  *need(eventIds: Iterable<EventId>): Resolving<void> {
    const missing = [...new Set(eventIds)].filter((eventId) => !this.#asked.has(eventId))
    if (missing.length === 0) return
    for (const eventId of missing) this.#asked.add(eventId)
    const found = yield missing
    for (const eventId of missing) {
      const event = found.get(eventId)
      if (event !== undefined) this.#found.set(eventId, event)
    }
  }

  /** Those of the events that exist, once each. */
  all(eventIds: Iterable<EventId>): ResolvableEvent[] {
    const found: ResolvableEvent[] = []
    for (const eventId of new Set(eventIds)) {
      const event = this.#found.get(eventId)
      if (event !== undefined) found.push(event)
    }
    return found
  }

  /** The auth event of `event` that holds `(type, '')`, whether rejected or not. */
  cited(event: RoomEvent, type: string): ResolvableEvent | undefined {
    for (const eventId of event.authEvents) {
      const cited = this.#found.get(eventId)
      if (cited?.event.type === type && cited.event.stateKey === '') return cited
    }
    return undefined
  }
}
