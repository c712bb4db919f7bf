import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { RoomMembers } from '../ports/room-members.ts'
import { type EventId, type RoomEvent, type RoomId, type ServerName, type StateKey, stateKeyOf } from '../spec/event.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { type Received, receivePdus, valid } from './incoming.ts'
import type { EventVerifier, RemoteServers } from './remote.ts'
import type { RoomStore } from './room-store.ts'

/** Bounds of what one gap may cost; the requests within them have their own bounds on bytes and time. */
const gapLimits = {
  servers: 4,
  answers: 12,
  events: 500,
  eventsInAnswer: 100,
  authEvents: 1000,
  rounds: 20,
  atOnce: 20,
  timeMs: 120_000,
}
/** Auth events that each other server is asked for, where the one that sent the event does not give them: it may have invented them. */
const authEventsOfOthers = 20

/** By how many entries a state that a server tells may exceed the room's current one. */
const mostBeyondCurrent = 10_000

/** Ends of the graph that are named in one request. */
const endsNamed = 50

/** A hole in what we know of a room: whom to ask, in this order, and until when. */
export interface Gap {
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
  readonly servers: readonly ServerName[]
  /** On our clock, ms. */
  readonly until: number
}

/** A state that a server told us, with the events of it that we lacked. */
export interface ToldState {
  readonly state: readonly EventId[]
  readonly events: readonly RoomEvent[]
}

interface GapFillerDeps {
  readonly store: RoomStore
  readonly members: Pick<RoomMembers, 'servers'>
  readonly remote: RemoteServers
  readonly verifier: EventVerifier
  readonly clock: Clock
  readonly logger: Logger
  readonly serverName: ServerName
}

/**
 * Fetches from other servers what events refer to: from the one that sent them first, then from others in the room. All that it
 * returns is verified, and judged by nobody yet.
 */
export class GapFiller {
  readonly #deps: GapFillerDeps

  constructor(deps: GapFillerDeps) {
    this.#deps = deps
  }

  /** Whom to ask for what `first` referred to, or for what lies before all we have. */
  async open(first: ServerName | undefined, { roomId, rules }: Pick<Gap, 'roomId' | 'rules'>): Promise<Gap> {
    const { members, serverName, clock } = this.#deps
    const others = [...(await members.servers(roomId))].filter((server) => server !== serverName)
    const servers = [...new Set([...(first === undefined ? [] : [first]), ...others])].slice(0, gapLimits.servers)
    return { roomId, rules, servers, until: clock.now() + gapLimits.timeMs }
  }

