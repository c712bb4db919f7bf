import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import type { EventId, RoomId } from '../spec/event.ts'
import type { Position } from '../streams/stream.ts'

interface Entry {
  readonly position: Position
  readonly roomId: RoomId
  readonly eventId: EventId
}

const keptEntries = 10_000
const chunkSize = 1000

/**
 * The new events that clients may see, in the order in which they came. The newest are remembered, so that many readers who
 * follow the stream closely cost one reading of storage.
 */
export class RoomLog {
  readonly #store: RoomStore
  #entries: Entry[] = []
  readonly #byRoom = new Map<RoomId, Entry[]>()
  /** What is remembered covers (from, upTo]. */
  #from: Position
  #upTo: Position
  #advancing: Promise<void> = Promise.resolve()

  /** Begins to remember at `position`, where the stream is now. */
  constructor(store: RoomStore, position: Position) {
    this.#store = store
    this.#from = position
    this.#upTo = position
  }

  /** Calls `take` with the new events of (since, upTo] in the wanted rooms, oldest first, some at a time. */
  async read(
    range: { readonly since: Position; readonly upTo: Position; readonly wanted: (roomId: RoomId) => boolean },
    take: (records: readonly EventRecord[]) => void,
  ): Promise<void> {
    await this.#advance(range.upTo)
    if (range.since >= this.#from) {
      const entries = between(this.#entries, range.since, range.upTo).filter(({ roomId }) => range.wanted(roomId))
      take(await this.#records(entries))
      return
    }
    for (let after = range.since; ; ) {
      const chunk = await this.#store.log(after, range.upTo, chunkSize)
      take(chunk.filter((record) => isShown(record) && range.wanted(record.event.roomId)))
      const last = chunk.at(-1)
      if (!last || chunk.length < chunkSize) return
      after = last.position
    }
  }

  /** The new events of one room in (since, upTo], or `undefined` where they go back further than is remembered. */
  async ofRoom(roomId: RoomId, since: Position, upTo: Position): Promise<EventRecord[] | undefined> {
    await this.#advance(upTo)
    if (since < this.#from) return undefined
    return this.#records(between(this.#byRoom.get(roomId) ?? [], since, upTo))
  }

  /** Records as they are now: a redaction may have come since. */
  async #records(entries: readonly Entry[]): Promise<EventRecord[]> {
    const found = await this.#store.events(entries.map(({ eventId }) => eventId))
    return entries.flatMap(({ eventId }) => found.get(eventId) ?? [])
  }

  #advance(upTo: Position): Promise<void> {
    if (upTo <= this.#upTo) return this.#advancing
    this.#advancing = this.#advancing.then(async () => {
      while (this.#upTo < upTo) {
        const chunk = await this.#store.log(this.#upTo, upTo, chunkSize)
        for (const record of chunk) if (isShown(record)) this.#remember(record)
        this.#upTo = chunk.length < chunkSize ? upTo : (chunk.at(-1)?.position ?? upTo)
      }
      if (this.#entries.length > keptEntries) this.#forget()
    })
    return this.#advancing
  }

  #remember({ position, event: { roomId, eventId } }: EventRecord): void {
    const entry = { position, roomId, eventId }
    this.#entries.push(entry)
    const ofRoom = this.#byRoom.get(roomId)
    if (ofRoom) ofRoom.push(entry)
    else this.#byRoom.set(roomId, [entry])
  }

  #forget(): void {
    const kept = this.#entries.slice(-keptEntries / 2)
    this.#from = (kept[0]?.position ?? this.#upTo + 1) - 1
    this.#entries = kept
    this.#byRoom.clear()
    for (const entry of kept) {
      const ofRoom = this.#byRoom.get(entry.roomId)
      if (ofRoom) ofRoom.push(entry)
      else this.#byRoom.set(entry.roomId, [entry])
    }
  }
}

function isShown({ stored }: EventRecord): boolean {
  return stored.live && stored.status === 'accepted'
}

/** The entries in (since, upTo]; they are sorted by position. */
function between(entries: readonly Entry[], since: Position, upTo: Position): readonly Entry[] {
  return entries.slice(firstAfter(entries, since), firstAfter(entries, upTo))
}

function firstAfter(entries: readonly Entry[], position: Position): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((entries[middle]?.position ?? 0) > position) high = middle
    else low = middle + 1
  }
  return low
}
