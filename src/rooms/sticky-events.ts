import type { Clock } from '../ports/clock.ts'
import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import type { EventId, Pdu, RoomId } from '../spec/event.ts'
import { isObject } from '../spec/json.ts'
import { type StoredStickyEvent, stickyEvents } from '../storage/tables/rooms.ts'
import type { Position } from '../streams/stream.ts'
import type { EventRecord, RoomStore } from './room-store.ts'

/** The longest an event is sticky, whatever it says. */
const longestStickyMs = 3_600_000
/** Sticky events of a room that are known at once; the oldest give way. */
const mostOfRoom = 1_000

/** Sticky events in the order in which they came, and up to where that goes. */
export interface StickyPage {
  readonly byRoom: ReadonlyMap<RoomId, readonly EventId[]>
  readonly through: Position
}

/** Until when an event that came at `receivedTs` is sticky, ms since the epoch; `undefined` for one that is not. */
export function stickyUntil(pdu: Pdu, receivedTs: number): number | undefined {
  const sticky = pdu.msc4354_sticky
  const durationMs = isObject(sticky) ? sticky.duration_ms : undefined
  if (typeof durationMs !== 'number' || !Number.isSafeInteger(durationMs) || durationMs < 0) return undefined
  return Math.min(Number(pdu.origin_server_ts), receivedTs) + Math.min(durationMs, longestStickyMs)
}

/** What keeps a sticky event known over a restart: belongs into the commit of the event. */
export function stickyWrites(record: EventRecord): Write[] {
  const sticky = stickyOf(record)
  return sticky ? [put(stickyEvents, record.position, sticky)] : []
}

/**
 * Events that are delivered to everyone in a room for a while, to who comes later as well: who is in a call, say (MSC4354, as
 * Synapse's `storage/databases/main/sticky_events.py` and `handlers/sync.py` have it).
 */
export class StickyEvents {
  readonly #storage: Storage
  readonly #store: RoomStore
  readonly #clock: Clock
  /** By room, the oldest first. */
  readonly #known = new Map<RoomId, Map<Position, StoredStickyEvent>>()

  constructor(deps: { readonly storage: Storage; readonly store: RoomStore; readonly clock: Clock }) {
    this.#storage = deps.storage
    this.#store = deps.store
    this.#clock = deps.clock
  }

  /** Takes up what an earlier run left. To be called once, before events are sent or received. */
  async start(): Promise<void> {
    const rows = await this.#storage.read([stickyEvents], (tx) => tx.range(stickyEvents, {}))
    for (const [position, sticky] of rows) this.#add(position, sticky)
    this.#store.onPublish(({ records = [] }) => {
      for (const record of records) {
        const sticky = stickyOf(record)
        if (sticky) this.#add(record.position, sticky)
      }
    })
  }

  /** Those of each room that came after `from` says for it, if it says anything, and up to `upTo`: at most `limit`. */
  between(
    from: (roomId: RoomId) => Position | undefined,
    { upTo, limit }: { readonly upTo: Position; readonly limit: number },
  ): StickyPage {
    const now = this.#clock.now()
    const found = [...this.#known]
      .flatMap(([roomId, ofRoom]) => {
        const after = from(roomId)
        return after === undefined ? [] : [...ofRoom].filter(([position]) => position > after && position <= upTo)
      })
      .filter(([, { expiresTs }]) => expiresTs > now)
      .sort(([a], [b]) => a - b)
    const page = found.slice(0, limit)
    const byRoom = Map.groupBy(page, ([, { roomId }]) => roomId)
    return {
      byRoom: new Map([...byRoom].map(([roomId, of]) => [roomId, of.map(([, { eventId }]) => eventId)])),
      through: found.length > limit ? (page.at(-1)?.[0] ?? upTo) : upTo,
    }
  }

  #add(position: Position, sticky: StoredStickyEvent): void {
    const ofRoom = this.#known.get(sticky.roomId) ?? new Map<Position, StoredStickyEvent>()
    this.#known.set(sticky.roomId, ofRoom.set(position, sticky))
    const now = this.#clock.now()
    const over = [...ofRoom].filter(([, { expiresTs }], index) => expiresTs <= now || index < ofRoom.size - mostOfRoom)
    for (const [gone] of over) ofRoom.delete(gone)
    if (ofRoom.size === 0) this.#known.delete(sticky.roomId)
    const rows = over.map(([gone]) => remove(stickyEvents, gone))
    // A row that stays is removed when it is seen next.
    if (rows.length > 0) void this.#storage.commit(rows, 'relaxed').catch(() => undefined)
  }
}

function stickyOf({ stored, event }: EventRecord): StoredStickyEvent | undefined {
  if (stored.status !== 'accepted' || stored.stateAfter === undefined || stored.redactedBy !== undefined) return undefined
  const expiresTs = stickyUntil(stored.pdu, stored.receivedTs)
  if (expiresTs === undefined || expiresTs <= stored.receivedTs) return undefined
  return { roomId: event.roomId, eventId: event.eventId, expiresTs }
}
