import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import { put, remove, type Storage } from '../ports/storage.ts'
import { badJson, forbidden, notFound } from '../spec/errors.ts'
import type { EventId, Pdu, RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import { parseEvent } from '../spec/event-format.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonValue } from '../spec/json.ts'
import { isAllowedByAcl } from '../spec/server-acl.ts'
import { stagedPdus } from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import { type Received, receivePdus } from './incoming.ts'
import { joinAuthoriser } from './membership-rules.ts'
import type { Outcome } from './place.ts'
import type { EventVerifier, SignEvent } from './remote.ts'
import type { EventRecord, Room } from './room-store.ts'
import { EventTaker, type TakerDeps } from './take.ts'
import { UnverifiedEvents } from './unverified-events.ts'
import { type StagedEvent, WaitingEvents } from './waiting-events.ts'

interface ReceiverDeps extends TakerDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly verifier: EventVerifier
  readonly signEvent: SignEvent
  readonly clock: Clock
  readonly logger: Logger
  readonly serverName: ServerName
}

/** How long a server that asks something of a room waits for what it has sent there before. */
const dealtWithinMs = 5_000

/** Takes events from other servers into the pipeline. */
export class RoomReceiver {
  readonly #deps: ReceiverDeps
  readonly #taker: EventTaker
  readonly #working = new Map<string, Promise<void>>()
  readonly #waiting: WaitingEvents
  readonly #unverified: UnverifiedEvents

