import type { RoomStore } from '../rooms/room-store.ts'
import { type EventId, type RoomId, type ServerName, splitStateKey, type UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { type NodeHash, StateTrie } from '../spec/state-trie.ts'
import { Lru } from '../storage/lru.ts'

/** How many joined users each server has in a snapshot. */
type JoinedCounts = ReadonlyMap<ServerName, number>

interface Counted {
  readonly state: StateTrie
  readonly counts: JoinedCounts
}

/** Which servers have joined users in a snapshot. Costs what changed since a snapshot of the same room that was asked for before. */
export class RoomServers {
  readonly #store: RoomStore
  readonly #counted = new Lru<NodeHash, Promise<Counted>>(300)
  readonly #newest = new Lru<RoomId, Promise<Counted>>(500)

  constructor(store: RoomStore) {
    this.#store = store
  }

  /** The servers in the room in this state. */
  async at(roomId: RoomId, state: StateTrie): Promise<ReadonlySet<ServerName>> {
    const { counts } = await this.#count(roomId, state)
    return new Set(counts.keys())
  }

  /** The servers in the room now; none for a room that is not known. */
  async now(roomId: RoomId): Promise<ReadonlySet<ServerName>> {
    const room = await this.#store.room(roomId)
    return room ? this.at(roomId, room.state) : new Set()
  }

  #count(roomId: RoomId, state: StateTrie): Promise<Counted> {
    const known = this.#counted.get(state.root)
    if (known) return known
    const base = this.#newest.get(roomId)
    const counting = this.#countFrom(base, state)
    this.#counted.set(state.root, counting)
    this.#newest.set(roomId, counting)
    counting.catch(() => {
      this.#counted.delete(state.root)
      this.#newest.delete(roomId)
    })
    return counting
  }

  async #countFrom(base: Promise<Counted> | undefined, state: StateTrie): Promise<Counted> {
    const { state: before, counts } = (await base?.catch(() => undefined)) ?? {
      state: StateTrie.empty,
      counts: new Map<ServerName, number>(),
    }
    const changes = [...StateTrie.diff(before, state)].flatMap(({ key, before: was, after: is }) => {
      const { type, stateKey } = splitStateKey(key)
      return type === 'm.room.member' ? [{ userId: stateKey, was, is }] : []
    })
    const joins = await this.#joins(changes.flatMap(({ was, is }) => [was ?? [], is ?? []].flat()))
    const next = new Map(counts)
    for (const { userId, was, is } of changes) {
      adjust(next, userId, Number(is !== undefined && joins.has(is)) - Number(was !== undefined && joins.has(was)))
    }
    return { state, counts: next }
  }

  async #joins(eventIds: readonly EventId[]): Promise<ReadonlySet<EventId>> {
    const records = await this.#store.events(eventIds)
    return new Set(eventIds.filter((eventId) => records.get(eventId)?.event.content.membership === 'join'))
  }
}

function adjust(counts: Map<ServerName, number>, userId: UserId, by: number): void {
  const server = serverNameOf(userId)
  if (server === undefined || by === 0) return
  const count = (counts.get(server) ?? 0) + by
  if (count > 0) counts.set(server, count)
  else counts.delete(server)
}