  /** The auth events of `events` that are not stored, and theirs: outliers-to-be. Those nobody gives stay missing. */
  async authEvents(gap: Gap, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const fetched = new Map<EventId, RoomEvent>()
    const known = new Set(events.map(({ eventId }) => eventId))
    let wanted = await this.#unknown(events, known)
    let asked = 0
    let ofOthers = authEventsOfOthers
    for (let round = 0; wanted.length > 0 && round < gapLimits.rounds && asked < gapLimits.authEvents; round++) {
      const now = wanted.slice(0, gapLimits.authEvents - asked)
      const found = valid([...(await this.#fetch(gap, now, ofOthers)).values()])
      for (const event of found) fetched.set(event.eventId, event)
      for (const eventId of now) known.add(eventId)
      asked += now.length
      ofOthers -= Math.min(ofOthers, now.length - found.length)
      wanted = await this.#unknown(found, known)
    }
    return [...fetched.values()]
  }

  /**
   * The events before `latest` that have no place yet (`get_missing_events`), as far back as the room's history here begins and
   * the bounds allow. What is not among the ancestors of `latest` is nobody's answer to what was asked.
   */
  async missingEvents(gap: Gap, latest: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const found = new Map(latest.map((event) => [event.eventId, event]))
    const minDepth = await this.#beginning(gap.roomId)
    let next = 0
    for (let answers = 0; answers < gapLimits.answers && found.size < gapLimits.events; answers++) {
      const ends = await this.#openEnds([...found.values()].filter(({ depth }) => depth > minDepth))
      const server = gap.servers[next]
      if (ends.length === 0 || server === undefined) break
      const given = await this.#missing(gap, { server, latest: ends, minDepth })
      const added = connected(given, [...found.values()], minDepth).filter(({ eventId }) => !found.has(eventId))
      for (const event of added) found.set(event.eventId, event)
      // Who has no more to give is not asked again.
      if (added.length === 0) next++
    }
    for (const { eventId } of latest) found.delete(eventId)
    return [...found.values()]
  }

  /** Whether the events lead back to what has a place, or to where the room's history begins here. */
  async isWhole(roomId: RoomId, events: readonly RoomEvent[]): Promise<boolean> {
    const minDepth = await this.#beginning(roomId)
    return (await this.#openEnds(events.filter(({ depth }) => depth > minDepth))).length === 0
  }

  /**
   * The state before `event` as the first server that can tells it: one with a create event, and one event for each key, all of
   * which could be had.
   */
  async stateBefore(gap: Gap, event: RoomEvent): Promise<ToldState | undefined> {
    for (const server of gap.servers) {
      const told = await this.#toldBy(server, gap, event)
      if (told && (await this.#isState(told))) return told
    }
    return undefined
  }

  async #toldBy(server: ServerName, gap: Gap, event: RoomEvent): Promise<ToldState | undefined> {
    const { remote, store, verifier } = this.#deps
    const at = { roomId: gap.roomId, eventId: event.eventId }
    const ids = await this.#attempt(gap, () => remote.stateIds(server, at))
    if (!ids) return undefined
    const current = (await store.room(gap.roomId))?.state.size ?? 0
    if (ids.state.length > current + mostBeyondCurrent) return undefined
    const wanted = [...new Set([...ids.state, ...ids.authChain])]
    const stored = await store.events(wanted)
    const missing = wanted.filter((eventId) => !stored.has(eventId))
    if (missing.length <= gapLimits.atOnce) {
      const given = await this.#fetch(gap, missing, missing.length)
      // What did not come now may come yet, and without it this is another state; what came and is not valid never will be.
      return given.size < missing.length ? undefined : { state: ids.state, events: valid([...given.values()]) }
    }
    const whole = await this.#attempt(gap, () => remote.state(server, { ...at, events: wanted.length }))
    if (!whole) return undefined
    const given = valid(await receivePdus([...whole.state, ...whole.authChain], gap, verifier))
    const isWanted = new Set(missing)
    return { state: ids.state, events: given.filter(({ eventId }) => isWanted.has(eventId)) }
  }

  async #isState({ state, events }: ToldState): Promise<boolean> {
    const given = new Map(events.map((event) => [event.eventId, event]))
    const stored = await this.#deps.store.events(state)
    const keys = new Set<StateKey>()
    for (const eventId of new Set(state)) {
      const event = given.get(eventId) ?? stored.get(eventId)?.event
      if (event?.stateKey === undefined) continue
      const key = stateKeyOf(event.type, event.stateKey)
      if (keys.has(key)) return false
      keys.add(key)
    }
    return keys.has(stateKeyOf('m.room.create', ''))
  }

  async #missing(
    gap: Gap,
    { server, latest, minDepth }: { readonly server: ServerName; readonly latest: readonly EventId[]; readonly minDepth: number },
  ): Promise<RoomEvent[]> {
    const { remote, store, verifier } = this.#deps
    const earliest = (await store.room(gap.roomId))?.forwardExtremities.slice(0, endsNamed) ?? []
    const wanted = { roomId: gap.roomId, earliest, latest: latest.slice(0, endsNamed), limit: gapLimits.eventsInAnswer, minDepth }
    const pdus = await this.#attempt(gap, () => remote.missingEvents(server, wanted))
    return valid(await receivePdus(pdus?.slice(0, gapLimits.eventsInAnswer) ?? [], gap, verifier))
  }

  /** Those of the events that refer to one which neither is placed nor among them. */
  async #openEnds(events: readonly RoomEvent[]): Promise<EventId[]> {
    const listed = new Set(events.map(({ eventId }) => eventId))
    const named = new Set(events.flatMap(({ prevEvents }) => prevEvents))
    const stored = await this.#deps.store.events([...named].filter((eventId) => !listed.has(eventId)))
    const isMissing = (eventId: EventId) => !listed.has(eventId) && stored.get(eventId)?.stored.stateAfter === undefined
    return events.filter(({ prevEvents }) => prevEvents.some(isMissing)).map(({ eventId }) => eventId)
  }

  /** The depth at which the room's history begins here: what lies before it is back-filled, and is nothing new. */
  async #beginning(roomId: RoomId): Promise<number> {
    const [first] = await this.#deps.store.timeline(roomId, { direction: 'forwards', limit: 1 })
    return first?.event.depth ?? 0
  }

  /**
   * What became of single events, from one server after the other for as long as some are lacking or not valid; at most
   * `ofOthers` of any but the first.
   */
  async #fetch(gap: Gap, eventIds: readonly EventId[], ofOthers: number): Promise<ReadonlyMap<EventId, Received>> {
    const found = new Map<EventId, Received>()
    for (const [i, server] of gap.servers.entries()) {
      const wanted = eventIds.filter((eventId) => !isValid(found.get(eventId))).slice(0, i === 0 ? undefined : ofOthers)
      for (let from = 0; from < wanted.length; from += gapLimits.atOnce) {
        const asked = wanted.slice(from, from + gapLimits.atOnce)
        for (const [eventId, received] of await this.#fetchFrom(server, gap, asked)) found.set(eventId, received)
      }
    }
    return found
  }

  async #fetchFrom(server: ServerName, gap: Gap, eventIds: readonly EventId[]): Promise<[EventId, Received][]> {
    const { remote, verifier } = this.#deps
    const answers = await Promise.all(
      eventIds.map(async (eventId) => ({ eventId, pdu: await this.#attempt(gap, () => remote.event(server, eventId)) })),
    )
    const asked = answers.flatMap(({ eventId, pdu }) => (pdu ? eventId : []))
    const given = answers.flatMap(({ pdu }) => pdu ?? [])
    const received = await receivePdus(given, gap, verifier)
    return received.flatMap((result, i): [EventId, Received][] => {
      const eventId = asked[i]
      const isAnswer = result.event === undefined || result.event.eventId === eventId
      return eventId !== undefined && isAnswer && !isUndecided(result) ? [[eventId, result]] : []
    })
  }

  async #unknown(events: readonly RoomEvent[], known: ReadonlySet<EventId>): Promise<EventId[]> {
    const named = [...new Set(events.flatMap(({ authEvents }) => authEvents))].filter((eventId) => !known.has(eventId))
    const stored = await this.#deps.store.events(named)
    return named.filter((eventId) => !stored.has(eventId))
  }

  async #attempt<T>(gap: Gap, call: () => Promise<T>): Promise<T | undefined> {
    if (this.#deps.clock.now() > gap.until) return undefined
    try {
      return await call()
    } catch (error) {
      this.#deps.logger.log('info', 'a server did not help to fill a gap', { error: String(error) })
      return undefined
    }
  }
}

function isValid(received: Received | undefined): boolean {
  return received !== undefined && !('error' in received)
}

function isUndecided(received: Received): boolean {
  return 'error' in received && received.isKeyMissing === true
}

/** Those of `given` that are ancestors of `latest` through each other, not above `minDepth`. */
function connected(given: readonly RoomEvent[], latest: readonly RoomEvent[], minDepth: number): RoomEvent[] {
  return ancestorsAmong(
    given,
    latest.flatMap(({ prevEvents }) => prevEvents),
  ).filter(({ depth }) => depth >= minDepth)
}

/** Those of `given` that are named by `eventIds` or, through each other's `prev_events`, come before those. */
export function ancestorsAmong(given: readonly RoomEvent[], eventIds: readonly EventId[]): RoomEvent[] {
  const left = new Map(given.map((event) => [event.eventId, event]))
  const reached: RoomEvent[] = []
  const wanted = [...eventIds]
  for (let eventId = wanted.pop(); eventId !== undefined; eventId = wanted.pop()) {
    const event = left.get(eventId)
    if (!event) continue
    left.delete(eventId)
    reached.push(event)
    wanted.push(...event.prevEvents)
  }
  return reached
}
