import type { Logger } from '../ports/logger.ts'
import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import { badJson, forbidden, notFound } from '../spec/errors.ts'
import type { EventId, Pdu, RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonValue } from '../spec/json.ts'
import { isAllowedByAcl } from '../spec/server-acl.ts'
import { stagedPdus } from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import type { GapFiller } from './gap-filler.ts'
import { receivePdus } from './incoming.ts'
import type { Arrival, EventPlacer } from './place.ts'
import type { EventVerifier, SignEvent } from './remote.ts'
import type { DraftEvent } from './room-draft.ts'
import type { EventRecord, Room, RoomStore } from './room-store.ts'

interface ReceiverDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly store: RoomStore
  readonly gapFiller: GapFiller
  readonly placer: EventPlacer
  readonly verifier: EventVerifier
  readonly signEvent: SignEvent
  readonly logger: Logger
  readonly serverName: ServerName
}

/** Takes events from other servers into the pipeline. */
export class RoomReceiver {
  readonly #deps: ReceiverDeps
  readonly #working = new Map<RoomId, Promise<void>>()

  constructor(deps: ReceiverDeps) {
    this.#deps = deps
  }

  /** Goes on with what was staged when the homeserver last stopped. */
  async resume(): Promise<void> {
    const rows = await this.#deps.storage.read([stagedPdus], (tx) => tx.range(stagedPdus, {}))
    for (const [key, { origin, pdu, roomId }] of rows) {
      const room = await this.#deps.store.room(roomId)
      const [received] = room ? await receivePdus([pdu], room, this.#deps.verifier) : []
      const done = remove(stagedPdus, key)
      if (received && !('error' in received)) this.#work(origin, [{ event: received.event, done }])
      else await this.#deps.storage.commit([done], 'strict')
    }
  }

  /**
   * Takes the PDUs of a transaction. Resolves once each is staged durably or refused: the answer is what the transaction's
   * response says of them, by event id. The rest of the pipeline comes after.
   */
  async receive(origin: ServerName, pdus: readonly JsonValue[]): Promise<Record<EventId, { error?: string }>> {
    const results = new Map<EventId, { error?: string }>()
    const accepted: RoomEvent[] = []
    for (const [roomId, ofRoom] of Map.groupBy(pdus, roomIdOf)) {
      const room = roomId === undefined ? undefined : await this.#deps.store.room(roomId)
      if (!room) continue
      const denied = await this.#deniedByAcl(room, origin)
      for (const result of await receivePdus(ofRoom, room, this.#deps.verifier)) {
        const { event } = result
        if (!event) continue
        const error = denied ?? ('error' in result ? result.error : undefined)
        results.set(event.eventId, error === undefined ? {} : { error })
        if (error === undefined) accepted.push(event)
      }
    }
    await this.#stage(origin, await this.#unplaced(accepted))
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
    const signed = isAuthorisedBy(serverName, pdu) ? await signEvent(pdu, room.rules) : pdu
    const [received] = await receivePdus([signed], room, verifier)
    if (!received || 'error' in received) throw forbidden(received?.error ?? 'The event is missing')
    const { event } = received
    const isIt = event.eventId === sent.eventId && event.type === 'm.room.member' && event.stateKey === event.sender
    if (!isIt || event.content.membership !== sent.membership) throw badJson('The event is not the membership that the request names')
    const [placed] = await this.#take({ origin: sent.origin, roomId: sent.roomId, events: [event], distributedBy: 'us' })
    if (placed && placed.status !== 'accepted') throw forbidden(placed.reason ?? 'The room does not allow it')
    const record = await store.event(event.eventId)
    if (!record) throw forbidden('The event could not be placed')
    return record
  }

  /** Resolves once all that was staged has been dealt with. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values())
  }

  async #stage(origin: ServerName, events: readonly RoomEvent[]): Promise<void> {
    if (events.length === 0) return
    const first = await this.#deps.stream.commit(1, (position) =>
      events.map((event, i) => put(stagedPdus, [position, i], { origin, pdu: event.pdu, roomId: event.roomId })),
    )
    const staged = events.map((event, i) => ({ event, done: remove(stagedPdus, [first, i]) }))
    for (const ofRoom of Map.groupBy(staged, ({ event }) => event.roomId).values()) this.#work(origin, ofRoom)
  }

  // One chain for each room: events of a room are dealt with in the order of their arrival.
  #work(origin: ServerName, staged: readonly { readonly event: RoomEvent; readonly done: Write }[]): void {
    const { logger, storage } = this.#deps
    const roomId = staged[0]?.event.roomId ?? ''
    const before = this.#working.get(roomId) ?? Promise.resolve()
    const done = new Map(staged.map(({ event, done: write }) => [event.eventId, write]))
    const work = before
      .then(() => this.#take({ origin, roomId, events: staged.map(({ event }) => event), done }))
      .catch((error: unknown) => logger.log('error', 'received events could not be dealt with', { roomId, error: String(error) }))
      .then(() => storage.commit([...done.values()], 'relaxed'))
      .catch(() => undefined)
      .then(() => {
        if (this.#working.get(roomId) === work) this.#working.delete(roomId)
      })
    this.#working.set(roomId, work)
  }

  /** Fills the gap before the events, as far as anyone can, and places them. */
  async #take(arrival: Omit<Arrival, 'rules' | 'live'>): Promise<DraftEvent[]> {
    const { store, gapFiller, placer } = this.#deps
    const room = await store.room(arrival.roomId)
    if (!room) return []
    const first = await this.#firstInGap(arrival.events)
    const missing = first ? await gapFiller.missingEvents(arrival.origin, first, room.rules) : []
    const events = new Map([...missing, ...arrival.events].map((event) => [event.eventId, event]))
    return placer.place({ ...arrival, rules: room.rules, live: true, events: [...events.values()] })
  }

  /** The first event with a previous event that is neither placed nor among the events before it. */
  async #firstInGap(events: readonly RoomEvent[]): Promise<RoomEvent | undefined> {
    const listed = new Set(events.map(({ eventId }) => eventId))
    const records = await this.#deps.store.events(new Set(events.flatMap(({ prevEvents }) => prevEvents)))
    return events.find(({ prevEvents }) =>
      prevEvents.some((eventId) => !listed.has(eventId) && records.get(eventId)?.stored.stateAfter === undefined),
    )
  }

  /** Those that have no place in the graph yet: what another server repeats costs nothing more. */
  async #unplaced(events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const records = await this.#deps.store.events(events.map(({ eventId }) => eventId))
    return events.filter(({ eventId }) => records.get(eventId)?.stored.stateAfter === undefined)
  }

  async #deniedByAcl(room: Room, origin: ServerName): Promise<string | undefined> {
    const acl = await this.#deps.store.stateEvent(room.state, 'm.room.server_acl', '')
    return acl && !isAllowedByAcl(origin, acl.content) ? `${origin} is banned from this room` : undefined
  }
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
