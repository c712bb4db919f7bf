import type { EventRecord, RoomStore } from '../../rooms/room-store.ts'
import type { RoomId } from '../../spec/event.ts'
import { Lru } from '../../storage/lru.ts'
import type { Position } from '../../streams/stream.ts'

/** When something last happened in a room. */
export interface Activity {
  /** Its newest event: what lists are ordered by. */
  readonly last: Position
  /** The newest that people would call activity: `bump_stamp`. */
  readonly bump: Position
}

/** What brings a room up in a client's list (Synapse's synapse/types/handlers: it counts the same). */
const bumpTypes = new Set([
  'm.room.create',
  'm.room.message',
  'm.room.encrypted',
  'm.sticker',
  'm.call.invite',
  'm.poll.start',
  'm.beacon_info',
])

const pageSize = 20
const searchLimit = 100

/** When something last happened in each room. Read once for a room, and followed from then on. */
export class RoomActivity {
  readonly #store: RoomStore
  readonly #known = new Lru<RoomId, Activity>(20_000)

  constructor(store: RoomStore) {
    this.#store = store
    store.onPublish(({ records }) => {
      for (const record of records ?? []) this.#follow(record)
    })
  }

  /** For a room whose history begins for the user at `joined`. */
  async of(roomId: RoomId, joined: Position): Promise<Activity> {
    const known = this.#known.get(roomId)
    if (known) return known
    const found = await this.#read(roomId, joined)
    // What came while this was read is newer.
    const meanwhile = this.#known.get(roomId) ?? found
    this.#known.set(roomId, meanwhile)
    return meanwhile
  }

  async #read(roomId: RoomId, joined: Position): Promise<Activity> {
    let last = 0
    let from: { depth: number; position: number } | undefined
    for (let read = 0; read < searchLimit; read += pageSize) {
      const page = await this.#store.timeline(roomId, { direction: 'backwards', limit: pageSize, ...(from ? { from } : {}) })
      const live = page.filter(isActivity)
      last = Math.max(last, ...live.map(({ position }) => position))
      const bump = Math.max(0, ...live.filter(({ event }) => bumpTypes.has(event.type)).map(({ position }) => position))
      if (bump > 0) return { last, bump }
      const oldest = page.at(-1)
      if (page.length < pageSize || !oldest) break
      from = { depth: oldest.event.depth, position: oldest.position }
    }
    return { last: Math.max(last, joined), bump: joined }
  }

  #follow(record: EventRecord): void {
    const { roomId, type } = record.event
    const known = this.#known.get(roomId)
    if (!known || !isActivity(record) || record.position <= known.last) return
    this.#known.set(roomId, { last: record.position, bump: bumpTypes.has(type) ? record.position : known.bump })
  }
}

function isActivity({ stored }: EventRecord): boolean {
  return stored.live && stored.status === 'accepted'
}
