import type { Write } from '../ports/storage.ts'
import type { EventId, RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import type { Gap, GapFiller } from './gap-filler.ts'
import type { EventPlacer, Outcome } from './place.ts'
import type { PolicyServers } from './policy-servers.ts'
import type { RoomStore } from './room-store.ts'

export interface TakerDeps {
  readonly store: RoomStore
  readonly gapFiller: GapFiller
  readonly placer: EventPlacer
  readonly policyServers: PolicyServers
}

/** Verified events that a server sent to a room. */
interface ReceivedArrival {
  readonly origin: ServerName
  readonly roomId: RoomId
  readonly events: readonly RoomEvent[]
  readonly distributedBy?: 'us'
  readonly done?: ReadonlyMap<EventId, Write>
}

/** Brings events that were received to their places, with what is missing before them. */
export class EventTaker {
  readonly #deps: TakerDeps

  constructor(deps: TakerDeps) {
    this.#deps = deps
  }

  /** Fills the gap before the events, as far as anyone can, and places them. */
  async take(arrival: ReceivedArrival): Promise<Outcome> {
    const { store, gapFiller, placer, policyServers } = this.#deps
    const { origin, roomId, ...rest } = arrival
    const room = await store.room(roomId)
    if (!room) return { placed: [], waiting: [] }
    const gap = await gapFiller.open(origin, room)
    const events = await this.#withMissing(gap, arrival.events)
    const now = (await store.room(roomId)) ?? room
    if (!(await policyServers.isUsedIn(now))) return placer.place({ ...rest, gap, live: true, events })
    // What is refused anyway is not shown to the policy server: anybody could make us ask it.
    return placer.place({ ...rest, gap, live: true, ...(await policyServers.check(await placer.sift(gap, events), now)) })
  }

  /** The events with those between them and what we have; without those that what they name forbids, for which nothing is fetched. */
  async #withMissing(gap: Gap, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const { gapFiller, placer } = this.#deps
    const lacking = await this.#lackingPrevious(events)
    if (lacking.length === 0) return [...events]
    const sound = await placer.sift(gap, lacking)
    const missing = sound.length > 0 ? await gapFiller.missingEvents(gap, sound) : []
    const refused = new Set(lacking.filter((event) => !sound.includes(event)))
    return [...missing, ...events.filter((event) => !refused.has(event))]
  }

  /** The events with a previous event that is neither placed nor among them. */
  async #lackingPrevious(events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const listed = new Set(events.map(({ eventId }) => eventId))
    const placed = await this.#placed(events)
    return events.filter(({ prevEvents }) => prevEvents.some((eventId) => !listed.has(eventId) && !placed.has(eventId)))
  }

  /** What some of the events waited for, all of which has come: another server may have sent it while this one was asked. */
  async comeMeanwhile(waiting: readonly RoomEvent[]): Promise<EventId[]> {
    const [placed, records] = await Promise.all([
      this.#placed(waiting),
      this.#deps.store.events(new Set(waiting.flatMap(({ authEvents }) => authEvents))),
    ])
    const isReady = ({ prevEvents, authEvents }: RoomEvent) =>
      prevEvents.every((eventId) => placed.has(eventId)) && authEvents.every((eventId) => records.has(eventId))
    return waiting.filter(isReady).flatMap(({ prevEvents }) => prevEvents)
  }

  /** Those of the previous events that have their place in the events' room, all of whom are of one. */
  async #placed(events: readonly RoomEvent[]): Promise<ReadonlySet<EventId>> {
    const records = await this.#deps.store.events(new Set(events.flatMap(({ prevEvents }) => prevEvents)))
    const placed = [...records.values()].filter(({ stored }) => stored.stateAfter !== undefined && stored.roomId === events[0]?.roomId)
    return new Set(placed.map(({ event }) => event.eventId))
  }
}
