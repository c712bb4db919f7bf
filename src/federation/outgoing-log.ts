import type { Logger } from '../ports/logger.ts'
import { put, type Storage } from '../ports/storage.ts'
import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import type { ServerName } from '../spec/event.ts'
import { meta } from '../storage/tables/streams.ts'
import type { Position, Stream } from '../streams/stream.ts'
import type { OutgoingEvents } from './outgoing-events.ts'

const chunk = 500
/** Events that are kept in memory for servers that are up to date. */
const tailLimit = 5_000
const markEvery = 2_000
const markKey = 'federation_scanned'

interface TailEntry {
  readonly record: EventRecord
  readonly destinations: ReadonlySet<ServerName>
}

/** What of the log concerns one destination. */
export interface OutgoingBatch {
  readonly records: readonly EventRecord[]
  /** Nothing up to here is left out. */
  readonly upTo: Position
}

/**
 * The log as federation reads it: every event with its destinations worked out once, the newest kept in memory for all
 * destinations to read.
 */
export class OutgoingLog {
  readonly #deps: {
    readonly storage: Storage
    readonly stream: Stream
    readonly store: RoomStore
    readonly events: OutgoingEvents
    readonly logger: Logger
  }
  #scanned: Position = 0
  #marked: Position = 0
  #tailFrom: Position = 0
  readonly #tail: TailEntry[] = []

  constructor(deps: {
    readonly storage: Storage
    readonly stream: Stream
    readonly store: RoomStore
    readonly events: OutgoingEvents
    readonly logger: Logger
  }) {
    this.#deps = deps
  }

  /** Every destination of an event up to here is known. */
  get scanned(): Position {
    return this.#scanned
  }

  /** Goes to where the last run's mark is. */
  async open(): Promise<void> {
    const mark = (await this.#deps.storage.read([meta], (tx) => tx.get(meta, markKey))) ?? 0
    this.#scanned = mark
    this.#marked = mark
    this.#tailFrom = mark
  }

  /**
   * Reads on, a chunk at most; says whether there may be more. `prepare` gets the first position for each destination concerned,
   * and has made the new ones durable when it resolves; `announce` is told the same in the very step that moves `scanned`.
   */
  async scan(told: {
    prepare: (concerned: ReadonlyMap<ServerName, Position>) => Promise<void>
    announce: (concerned: ReadonlyMap<ServerName, Position>) => void
  }): Promise<boolean> {
    const upTo = this.#deps.stream.current
    if (upTo <= this.#scanned) return false
    const records = await this.#deps.store.log(this.#scanned, upTo, chunk)
    const entries: TailEntry[] = []
    const concerned = new Map<ServerName, Position>()
    for (const record of records) {
      const destinations = await this.#destinations(record)
      if (destinations.size === 0) continue
      entries.push({ record, destinations })
      for (const server of destinations) if (!concerned.has(server)) concerned.set(server, record.position)
    }
    await told.prepare(concerned)
    this.#append(entries)
    this.#scanned = records.length < chunk ? upTo : (records.at(-1)?.position ?? upTo)
    told.announce(concerned)
    if (this.#scanned - this.#marked >= markEvery) await this.mark()
    return this.#scanned < this.#deps.stream.current
  }

  /** Events for `server` in (after, upTo], oldest first, `limit` at most. */
  async batch(
    server: ServerName,
    range: { readonly after: Position; readonly upTo: Position; readonly limit: number },
  ): Promise<OutgoingBatch> {
    const { upTo, limit } = range
    const records: EventRecord[] = []
    let after = range.after
    while (after < Math.min(upTo, this.#tailFrom) && records.length < limit) {
      const read = await this.#deps.store.log(after, Math.min(upTo, this.#tailFrom), chunk)
      for (const record of read) {
        if (records.length < limit && (await this.#destinations(record)).has(server)) records.push(record)
      }
      const end = read.length < chunk ? Math.min(upTo, this.#tailFrom) : (read.at(-1)?.position ?? upTo)
      after = records.length < limit ? end : after
    }
    for (const { record, destinations } of this.#tailAfter(after, upTo)) {
      if (records.length === limit) break
      if (destinations.has(server)) records.push(record)
    }
    const last = records.at(-1)
    return { records, upTo: records.length === limit && last ? last.position : upTo }
  }

  /** Makes durable how far the log was read; a crash costs no more than reading on from the last mark. */
  async mark(): Promise<void> {
    this.#marked = this.#scanned
    await this.#deps.storage.commit([put(meta, markKey, this.#scanned)], 'relaxed')
  }

  *#tailAfter(after: Position, upTo: Position): Generator<TailEntry> {
    let low = 0
    let high = this.#tail.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#tail[middle]?.record.position ?? 0) <= after) low = middle + 1
      else high = middle
    }
    for (const entry of this.#tail.slice(low)) {
      if (entry.record.position > upTo) return
      yield entry
    }
  }

  #append(entries: readonly TailEntry[]): void {
    this.#tail.push(...entries)
    if (this.#tail.length <= tailLimit) return
    const dropped = this.#tail.splice(0, this.#tail.length - tailLimit / 2)
    this.#tailFrom = dropped.at(-1)?.record.position ?? this.#tailFrom
  }

  async #destinations(record: EventRecord): Promise<ReadonlySet<ServerName>> {
    try {
      return await this.#deps.events.destinations(record)
    } catch (failure) {
      // One unreadable event must not keep all later ones from every destination.
      this.#deps.logger.log('error', 'the destinations of an event cannot be worked out', {
        eventId: record.event.eventId,
        reason: String(failure),
      })
      return new Set()
    }
  }
}
