import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import type { RoomId } from '../spec/event.ts'
import { roomTails, type StoredEvent } from '../storage/tables/rooms.ts'

/** Events of a tail beside the state: a timeline of usual length, and what is looked at for unread counts. */
export const tailLength = 20
/** Entries that a state has at most to be kept in a tail. */
export const tailState = 50
/** How many events a room grows by until its tail is written anew. */
const tailEvery = 8

/** An event as it is stored, and where. */
interface Kept {
  readonly position: number
  readonly stored: StoredEvent
}

/**
 * A room's newest events, and the state of a small room, together in one row: in the log they lie apart, and a start would read
 * them one by one. Nobody waits for the row, nor needs it to be there. But what it holds is true: a tail is written when nothing
 * else of the room is, and the commit that changes an event removes it.
 */
export class RoomTails {
  readonly #storage: Storage
  readonly #newest: (roomId: RoomId) => readonly Kept[] | undefined
  /** Rooms whose tail is due, and was not at hand. */
  readonly #due = new Set<RoomId>()

  /** @param newest the events of a room's tail, if they are in memory */
  constructor(storage: Storage, newest: (roomId: RoomId) => readonly Kept[] | undefined) {
    this.#storage = storage
    this.#newest = newest
  }

  /**
   * To be called with what each commit to a room adds or changes, in the very step in which that is published: nothing else is
   * written to the room then.
   */
  note(roomId: RoomId, events: readonly Kept[]): void {
    const isDue = events.some(
      ({ stored }) => stored.redactedBy !== undefined || (stored.live && Number(stored.pdu.depth) % tailEvery === 0),
    )
    if (!isDue && !this.#due.has(roomId)) return
    const newest = this.#newest(roomId)
    if (!newest) {
      this.#due.add(roomId)
      return
    }
    this.#due.delete(roomId)
    const rows = newest.map(({ position, stored }) => [position, stored] as const)
    void this.#storage.commit([put(roomTails, roomId, rows)], 'relaxed').catch(() => undefined)
  }
}

/** What belongs into a commit that changes, or moves, events which are stored. */
export function withoutTail(roomId: RoomId): Write {
  return remove(roomTails, roomId)
}
