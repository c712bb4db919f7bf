import type { Clock } from '../ports/clock.ts'
import type { RoomMembers } from '../ports/room-members.ts'
import { last, put, remove, type Storage, type Write } from '../ports/storage.ts'
import { forbidden, invalidParam } from '../spec/errors.ts'
import type { EventId, RoomId, ServerName, UserId } from '../spec/event.ts'
import { isEventId, isRoomId, serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import { receiptLog, receipts, type StoredReceipt } from '../storage/tables/users.ts'
import { ChangeMarks } from '../streams/change-marks.ts'
import type { SendEphemeral } from '../streams/edu.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { isAfter, readEvent } from './read-events.ts'

export type ReceiptType = 'm.read' | 'm.read.private'

/** Up to where a user has read a room, or a thread of it. */
export interface ReceiptEntry {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly type: ReceiptType
  /** A thread's root or `main`; absent for an unthreaded receipt. */
  readonly threadId?: string
  readonly eventId: EventId
  readonly ts: number
}

type ReceiptKey = readonly [RoomId, UserId, string, string]

/** How many receipts one EDU may bring. */
const eduLimit = 1000
const anything = 'anything'
/** Receipts of a room that are kept in memory, if they are no more. */
const keptOfRoom = 100

/** Read receipts of all users in our rooms (Client-Server API, "Receipts"). */
export class Receipts {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #members: RoomMembers
  readonly #serverName: ServerName
  readonly #send: SendEphemeral
  readonly #marks: ChangeMarks
  /** What was read of local users, up to which position that is true for certain. */
  readonly #known = new Lru<string, { readonly at: Position; readonly entries: readonly ReceiptEntry[] }>(10_000)
  /** The same of whole rooms, where they have few. */
  readonly #ofRooms = new Lru<RoomId, { readonly at: Position; readonly entries: readonly ReceiptEntry[] }>(1000)

  constructor(deps: {
    storage: Storage
    stream: Stream
    clock: Clock
    members: RoomMembers
    serverName: ServerName
    sendEphemeral: SendEphemeral
  }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#clock = deps.clock
    this.#members = deps.members
    this.#serverName = deps.serverName
    this.#send = deps.sendEphemeral
    this.#marks = new ChangeMarks(deps.stream.current)
  }

  /**
   * Moves a local user's receipt; one that would move it back is ignored. Throws `M_FORBIDDEN` for a user who is not joined,
   * `M_INVALID_PARAM` for an event of another room or outside of the thread.
   */
  async read(receipt: Omit<ReceiptEntry, 'ts'>): Promise<void> {
    const { roomId, userId, type, threadId, eventId } = receipt
    if (!(await this.#members.joinedRooms(userId)).includes(roomId)) throw forbidden('You are not in this room')
    await this.#checkEvent(receipt)
    const ts = this.#clock.now()
    if (!(await this.#store([{ ...receipt, ts }])) || type === 'm.read.private') return
    const servers = new Set(await this.#members.servers(roomId))
    servers.delete(this.#serverName)
    const content = { [roomId]: { 'm.read': { [userId]: { event_ids: [eventId], data: dataOf({ ...receipt, ts }) } } } }
    this.#send(servers, { edu_type: 'm.receipt', content }, JSON.stringify(['m.receipt', roomId, userId, threadId ?? '']))
  }

  /** Takes an `m.receipt` EDU: of each receipt, only those of the origin's own users in rooms they are joined to. */
  readonly receive = async (origin: ServerName, content: JsonObject): Promise<void> => {
    const entries: ReceiptEntry[] = []
    for (const entry of parseEdu(content)) {
      if (serverNameOf(entry.userId) !== origin || entries.length >= eduLimit) continue
      if ((await this.#members.joinedUsers(entry.roomId)).includes(entry.userId)) entries.push(entry)
    }
    if (entries.length > 0) await this.#store(entries)
  }

  /** Receipts of all rooms that moved after `since` and up to `upTo`. Private ones are for their user alone. */
  async changedSince(since: Position, upTo: Position): Promise<ReceiptEntry[]> {
    if (!this.#marks.changedAfter(anything, since)) return []
    return this.#storage.read([receiptLog, receipts], async (tx) => {
      const log = await tx.range(receiptLog, { after: since, to: upTo })
      const keys = [...new Map(log.map(([, key]) => [JSON.stringify(key), key])).values()]
      return entriesOf(keys, await tx.getMany(receipts, keys))
    })
  }

  async inRoom(roomId: RoomId): Promise<readonly ReceiptEntry[]> {
    const known = this.#knownIn(roomId)
    if (known) return known
    const at = this.#stream.current
    const entries = await this.#range([roomId, '', '', ''], [roomId, last, last, last])
    if (entries.length <= keptOfRoom) this.#ofRooms.set(roomId, { at, entries })
    return entries
  }

  /** A user's own receipts in a room: what unread counts start from. */
  async ofUser(roomId: RoomId, userId: UserId): Promise<readonly ReceiptEntry[]> {
    const inRoom = this.#knownIn(roomId)
    if (inRoom) return inRoom.filter((entry) => entry.userId === userId)
    const key = JSON.stringify([roomId, userId])
    const known = this.#known.get(key)
    if (known && !this.#marks.changedAfter(userId, known.at)) return known.entries
    const at = this.#stream.current
    const entries = await this.#range([roomId, userId, '', ''], [roomId, userId, last, last])
    if (serverNameOf(userId) === this.#serverName) this.#known.set(key, { at, entries })
    return entries
  }

  #knownIn(roomId: RoomId): readonly ReceiptEntry[] | undefined {
    const known = this.#ofRooms.get(roomId)
    return known && !this.#marks.changedAfter(roomId, known.at) ? known.entries : undefined
  }

  async #range(from: ReceiptKey, to: ReceiptKey): Promise<ReceiptEntry[]> {
    const rows = await this.#storage.read([receipts], (tx) => tx.range(receipts, { from, to }))
    return entriesOf(
      rows.map(([key]) => key),
      rows.map(([, receipt]) => receipt),
    )
  }

  async #checkEvent({ roomId, threadId, eventId }: Omit<ReceiptEntry, 'ts'>): Promise<void> {
    const event = await readEvent(this.#storage, eventId)
    if (!event) return
    if (event.roomId !== roomId) throw invalidParam('The event is not in this room')
    if (threadId === undefined || threadId === event.threadId || threadId === eventId) return
    throw invalidParam('The event is not in this thread')
  }

  /** Stores those that move a receipt forward; resolves with whether there were any. */
  async #store(entries: readonly ReceiptEntry[]): Promise<boolean> {
    const keys = entries.map(keyOf)
    const before = await this.#storage.read([receipts], (tx) => tx.getMany(receipts, keys))
    const moved: { entry: ReceiptEntry; before: StoredReceipt | undefined }[] = []
    for (const [index, entry] of entries.entries()) {
      if (await this.#moves(entry, before[index])) moved.push({ entry, before: before[index] })
    }
    if (moved.length === 0) return false
    const writes = (first: Position): Write[] =>
      moved.flatMap(({ entry, before }, index) => [
        ...(before ? [remove(receiptLog, before.position)] : []),
        put(receipts, keyOf(entry), { eventId: entry.eventId, ts: entry.ts, position: first + index }),
        put(receiptLog, first + index, keyOf(entry)),
      ])
    const published = (first: Position) => {
      const newest = first + moved.length - 1
      this.#marks.note(anything, newest)
      for (const { entry } of moved) this.#marks.note(entry.roomId, newest)
      for (const { entry } of moved) if (serverNameOf(entry.userId) === this.#serverName) this.#marks.note(entry.userId, newest)
    }
    await this.#stream.commit(moved.length, writes, { published })
    return true
  }

  async #moves(entry: ReceiptEntry, before: StoredReceipt | undefined): Promise<boolean> {
    if (!before) return true
    if (before.eventId === entry.eventId) return false
    const [old, next] = await Promise.all([readEvent(this.#storage, before.eventId), readEvent(this.#storage, entry.eventId)])
    return !old || !next || isAfter(next, old)
  }
}

/**
 * The `m.receipt` events for `reader` of one room's receipts: one event for each thread, since one user may have a threaded
 * and an unthreaded receipt on the same event. Others' private receipts are left out.
 */
export function receiptEvents(entries: readonly ReceiptEntry[], reader: UserId): JsonObject[] {
  const visible = entries.filter(({ type, userId }) => type !== 'm.read.private' || userId === reader)
  return [...Map.groupBy(visible, ({ threadId }) => threadId).values()].map(receiptEvent)
}

/** Receipts in one `m.receipt` event: the last one of a user counts where several are of one event. */
export function receiptEvent(entries: readonly ReceiptEntry[]): JsonObject {
  const byEvent = [...Map.groupBy(entries, ({ eventId }) => eventId)]
  return { type: 'm.receipt', content: Object.fromEntries(byEvent.map(([eventId, on]) => [eventId, receiptsOn(on)])) }
}

function receiptsOn(entries: readonly ReceiptEntry[]): JsonObject {
  const byType = [...Map.groupBy(entries, ({ type }) => type)]
  return Object.fromEntries(
    byType.map(([type, ofType]) => [type, Object.fromEntries(ofType.map((entry) => [entry.userId, dataOf(entry)]))]),
  )
}

function dataOf({ ts, threadId }: ReceiptEntry): JsonObject {
  return threadId === undefined ? { ts } : { ts, thread_id: threadId }
}

function keyOf({ roomId, userId, type, threadId }: ReceiptEntry): ReceiptKey {
  return [roomId, userId, type, threadId ?? '']
}

function entriesOf(keys: readonly ReceiptKey[], values: readonly (StoredReceipt | undefined)[]): ReceiptEntry[] {
  return keys.flatMap(([roomId, userId, type, threadId], index) => {
    const value = values[index]
    if (!value || (type !== 'm.read' && type !== 'm.read.private')) return []
    return [{ roomId, userId, type, ...(threadId === '' ? {} : { threadId }), eventId: value.eventId, ts: value.ts }]
  })
}

function* parseEdu(content: JsonObject): Iterable<ReceiptEntry> {
  for (const [roomId, byType] of Object.entries(content)) {
    const byUser = isObject(byType) ? byType['m.read'] : undefined
    if (!isRoomId(roomId) || !isObject(byUser)) continue
    for (const [userId, receipt] of Object.entries(byUser)) {
      const entry = parseReceipt(receipt)
      if (entry) yield { roomId, userId, type: 'm.read', ...entry }
    }
  }
}

function parseReceipt(receipt: JsonValue): Pick<ReceiptEntry, 'eventId' | 'ts' | 'threadId'> | undefined {
  if (!isObject(receipt) || !Array.isArray(receipt.event_ids) || !isObject(receipt.data)) return undefined
  const [eventId] = receipt.event_ids
  const { ts, thread_id: threadId } = receipt.data
  if (typeof eventId !== 'string' || !isEventId(eventId) || !Number.isSafeInteger(ts) || typeof ts !== 'number') return undefined
  if (threadId === undefined) return { eventId, ts }
  return typeof threadId === 'string' && (threadId === 'main' || isEventId(threadId)) ? { eventId, ts, threadId } : undefined
}
