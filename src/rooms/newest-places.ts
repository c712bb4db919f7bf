import type { EventId, RoomId } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'

/** Where an event is in its room's topological order. */
export type Place = readonly [depth: number, position: number, eventId: EventId]

interface Newest {
  /** Newest first. */
  places: readonly Place[]
  /** Whether these are all that the room has. */
  readonly whole: boolean
}

/** Places of a room that are kept: enough for a timeline of a usual length. */
const kept = 50

/** The newest places of rooms, in memory from when they are first read: what most readers of a timeline want. */
export class NewestPlaces {
  readonly #rooms = new Lru<RoomId, Newest>(1000)
  /** What got its place since the newest reading of a room began. */
  readonly #readings = new Lru<RoomId, Place[]>(1000)

  /** The newest places, at most `limit`; `undefined` where fewer are known than that, and the room may have more. */
  of(roomId: RoomId, limit: number): readonly Place[] | undefined {
    const newest = this.#rooms.get(roomId)
    return newest && (newest.whole || newest.places.length >= limit) ? newest.places.slice(0, limit) : undefined
  }

  /** As many of the newest places as are known, at most `limit`; `undefined` where none was read yet. */
  known(roomId: RoomId, limit: number): readonly Place[] | undefined {
    return this.#rooms.get(roomId)?.places.slice(0, limit)
  }

  /** Begins a reading: the answer takes its outcome, to which comes what gets its place meanwhile. */
  reading(roomId: RoomId): (newest: Newest) => void {
    const meanwhile: Place[] = []
    this.#readings.set(roomId, meanwhile)
    return (newest) => {
      if (this.#readings.get(roomId) !== meanwhile) return
      this.#readings.delete(roomId)
      this.#rooms.set(roomId, newest)
      for (const place of meanwhile) this.add(roomId, place)
    }
  }

  /** Takes note of an event that got its place. */
  add(roomId: RoomId, place: Place): void {
    this.#readings.get(roomId)?.push(place)
    const newest = this.#rooms.get(roomId)
    if (!newest) return
    const at = newest.places.findIndex((other) => compare(other, place) <= 0)
    const known = at >= 0 && newest.places[at]?.[2] === place[2]
    // What is older than all that is known has its place only where nothing lies between.
    if (known || (at < 0 && !newest.whole)) return
    const places = at < 0 ? [...newest.places, place] : [...newest.places.slice(0, at), place, ...newest.places.slice(at)]
    this.#rooms.set(roomId, { places: places.slice(0, kept), whole: newest.whole && places.length <= kept })
  }
}

function compare(one: Place, other: Place): number {
  return one[0] - other[0] || one[1] - other[1]
}
