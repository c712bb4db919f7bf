import type { EventId, RoomEvent, RoomId } from './event.ts'
import type { RoomVersionRules } from './room-version.ts'

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

/** An event in the graph of auth events, one object for each event of a resolution. */
export class GraphEvent implements ResolvableEvent {
  readonly event: RoomEvent
  readonly rejected: boolean
  readonly rank: number
  #cited: readonly GraphEvent[] | undefined
  /** The create event of its room: one that it cites or, from version 12, the one that the room ID names. */
  create: GraphEvent | undefined

  constructor({ event, rejected, rank }: ResolvableEvent) {
    this.event = event
    this.rejected = rejected
    this.rank = rank
  }

  /** Whether its auth events were asked for. */
  get isLinked(): boolean {
    return this.#cited !== undefined
  }

  /** Those of its auth events that exist, once each; they must have been asked for by {@link ResolutionEvents.link}. */
  get cited(): readonly GraphEvent[] {
    if (this.#cited === undefined) throw new Error(`the auth events of ${this.event.eventId} were not asked for`)
    return this.#cited
  }

  set cited(cited: readonly GraphEvent[]) {
    this.#cited = cited
  }

  /** The auth event that holds `(type, '')`, whether rejected or not. */
  citedOf(type: string): GraphEvent | undefined {
    for (const cited of this.cited) if (cited.event.type === type && cited.event.stateKey === '') return cited
    return undefined
  }
}

/** The events that a resolution has been handed so far. */
export class ResolutionEvents {
  readonly #rules: RoomVersionRules
  /** From version 12 the create event of each room that an event claims to lie in. */
  readonly #createIds = new Map<RoomId, EventId>()
  /** What was asked for; `undefined` for an event that does not exist. */
  readonly #asked = new Map<EventId, GraphEvent | undefined>()

  constructor(rules: RoomVersionRules) {
    this.#rules = rules
  }

  /** An event that was asked for; `undefined` if it does not exist. */
  get(eventId: EventId): GraphEvent | undefined {
    return this.#asked.get(eventId)
  }

  /** Those of the events, all asked for, that exist, once each. */
  all(eventIds: Iterable<EventId>): Set<GraphEvent> {
    const found = new Set<GraphEvent>()
    for (const eventId of eventIds) {
      const event = this.#asked.get(eventId)
      if (event !== undefined) found.add(event)
    }
    return found
  }

  /** Asks for those of the events that were not asked for before, all at once. */
  *need(eventIds: Iterable<EventId>): Resolving<void> {
    const missing: EventId[] = []
    for (const eventId of eventIds) {
      if (this.#asked.has(eventId)) continue
      this.#asked.set(eventId, undefined)
      missing.push(eventId)
    }
    if (missing.length === 0) return
    const found = yield missing
    for (const eventId of missing) {
      const event = found.get(eventId)
      if (event !== undefined) this.#asked.set(eventId, new GraphEvent(event))
    }
  }

  /** Asks for the auth events of the events and for their create events, all at once. */
  *link(events: Iterable<GraphEvent>): Resolving<void> {
    const unlinked: GraphEvent[] = []
    for (const event of events) if (!event.isLinked) unlinked.push(event)
    if (unlinked.length === 0) return
    yield* this.need(this.#linksOf(unlinked))
    for (const node of unlinked) {
      node.cited = this.#cited(node)
      const createId = this.#createId(node.event)
      node.create = createId === undefined ? node.citedOf('m.room.create') : this.get(createId)
    }
  }

  *#linksOf(events: Iterable<GraphEvent>): Generator<EventId> {
    for (const { event } of events) {
      const createId = this.#createId(event)
      if (createId !== undefined) yield createId
      yield* event.authEvents
    }
  }

  #createId({ roomId }: RoomEvent): EventId | undefined {
    if (this.#rules.roomId !== 'create-event-hash') return undefined
    const known = this.#createIds.get(roomId)
    if (known !== undefined) return known
    const createId = `$${roomId.slice(1)}`
    this.#createIds.set(roomId, createId)
    return createId
  }

  #cited({ event: { authEvents } }: GraphEvent): GraphEvent[] {
    const cited: GraphEvent[] = []
    for (const eventId of authEvents) {
      const event = this.#asked.get(eventId)
      if (event !== undefined && !cited.includes(event)) cited.push(event)
    }
    return cited
  }
}
