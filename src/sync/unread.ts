import type { MemberLists } from '../rooms/member-lists.ts'
import type { EventRecord, Room, RoomStore } from '../rooms/room-store.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import type { Position } from '../streams/stream.ts'
import type { KeptCounts } from './kept-counts.ts'
import { type JudgeSources, mayNotify, PushJudge, readMarks } from './push-judge.ts'
import type { Relations } from './relations.ts'
import type { RoomLog } from './room-log.ts'
import type { ReceiptEntry, SyncSources } from './sources.ts'

/** Unread notifications of a room or a thread. */
interface Count {
  readonly notifications: number
  readonly highlights: number
}

/** Counts by thread; the key `main` is what is in no thread. */
type Counts = ReadonlyMap<string, Count>

interface Known {
  readonly upTo: Position
  /** What the counts depend on beside the events: the receipts, and the stay in the room. */
  readonly basis: string
  readonly counts: Counts
}

interface When {
  readonly upTo: Position
  readonly joinedAt: Position
}

interface UnreadDeps {
  readonly store: RoomStore
  readonly log: RoomLog
  readonly members: MemberLists
  readonly relations: Relations
  readonly kept: KeptCounts
  readonly sources: JudgeSources & Pick<SyncSources, 'receipts'>
}

/** How many of a room's newest events are looked at for what is unread. */
const scanLimit = 1000
const pageSize = 100
const firstPageSize = 20
/** Where more events than this were read for a count, it is kept. */
const keepFrom = 50
const none: Count = { notifications: 0, highlights: 0 }

/**
 * Counts unread notifications by evaluating push rules since the user's receipts (Client-Server API, "Receiving
 * notifications"). Kept in memory, and brought up to date at the cost of what is new.
 */
export class UnreadCounts {
  readonly #deps: UnreadDeps
  readonly #judge: PushJudge
  readonly #known = new Lru<string, Known>(10_000)

  constructor(deps: UnreadDeps) {
    this.#deps = deps
    this.#judge = new PushJudge(deps)
  }

  /** The fields of a joined room in `/sync`, for a stay that began at `joinedAt`. */
  async fields(userId: UserId, room: Room, at: When & { readonly byThread: boolean }): Promise<JsonObject> {
    const counts = await this.#counts(userId, room, at)
    const main = counts.get('main') ?? none
    if (!at.byThread) return { unread_notifications: countJson([...counts.values()].reduce(sum, none)) }
    const threads = [...counts].filter(([thread, { notifications, highlights }]) => thread !== 'main' && notifications + highlights > 0)
    return {
      unread_notifications: countJson(main),
      ...(threads.length === 0
        ? {}
        : { unread_thread_notifications: Object.fromEntries(threads.map(([id, count]) => [id, countJson(count)])) }),
    }
  }

  /** Whether what came in (since, upTo] may have moved a count: by notifying, by taking that back, or by being the user's own. */
  async moved(userId: UserId, room: Room, span: { readonly since: Position; readonly upTo: Position }): Promise<boolean> {
    const fresh = await this.#deps.log.ofRoom(room.roomId, span.since, span.upTo)
    if (!fresh) return true
    const known = this.#known.get(keyOf(userId, room))
    const wasZero =
      known !== undefined && known.upTo <= span.since && [...known.counts.values()].every(({ notifications }) => notifications === 0)
    const takesBack = fresh.some(({ event }) => event.sender === userId || event.type === 'm.room.redaction')
    if (takesBack && !wasZero) return true
    const judge = await this.#judge.of(userId, room)
    for (const record of fresh) if (mayNotify(record) && (await judge(record.event))?.notify) return true
    return false
  }

