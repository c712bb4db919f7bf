import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { EventId, RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'
import { ancestorsAmong, type Gap, type GapFiller } from './gap-filler.ts'
import { receivePdus, valid } from './incoming.ts'
import type { EventPlacer } from './place.ts'
import type { EventVerifier, RemoteServers } from './remote.ts'
import type { RoomStore } from './room-store.ts'

/** Ends of our history named in one request: as many as the specification's servers name. */
const endsNamed = 20
/** How often one call goes on with other ends of our history, where nobody has what comes before the first ones. */
const attempts = 3
/** Events asked for at once. */
const mostEvents = 100
/** What nobody could give is not asked for again before. */
const pauseMs = 600_000

interface BackfillDeps {
  readonly store: RoomStore
  readonly gapFiller: GapFiller
  readonly remote: RemoteServers
  readonly verifier: EventVerifier
  readonly placer: EventPlacer
  readonly clock: Clock
  readonly logger: Logger
}

/** Fetches history from before what we have of a room. */
export class Backfill {
  readonly #deps: BackfillDeps
  readonly #filling = new Map<RoomId, Promise<number>>()
  /** Events that nobody gave, and when: whoever named them may have invented them. */
  readonly #missed = new Lru<EventId, number>(10_000)

  constructor(deps: BackfillDeps) {
    this.#deps = deps
  }

  /** Asks servers of the room for up to `limit` events before what we have. Resolves with how many were new. */
  async fill(roomId: RoomId, limit: number): Promise<number> {
    const filling = this.#filling.get(roomId) ?? this.#fill(roomId, limit).finally(() => this.#filling.delete(roomId))
    this.#filling.set(roomId, filling)
    return filling
  }

  async #fill(roomId: RoomId, limit: number): Promise<number> {
    const room = await this.#deps.store.room(roomId)
    if (!room) return 0
    const gap = await this.#deps.gapFiller.open(undefined, room)
    for (let attempt = 0; attempt < attempts; attempt++) {
      const ends = this.#ends(room.backwardExtremities)
      const added = ends.length === 0 ? undefined : await this.#fillFrom(gap, ends, Math.min(limit, mostEvents))
      if (added !== 0) return added ?? 0
      for (const eventId of ends) this.#missed.set(eventId, this.#deps.clock.now())
    }
    return 0
  }

  #ends(extremities: readonly EventId[]): EventId[] {
    const since = this.#deps.clock.now() - pauseMs
    return extremities.filter((eventId) => (this.#missed.get(eventId) ?? Number.NEGATIVE_INFINITY) < since).slice(0, endsNamed)
  }

  /** How many events were new; `undefined` where nobody answered. */
  async #fillFrom(gap: Gap, ends: readonly EventId[], limit: number): Promise<number | undefined> {
    let added: number | undefined
    for (const server of gap.servers) {
      const events = await this.#ask(server, gap, { from: ends, limit })
      if (!events) continue
      const servers = [server, ...gap.servers.filter((other) => other !== server)]
      added = (await this.#deps.placer.place({ gap: { ...gap, servers }, events, live: false })).placed.length
      if (added > 0) return added
    }
    return added
  }

  /** What a server gives of what was asked for: nothing but the ends' events and their ancestors counts. */
  async #ask(
    server: ServerName,
    gap: Gap,
    wanted: { readonly from: readonly EventId[]; readonly limit: number },
  ): Promise<RoomEvent[] | undefined> {
    const { remote, verifier, clock, logger } = this.#deps
    if (clock.now() > gap.until) return undefined
    try {
      const pdus = await remote.backfill(server, { roomId: gap.roomId, ...wanted })
      return ancestorsAmong(valid(await receivePdus(pdus.slice(0, wanted.limit), gap, verifier)), wanted.from)
    } catch (error) {
      logger.log('info', 'a server did not back-fill', { server, error: String(error) })
      return undefined
    }
  }
}
