import type { Clock } from '../ports/clock.ts'
import type { EventRecord } from '../rooms/room-store.ts'
import type { RoomId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { waitPast } from '../streams/wait.ts'
import { receiptEvents } from '../users/receipts.ts'
import { strippedEvent } from './client-event.ts'
import type { History } from './history.ts'
import type { Reader, RoomView, RoomViews } from './room-views.ts'
import type { SyncSources } from './sources.ts'
import type { Tokens } from './token.ts'

interface OldSyncDeps {
  readonly views: RoomViews
  readonly history: History
  readonly tokens: Tokens
  readonly stream: Stream
  readonly clock: Clock
  readonly directory: { isPublished(roomId: RoomId): Promise<boolean> }
  readonly sources: Pick<SyncSources, 'accountData' | 'receipts' | 'typing' | 'presence'>
}

interface EventsWish {
  readonly since: Position
  /** A room to peek into; all of the reader's own without it. */
  readonly roomId: RoomId | undefined
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** How long a request for events waits at most. */
const longestWaitMs = 30_000
const eventsAtOnce = 100
const everyEvent = () => true

/** What clients asked for before there was `/sync` (Client-Server API, `GET /initialSync` and `GET /events`, both deprecated). */
export class OldSync {
  readonly #deps: OldSyncDeps

  constructor(deps: OldSyncDeps) {
    this.#deps = deps
  }

  /** All that concerns a user now, with at most `limit` messages for each room. */
  async initial(reader: Reader, wish: { readonly limit: number; readonly archived: boolean }): Promise<JsonObject> {
    const { views, tokens, sources } = this.#deps
    const position = tokens.newest
    const memberships = [...(await views.store.memberships(reader.userId))].filter(([, { membership, forgotten }]) =>
      membership === 'leave' || membership === 'ban' ? wish.archived && !forgotten : membership !== 'knock',
    )
    const rooms: JsonObject[] = []
    for (const [roomId, stored] of memberships) rooms.push(await this.#roomOf(reader, roomId, { stored, limit: wish.limit }))
    const accountData = await sources.accountData.all(reader.userId)
    return {
      end: tokens.sync({ position }),
      rooms,
      presence: [sources.presence.event(reader.userId) ?? []].flat(),
      account_data: accountData.flatMap(({ roomId, type, content }) => (roomId === '' ? [{ type, content }] : [])),
    }
  }

  /** One room that the reader may see. Throws `M_FORBIDDEN`. */
  async room(reader: Reader, roomId: RoomId, limit: number): Promise<JsonObject> {
    const { views, sources } = this.#deps
    const view = await views.open(reader, roomId)
    const stored = (await views.store.memberships(reader.userId)).get(roomId)
    const receipts = receiptEvents(await sources.receipts.inRoom(roomId), reader.userId)
    return { ...(await this.#contents(reader, view, limit)), ...(stored ? { membership: stored.membership } : {}), presence: [], receipts }
  }

  /** What came after `since`, at once or as soon as something does. Throws `M_FORBIDDEN` for a room that may not be seen. */
  async events(reader: Reader, wish: EventsWish): Promise<JsonObject> {
    const { stream, clock, tokens } = this.#deps
    const deadline = clock.now() + Math.min(wish.timeoutMs, longestWaitMs)
    for (let since = wish.since; ; ) {
      const { chunk, end } = await this.#eventsAfter(reader, { ...wish, since })
      const remainingMs = deadline - clock.now()
      if (chunk.length > 0 || remainingMs <= 0 || wish.signal.aborted) {
        return { start: tokens.sync({ position: wish.since }), end: tokens.sync({ position: end }), chunk }
      }
      since = end
      await waitPast(stream, end, { clock, timeoutMs: remainingMs, signal: wish.signal })
    }
  }

  async #eventsAfter(reader: Reader, { since, roomId }: EventsWish): Promise<{ chunk: JsonObject[]; end: Position }> {
    const { views, stream, sources } = this.#deps
    const memberships = await views.store.memberships(reader.userId)
    const joined = [...memberships].flatMap(([id, { membership }]) => (membership === 'join' ? [id] : []))
    const shown = new Map<RoomId, RoomView>()
    for (const id of roomId === undefined ? joined : [roomId]) shown.set(id, await views.open(reader, id))
    const upTo = stream.current
    const records = await views.store.log(since, upTo, eventsAtOnce)
    const end = records.length < eventsAtOnce ? upTo : (records.at(-1)?.position ?? upTo)
    const chunk: JsonObject[] = []
    for (const record of records.filter(({ stored }) => stored.live)) chunk.push(...(await this.#shown(record, shown)))
    const receipts = Map.groupBy(await sources.receipts.changedSince(since, end), (entry) => entry.roomId)
    for (const id of shown.keys()) {
      const ephemeral = receiptEvents(receipts.get(id) ?? [], reader.userId)
      if (sources.typing.changedSince(since, end).includes(id)) ephemeral.push(sources.typing.event(id))
      chunk.push(...ephemeral.map((event) => ({ ...event, room_id: id })))
    }
    for (const [id, stored] of roomId === undefined ? memberships : []) {
      if (stored.membership === 'invite' && stored.position > since && stored.position <= end) chunk.push(await this.#invite(id, stored))
    }
    return { chunk, end }
  }

  async #shown(record: EventRecord, rooms: ReadonlyMap<RoomId, RoomView>): Promise<JsonObject[]> {
    const view = rooms.get(record.event.roomId)
    return view && (await view.viewpoint.maySee(record)) ? this.#deps.views.events.write([record], view.audience) : []
  }

  async #roomOf(
    reader: Reader,
    roomId: RoomId,
    { stored, limit }: { readonly stored: StoredMembership; readonly limit: number },
  ): Promise<JsonObject> {
    const { membership } = stored
    if (membership === 'invite') return { room_id: roomId, membership, invite: await this.#invite(roomId, stored) }
    const view = await this.#deps.views.open(reader, roomId).catch(() => undefined)
    return view ? { ...(await this.#contents(reader, view, limit)), membership } : { room_id: roomId, membership }
  }

  async #contents(reader: Reader, view: RoomView, limit: number): Promise<JsonObject> {
    const { views, history, tokens, sources, directory } = this.#deps
    const { roomId } = view.room
    const position = tokens.newest
    const page = await history.page(view, { direction: 'backwards', from: { position }, limit, passes: everyEvent })
    const chunk = await views.aggregations.write([...page.records].reverse(), view.audience)
    const accountData = (await sources.accountData.all(reader.userId)).filter((change) => change.roomId === roomId)
    return {
      room_id: roomId,
      visibility: (await directory.isPublished(roomId)) ? 'public' : 'private',
      messages: { ...(page.end === undefined ? {} : { start: page.end }), end: tokens.sync({ position }), chunk },
      state: await views.writeState(view, await views.stateFor(reader, view)),
      account_data: accountData.map(({ type, content }) => ({ type, content })),
    }
  }

  async #invite(roomId: RoomId, { eventId, outOfBand }: StoredMembership): Promise<JsonObject> {
    const record = await this.#deps.views.store.event(eventId)
    const pdu = record?.stored.pdu ?? outOfBand?.pdu ?? {}
    return { ...strippedEvent(pdu), room_id: roomId, event_id: eventId, origin_server_ts: pdu.origin_server_ts ?? 0 }
  }
}
