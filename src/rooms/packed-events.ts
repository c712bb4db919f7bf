import { put, type ReadTx, remove, removeRange, type Write } from '../ports/storage.ts'
import type { EventId, RoomId } from '../spec/event.ts'
import { eventPacks, eventRuns, type StoredEvent } from '../storage/tables/rooms.ts'
import type { Position } from '../streams/stream.ts'

/** Events in one row. */
const eventsOfPack = 50

/**
 * Events of one commit that are kept many to a row, since storage charges by the row: at consecutive positions, in the order of the
 * numbers of their ids, so that these numbers tell where each lies.
 */
export interface PackedRun {
  readonly first: Position
  /** Of each event, ascending. */
  readonly numbers: Uint32Array
}

/** The run of events that are in its order already, and the writes that keep it. */
export function packRun(
  roomId: RoomId,
  first: Position,
  packed: readonly StoredEvent[],
): { readonly run: PackedRun; readonly writes: Write[] } {
  const numbers = Uint32Array.from(packed, ({ eventId }) => numberOf(eventId))
  const writes: Write[] = [put(eventRuns, [roomId, first], numbers)]
  for (let at = 0; at < packed.length; at += eventsOfPack) writes.push(put(eventPacks, first + at, packed.slice(at, at + eventsOfPack)))
  return { run: { first, numbers }, writes }
}

/** What takes a run of a room away. */
export function removeRun(roomId: RoomId, { first, numbers }: PackedRun): Write[] {
  return [removeRange(eventPacks, { from: first, before: first + numbers.length }), remove(eventRuns, [roomId, first])]
}

/** The runs of a room. */
export async function runsOf(tx: ReadTx, roomId: RoomId): Promise<PackedRun[]> {
  const rows = await tx.range(eventRuns, { from: [roomId, 0], to: [roomId, Number.POSITIVE_INFINITY] })
  return rows.map(([[, first], numbers]) => ({ first, numbers }))
}

/** Finds events in their packs. The runs are in memory, four bytes an event: what is in none of them takes no read. */
export class PackedEvents {
  readonly #runs = new Map<Position, Uint32Array>()
  #isLoaded = false

  /** Takes note of a run that has been committed. */
  add({ first, numbers }: PackedRun): void {
    this.#runs.set(first, numbers)
  }

  /** Takes note of a run that is gone. */
  remove({ first }: PackedRun): void {
    this.#runs.delete(first)
  }

  /** Those of the events that are packed, with their positions; in a transaction of {@link eventPacks} and {@link eventRuns}. */
  async find(tx: ReadTx, eventIds: readonly EventId[]): Promise<{ readonly position: Position; readonly stored: StoredEvent }[]> {
    if (!this.#isLoaded) {
      for (const [[, first], numbers] of await tx.range(eventRuns, {})) this.#runs.set(first, numbers)
      this.#isLoaded = true
    }
    const wanted = new Set(eventIds)
    const starts = new Set(eventIds.flatMap((eventId) => this.#packsWith(numberOf(eventId))))
    const packs = starts.size === 0 ? [] : await tx.getMany(eventPacks, [...starts])
    return [...starts].flatMap((start, i) =>
      (packs[i] ?? []).flatMap((stored, at) => (wanted.has(stored.eventId) ? [{ position: start + at, stored }] : [])),
    )
  }

  /** Where the packs begin that may hold an event of this number. */
  #packsWith(number: number): Position[] {
    return [...this.#runs].flatMap(([first, numbers]) => {
      const starts: Position[] = []
      for (let at = firstAtLeast(numbers, number); numbers[at] === number; at++) starts.push(first + at - (at % eventsOfPack))
      return starts
    })
  }
}

/** The number of an event id by which packed events are ordered: 32 bits (FNV-1a). */
export function numberOf(eventId: EventId): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < eventId.length; i++) hash = Math.imul(hash ^ eventId.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

function firstAtLeast(ascending: Uint32Array, number: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ascending[middle] ?? 0) < number) low = middle + 1
    else high = middle
  }
  return low
}