  constructor(deps: ReceiverDeps) {
    this.#deps = deps
    this.#taker = new EventTaker(deps)
    this.#waiting = new WaitingEvents(deps.clock)
    this.#unverified = new UnverifiedEvents({
      clock: deps.clock,
      verify: (staged) => this.#verifyAgain(staged),
      giveUp: (staged) => this.#unstage(staged),
    })
    deps.store.onPublish(({ records = [] }) => this.#takeWaiting(records))
  }

  /** Goes on with what was staged when the homeserver last stopped. */
  async resume(): Promise<void> {
    const rows = await this.#deps.storage.read([stagedPdus], (tx) => tx.range(stagedPdus, {}))
    for (const [key, row] of rows) {
      const { origin, pdu, roomId, unverified } = row
      const room = await this.#deps.store.room(roomId)
      const done = remove(stagedPdus, key)
      // A start waits for nobody's keys.
      const [received] = !room ? [] : unverified ? [parseEvent(pdu, room.rules)] : await receivePdus([pdu], room, this.#deps.verifier)
      const staged = received && !('error' in received) ? [{ origin, event: received.event, done, attempts: 0 }] : []
      if (staged.length === 0) await this.#deps.storage.commit([done], 'strict')
      else if (unverified) this.#unverified.add(staged)
      else this.#work(staged)
    }
  }

  /**
   * Takes the PDUs of a transaction. Resolves once each is staged durably or refused: the answer is what the transaction's
   * response says of them, by event id. The rest of the pipeline comes after.
   */
  async receive(origin: ServerName, pdus: readonly JsonValue[]): Promise<Record<EventId, { error?: string }>> {
    const results = new Map<EventId, { error?: string }>()
    const accepted: RoomEvent[] = []
    const unverified: RoomEvent[] = []
    for (const [roomId, ofRoom] of Map.groupBy(pdus, roomIdOf)) {
      const room = roomId === undefined ? undefined : await this.#deps.store.room(roomId)
      if (!room) continue
      const denied = await this.#deniedByAcl(room, origin)
      for (const result of await receivePdus(ofRoom, room, this.#deps.verifier)) {
        const { event } = result
        if (!event) continue
        const waits = isKeyMissing(result) && unverified.length < this.#unverified.room(origin)
        const error = denied ?? ('error' in result && !waits ? result.error : undefined)
        results.set(event.eventId, error === undefined ? {} : { error })
        if (error === undefined) (waits ? unverified : accepted).push(event)
      }
    }
    const waiting = new Set(await this.#unplaced(unverified))
    const staged = await this.#stage(origin, [...(await this.#unplaced(accepted)), ...waiting], waiting)
    this.#unverified.add(staged.filter(({ event }) => waiting.has(event)))
    this.#workByRoom(staged.filter(({ event }) => !waiting.has(event)))
    return Object.fromEntries(results)
  }

  /**
   * Takes the membership event of another server's user that `send_join`, `send_leave` or `send_knock` brings, through the
   * same pipeline. Throws `M_BAD_JSON` for an event that is not what the request says, `M_FORBIDDEN` where the rules forbid it.
   */
  async receiveMembership(sent: {
    readonly origin: ServerName
    readonly roomId: RoomId
    readonly eventId: EventId
    readonly pdu: JsonValue
    readonly membership: string
  }): Promise<EventRecord> {
    const { store, verifier, signEvent, serverName } = this.#deps
    const room = await store.room(sent.roomId)
    if (!room) throw notFound('This room is not known here')
    const denied = await this.#deniedByAcl(room, sent.origin)
    if (denied !== undefined) throw forbidden(denied)
    const { pdu } = sent
    if (!isObject(pdu)) throw badJson('The event is not an object')
    // Before anything is signed: we must never put our name under an event of one of our own users that others made.
    if (serverNameOf(String(pdu.sender)) !== sent.origin) throw forbidden('The event is not of a user of the server that sends it')
    const isAuthorised = isAuthorisedBy(serverName, pdu)
    // The authorisation rules know the authoriser alone: whether the room's conditions are met is for us to see before we sign.
    if (isAuthorised) await joinAuthoriser(room, String(pdu.sender), { store, serverName })
    const signed = isAuthorised ? await signEvent(pdu, room.rules) : pdu
    const [received] = await receivePdus([signed], room, verifier)
    if (!received || 'error' in received) throw forbidden(received?.error ?? 'The event is missing')
    const { event } = received
    const isIt = event.eventId === sent.eventId && event.type === 'm.room.member' && event.stateKey === event.sender
    if (!isIt || event.content.membership !== sent.membership) throw badJson('The event is not the membership that the request names')
    const {
      placed: [placed],
    } = await this.#taker.take({ origin: sent.origin, roomId: sent.roomId, events: [event], distributedBy: 'us' })
    if (placed && placed.status !== 'accepted') throw forbidden(placed.reason ?? 'The room does not allow it')
    const record = await store.event(event.eventId)
    if (record?.stored.status !== 'accepted') throw forbidden(record?.stored.reason ?? 'The event could not be placed')
    return record
  }

  /** Resolves once what a server has sent to a room so far is dealt with, or takes too long. */
  async dealtWith(origin: ServerName, roomId: RoomId): Promise<void> {
    const work = this.#working.get(lineOf(origin, roomId))
    if (!work) return
    const over = new AbortController()
    await Promise.race([work, this.#deps.clock.sleep(dealtWithinMs, over.signal)])
    over.abort()
  }

  /** Resolves once all that was staged has been dealt with. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values())
  }

  /** Looks no more at what waits for its keys: the next start does. */
  stop(): void {
    this.#unverified.stop()
  }

  async #stage(origin: ServerName, events: readonly RoomEvent[], waiting: ReadonlySet<RoomEvent>): Promise<StagedEvent[]> {
    if (events.length === 0) return []
    const rowOf = (event: RoomEvent) => ({
      origin,
      pdu: event.pdu,
      roomId: event.roomId,
      ...(waiting.has(event) ? { unverified: true } : {}),
    })
    const first = await this.#deps.stream.commit(1, (position) => events.map((event, i) => put(stagedPdus, [position, i], rowOf(event))))
    return events.map((event, i) => ({ origin, event, done: remove(stagedPdus, [first, i]), attempts: 0 }))
  }

  /** Answers those whose keys still cannot be had; the others go on their way, or are refused for good. */
  async #verifyAgain(staged: readonly StagedEvent[]): Promise<StagedEvent[]> {
    const left: StagedEvent[] = []
    const refused: StagedEvent[] = []
    for (const [roomId, ofRoom] of Map.groupBy(staged, ({ event }) => event.roomId)) {
      const room = await this.#deps.store.room(roomId)
      const pdus = ofRoom.map(({ event }) => event.pdu)
      const received = room ? await receivePdus(pdus, room, this.#deps.verifier) : []
      const verified = ofRoom.flatMap((each, i): StagedEvent[] => {
        const result = received[i]
        if (result && !('error' in result)) return [{ ...each, event: result.event, attempts: 0 }]
        if (result && isKeyMissing(result)) left.push(each)
        else refused.push(each)
        return []
      })
      this.#work(verified)
    }
    await this.#unstage(refused)
    return left
  }

  async #unstage(staged: readonly StagedEvent[]): Promise<void> {
    if (staged.length === 0) return
    await this.#deps.storage.commit(
      staged.map(({ done }) => done),
      'relaxed',
    )
  }

  #workByRoom(staged: readonly StagedEvent[]): void {
    for (const ofRoom of Map.groupBy(staged, ({ event }) => event.roomId).values()) this.#work(ofRoom)
  }

  // One chain for each room and server: what a server sends to a room is dealt with in the order of its arrival, and a server
  // that leads us into a gap holds up nobody else.
  #work(staged: readonly StagedEvent[]): void {
    const [first] = staged
    if (!first) return
    const { origin, event } = first
    const line = lineOf(origin, event.roomId)
    const before = this.#working.get(line) ?? Promise.resolve()
    const work = before
      .then(() => this.#deal(origin, event.roomId, staged))
      .catch(() => undefined)
      .then(() => {
        if (this.#working.get(line) === work) this.#working.delete(line)
      })
    this.#working.set(line, work)
  }

  async #deal(origin: ServerName, roomId: RoomId, staged: readonly StagedEvent[]): Promise<void> {
    const { logger, storage } = this.#deps
    const done = new Map(staged.map(({ event, done: write }) => [event.eventId, write]))
    const events = staged.map(({ event }) => event)
    const { waiting } = await this.#taker.take({ origin, roomId, events, done }).catch((error: unknown): Outcome => {
      logger.log('error', 'received events could not be dealt with', { roomId, error: String(error) })
      return { placed: [], waiting: [] }
    })
    const isWaiting = new Set(waiting.map(({ eventId }) => eventId))
    const given = this.#waiting.add(staged.filter(({ event }) => isWaiting.has(event.eventId)))
    const dealt = staged.filter(({ event }) => !isWaiting.has(event.eventId))
    const comeMeanwhile = await this.#taker.comeMeanwhile(waiting)
    await storage.commit(
      [...dealt, ...given].map(({ done: write }) => write),
      'relaxed',
    )
    this.#goOn(roomId, comeMeanwhile)
  }

  /** Whatever brought events to a room, what waited for them goes on. */
  #takeWaiting(records: readonly EventRecord[]): void {
    const placed = records.filter(({ stored }) => stored.stateAfter !== undefined)
    for (const [roomId, ofRoom] of Map.groupBy(placed, ({ event }) => event.roomId)) {
      this.#goOn(
        roomId,
        ofRoom.map(({ event }) => event.eventId),
      )
    }
  }

  #goOn(roomId: RoomId, come: readonly EventId[]): void {
    const again = this.#waiting.take(roomId, come)
    for (const ofServer of Map.groupBy(again, (each) => each.origin).values()) this.#work(ofServer)
  }

  /** Those that have no place in the graph yet: what another server repeats costs nothing more. */
  async #unplaced(events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const records = await this.#deps.store.events(events.map(({ eventId }) => eventId))
    return events.filter(({ eventId, roomId }) => {
      const stored = records.get(eventId)?.stored
      return stored?.stateAfter === undefined || stored.roomId !== roomId
    })
  }

  async #deniedByAcl(room: Room, origin: ServerName): Promise<string | undefined> {
    const acl = await this.#deps.store.stateEvent(room.state, 'm.room.server_acl', '')
    return acl && !isAllowedByAcl(origin, acl.content) ? `${origin} is banned from this room` : undefined
  }
}

function lineOf(origin: ServerName, roomId: RoomId): string {
  return `${origin} ${roomId}`
}

function isKeyMissing(result: Received): boolean {
  return 'error' in result && result.isKeyMissing === true
}

function roomIdOf(pdu: JsonValue): RoomId | undefined {
  const roomId = isObject(pdu) ? pdu.room_id : undefined
  return typeof roomId === 'string' ? roomId : undefined
}

/** Whether a restricted join names a user of `serverName` as the one who lets it in: such an event needs that server's signature. */
function isAuthorisedBy(serverName: ServerName, pdu: Pdu): boolean {
  const content = isObject(pdu.content) ? pdu.content : {}
  const authoriser = content.join_authorised_via_users_server
  return typeof authoriser === 'string' && serverNameOf(authoriser) === serverName
}
