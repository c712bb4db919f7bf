import type { Logger } from '../ports/logger.ts'
import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import { badJson, forbidden, notFound } from '../spec/errors.ts'
import type { EventId, Pdu, RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonValue } from '../spec/json.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { isAllowedByAcl } from '../spec/server-acl.ts'
import { stagedPdus } from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import type { GapFiller } from './gap-filler.ts'
import { addOutliers, rejectionByAuthEvents, snapshotOf } from './import.ts'
import { receivePdus } from './incoming.ts'
import type { EventVerifier, SignEvent } from './remote.ts'
import type { DraftEvent } from './room-draft.ts'
import type { RoomQueue } from './room-queue.ts'
import type { EventRecord, Room, RoomStore } from './room-store.ts'

interface ReceiverDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly store: RoomStore
  readonly queue: RoomQueue
  readonly gapFiller: GapFiller
  readonly verifier: EventVerifier
  readonly signEvent: SignEvent
  readonly logger: Logger
  readonly serverName: ServerName
}

interface TakeOptions {
  /** Written in the commit that deals with the event. */
  readonly done?: Write
  readonly distributedBy?: 'us'
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
      if (received && !('error' in received)) this.#work(origin, received.event, done)
      else await this.#deps.storage.commit([done], 'strict')
    }
  }

  /**
   * Takes the PDUs of a transaction. Resolves once each is staged durably or refused: the answer is what the transaction's
   * response says of them, by event id. The rest of the pipeline comes after.
   */
  async receive(origin: ServerName, pdus: readonly JsonValue[]): Promise<Record<EventId, { error?: string }>> {
    const results = new Map<EventId, { error?: string }>()
    const staged: { readonly event: RoomEvent; readonly origin: ServerName }[] = []
    for (const [roomId, ofRoom] of Map.groupBy(pdus, roomIdOf)) {
      const room = roomId === undefined ? undefined : await this.#deps.store.room(roomId)
      if (!room) continue
      const denied = await this.#deniedByAcl(room, origin)
      for (const result of await receivePdus(ofRoom, room, this.#deps.verifier)) {
        const { event } = result
        if (!event) continue
        const error = denied ?? ('error' in result ? result.error : undefined)
        results.set(event.eventId, error === undefined ? {} : { error })
        if (error === undefined) staged.push({ event, origin })
      }
    }
    await this.#stage(staged)
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
    const placed = await this.#take(sent.origin, event, { distributedBy: 'us' })
    if (placed && placed.status !== 'accepted') throw forbidden(placed.reason ?? 'The room does not allow it')
    const record = await store.event(event.eventId)
    if (!record) throw forbidden('The event could not be placed')
    return record
  }

  /** Verified events of one room, oldest first, as a peer or a gap gave them. Resolves once they are dealt with. */
  async takeAll(origin: ServerName, events: readonly RoomEvent[]): Promise<void> {
    for (const event of events) await this.#take(origin, event)
  }

  /** Resolves once all that was staged has been dealt with. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values())
  }

  async #stage(staged: readonly { readonly event: RoomEvent; readonly origin: ServerName }[]): Promise<void> {
    if (staged.length === 0) return
    const first = await this.#deps.stream.commit(1, (position) =>
      staged.map(({ event, origin }, i) => put(stagedPdus, [position, i], { origin, pdu: event.pdu, roomId: event.roomId })),
    )
    for (const [i, { event, origin }] of staged.entries()) this.#work(origin, event, remove(stagedPdus, [first, i]))
  }

  // One chain for each room: events of a room are dealt with in the order of their arrival.
  #work(origin: ServerName, event: RoomEvent, done: Write): void {
    const { logger, storage } = this.#deps
    const before = this.#working.get(event.roomId) ?? Promise.resolve()
    const work = before
      .then(() => this.#take(origin, event, { done }))
      .catch((error: unknown) =>
        logger.log('error', 'a received event could not be dealt with', { eventId: event.eventId, error: String(error) }),
      )
      .then(() => storage.commit([done], 'relaxed'))
      .catch(() => undefined)
      .then(() => {
        if (this.#working.get(event.roomId) === work) this.#working.delete(event.roomId)
      })
    this.#working.set(event.roomId, work)
  }

  async #take(origin: ServerName, event: RoomEvent, options: TakeOptions = {}): Promise<DraftEvent | undefined> {
    const { store, gapFiller } = this.#deps
    const room = await store.room(event.roomId)
    if (!room) return undefined
    const authEvents = await gapFiller.authEvents(origin, [event], room.rules)
    if (await this.#lacksPrevious(event)) {
      for (const missing of await gapFiller.missingEvents(origin, event, room.rules)) await this.#place(origin, missing, room.rules)
    }
    return this.#place(origin, event, room.rules, { ...options, authEvents })
  }

  /** Judges and places one event; its missing previous events are not looked for any more, the state before it is. */
  async #place(
    origin: ServerName,
    event: RoomEvent,
    rules: RoomVersionRules,
    prepared: TakeOptions & { readonly authEvents?: readonly RoomEvent[] } = {},
  ): Promise<DraftEvent | undefined> {
    const { gapFiller, queue } = this.#deps
    const authEvents = prepared.authEvents ?? (await gapFiller.authEvents(origin, [event], rules))
    const lacksPrevious = await this.#lacksPrevious(event)
    const told = lacksPrevious ? await gapFiller.stateBefore(origin, event, rules) : undefined
    return queue.enqueue(event.roomId, async (draft) => {
      if (prepared.done) draft.write(prepared.done)
      if ((await draft.find([event.eventId])).get(event.eventId)?.placed) return undefined
      await addOutliers(draft, [...authEvents, ...(told?.events ?? [])])
      const rejection = await rejectionByAuthEvents(draft, event)
      if (lacksPrevious && !told) {
        await draft.addOutlier(event, rejection)
        return undefined
      }
      return draft.place(event, {
        live: true,
        ...(prepared.distributedBy ? { distributedBy: prepared.distributedBy } : {}),
        ...(told ? { stateBefore: await snapshotOf(draft, told.state) } : {}),
        ...(rejection === undefined ? {} : { rejection }),
      })
    })
  }

  async #lacksPrevious(event: RoomEvent): Promise<boolean> {
    const records = await this.#deps.store.events(event.prevEvents)
    return event.prevEvents.some((eventId) => records.get(eventId)?.stored.stateAfter === undefined)
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
