import type { Logger } from '../ports/logger.ts'
import type { EventId, RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { receivePdus, valid } from './incoming.ts'
import type { EventVerifier, RemoteServers } from './remote.ts'
import type { RoomStore } from './room-store.ts'

/** Bounds of what one gap may cost. */
const gapLimits = { missingEvents: 100, authEvents: 1000, rounds: 20 }

/** A state that a server told us, with the events of it that we lacked. */
export interface ToldState {
  readonly state: readonly EventId[]
  readonly events: readonly RoomEvent[]
}

/** Fetches from other servers what events refer to. Everything it returns is verified, and judged by nobody yet. */
export class GapFiller {
  readonly #deps: { readonly store: RoomStore; readonly remote: RemoteServers; readonly verifier: EventVerifier; readonly logger: Logger }

  constructor(deps: {
    readonly store: RoomStore
    readonly remote: RemoteServers
    readonly verifier: EventVerifier
    readonly logger: Logger
  }) {
    this.#deps = deps
  }

  /** The auth events of `events` that are not stored, and theirs: outliers-to-be. Those nobody gives stay missing. */
  async authEvents(from: ServerName, events: readonly RoomEvent[], rules: RoomVersionRules): Promise<RoomEvent[]> {
    const fetched = new Map<EventId, RoomEvent>()
    const known = new Set(events.map(({ eventId }) => eventId))
    let wanted = await this.#unknown(events, known)
    for (let round = 0; wanted.length > 0 && round < gapLimits.rounds && fetched.size < gapLimits.authEvents; round++) {
      const roomId = events[0]?.roomId ?? ''
      const found = await this.#fetch(from, wanted, { roomId, rules })
      for (const event of found) fetched.set(event.eventId, event)
      for (const eventId of wanted) known.add(eventId)
      wanted = await this.#unknown(found, known)
    }
    return [...fetched.values()]
  }

  /** Events between what we have and `latest`, oldest first (`get_missing_events`). */
  async missingEvents(from: ServerName, latest: RoomEvent, rules: RoomVersionRules): Promise<RoomEvent[]> {
    const { remote, store, verifier } = this.#deps
    const room = await store.room(latest.roomId)
    const earliest = room?.forwardExtremities ?? []
    const pdus = await this.#attempt(() =>
      remote.missingEvents(from, {
        roomId: latest.roomId,
        earliest,
        latest: [latest.eventId],
        limit: gapLimits.missingEvents,
        minDepth: 0,
      }),
    )
    const events = valid(await receivePdus(pdus ?? [], { roomId: latest.roomId, rules }, verifier))
    return events.filter(({ eventId }) => eventId !== latest.eventId).sort((a, b) => a.depth - b.depth)
  }

  /** The state before `event` as `from` tells it, or `undefined` where it cannot. */
  async stateBefore(from: ServerName, event: RoomEvent, rules: RoomVersionRules): Promise<ToldState | undefined> {
    const { remote, store, verifier } = this.#deps
    const at = { roomId: event.roomId, eventId: event.eventId }
    const ids = await this.#attempt(() => remote.stateIds(from, at))
    if (!ids) return undefined
    const wanted = [...ids.state, ...ids.authChain]
    const stored = await store.events(wanted)
    const missing = wanted.filter((eventId) => !stored.has(eventId))
    if (missing.length <= 10) return { state: ids.state, events: await this.#fetch(from, missing, { roomId: event.roomId, rules }) }
    const whole = await this.#attempt(() => remote.state(from, at))
    if (!whole) return undefined
    const events = valid(await receivePdus([...whole.state, ...whole.authChain], { roomId: event.roomId, rules }, verifier))
    return { state: ids.state, events }
  }

  async #fetch(from: ServerName, eventIds: readonly EventId[], room: { roomId: RoomId; rules: RoomVersionRules }): Promise<RoomEvent[]> {
    const pdus = await Promise.all(eventIds.map((eventId) => this.#attempt(() => this.#deps.remote.event(from, eventId))))
    const events = valid(
      await receivePdus(
        pdus.flatMap((pdu) => pdu ?? []),
        room,
        this.#deps.verifier,
      ),
    )
    return events.filter(({ eventId }) => eventIds.includes(eventId))
  }

  async #unknown(events: readonly RoomEvent[], known: ReadonlySet<EventId>): Promise<EventId[]> {
    const named = [...new Set(events.flatMap(({ authEvents }) => authEvents))].filter((eventId) => !known.has(eventId))
    const stored = await this.#deps.store.events(named)
    return named.filter((eventId) => !stored.has(eventId))
  }

  async #attempt<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call()
    } catch (error) {
      this.#deps.logger.log('info', 'a server did not help to fill a gap', { error: String(error) })
      return undefined
    }
  }
}