  async #counts(userId: UserId, room: Room, at: When): Promise<Counts> {
    const receipts = await this.#deps.sources.receipts.ofUser(room.roomId, userId)
    const basis = JSON.stringify([at.joinedAt, receipts.map(({ type, threadId, eventId }) => [type, threadId ?? '', eventId]).sort()])
    const key = keyOf(userId, room)
    const known = this.#known.get(key) ?? (await this.#kept(userId, room))
    if (known?.basis === basis && known.upTo === at.upTo) return known.counts
    const usable = known?.basis === basis && known.upTo < at.upTo ? known : undefined
    const { counts, looked } = await this.#countTo(userId, room, { upTo: at.upTo, joinedAt: at.joinedAt, receipts, usable })
    if (!known || known.upTo <= at.upTo) this.#known.set(key, { upTo: at.upTo, basis, counts })
    if (looked > keepFrom) this.#deps.kept.keep(userId, room.roomId, { upTo: at.upTo, basis, counts: [...counts] })
    return counts
  }

  async #kept(userId: UserId, room: Room): Promise<Known | undefined> {
    const kept = await this.#deps.kept.of(userId, room.roomId)
    return kept && { ...kept, counts: new Map(kept.counts) }
  }

  /** Counts on from what is known, or anew; also how many events had to be read for it. */
  async #countTo(
    userId: UserId,
    room: Room,
    at: When & { readonly receipts: readonly ReceiptEntry[]; readonly usable: Known | undefined },
  ): Promise<{ readonly counts: Counts; readonly looked: number }> {
    const { usable, upTo } = at
    const logged = usable && (await this.#deps.log.ofRoom(room.roomId, usable.upTo, upTo))
    const marks = logged ? new Map<string, Position>() : await readMarks(this.#deps.store, at.receipts)
    if (usable) {
      const fresh = logged ?? (await this.#eventsIn(room.roomId, usable.upTo, upTo))
      // A redaction may take back what was counted.
      if (!fresh.some(({ event }) => event.type === 'm.room.redaction')) {
        const counts = await this.#count(userId, room, { events: fresh, from: usable.counts, marks })
        return { counts, looked: logged ? 0 : fresh.length }
      }
    }
    const all = logged ? await readMarks(this.#deps.store, at.receipts) : marks
    const events = await this.#eventsIn(room.roomId, Math.max(at.joinedAt, all.get('') ?? 0), upTo)
    return { counts: await this.#count(userId, room, { events, from: new Map(), marks: all }), looked: events.length }
  }

  /** The room's newest events in (after, upTo], in the order in which they came. */
  async #eventsIn(roomId: RoomId, after: Position, upTo: Position): Promise<EventRecord[]> {
    const events: EventRecord[] = []
    let from: { depth: number; position: number } | undefined
    // Most often little is new.
    let limit = firstPageSize
    for (let seen = 0; seen < scanLimit; seen += limit) {
      if (from) limit = pageSize
      const page = await this.#deps.store.timeline(roomId, { direction: 'backwards', limit, ...(from ? { from } : {}) })
      const newer = page.filter(({ position }) => position > after)
      events.push(...newer)
      const oldest = page.at(-1)
      if (newer.length === 0 || page.length < limit || !oldest) break
      from = { depth: oldest.event.depth, position: oldest.position }
    }
    return events.filter(({ position }) => position <= upTo).sort((a, b) => a.position - b.position)
  }

  async #count(
    userId: UserId,
    room: Room,
    what: { readonly events: readonly EventRecord[]; readonly from: Counts; readonly marks: ReadonlyMap<string, Position> },
  ): Promise<Counts> {
    const counts = new Map(what.from)
    const shown = what.events.filter(mayNotify)
    if (shown.length === 0) return counts
    const judge = await this.#judge.of(userId, room)
    for (const { event, position } of shown) {
      const thread = await this.#deps.relations.threadOf(event)
      // Whoever sends an event has read what came before it.
      if (event.sender === userId) counts.delete(thread)
      else if (position > (what.marks.get(thread) ?? 0)) {
        const verdict = await judge(event)
        const count = { notifications: 1, highlights: verdict?.highlight ? 1 : 0 }
        if (verdict?.notify) counts.set(thread, sum(counts.get(thread) ?? none, count))
      }
    }
    return counts
  }
}

function keyOf(userId: UserId, { roomId }: Room): string {
  return JSON.stringify([userId, roomId])
}

function sum(a: Count, b: Count): Count {
  return { notifications: a.notifications + b.notifications, highlights: a.highlights + b.highlights }
}

function countJson({ notifications, highlights }: Count): JsonObject {
  return { notification_count: notifications, highlight_count: highlights }
}
