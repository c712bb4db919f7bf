import { last, put, type Storage } from '../ports/storage.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'
import { type StoredUnreadCounts, unreadCounts } from '../storage/tables/rooms.ts'

/** What was unread, as it was counted last where that took long: a start need not count it again. */
export class KeptCounts {
  readonly #storage: Storage
  readonly #ofUsers = new Lru<UserId, Promise<Map<RoomId, StoredUnreadCounts>>>(100)

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async of(userId: UserId, roomId: RoomId): Promise<StoredUnreadCounts | undefined> {
    return (await this.#ofUser(userId)).get(roomId)
  }

  /** Nobody waits for it, nor fails with it: what is lost is counted again. */
  keep(userId: UserId, roomId: RoomId, counts: StoredUnreadCounts): void {
    const kept = async () => {
      ;(await this.#ofUser(userId)).set(roomId, counts)
      await this.#storage.commit([put(unreadCounts, [userId, roomId], counts)], 'relaxed')
    }
    void kept().catch(() => undefined)
  }

  /** All rooms of a user in one read. */
  #ofUser(userId: UserId): Promise<Map<RoomId, StoredUnreadCounts>> {
    const known = this.#ofUsers.get(userId)
    if (known) return known
    const loading = this.#storage
      .read([unreadCounts], (tx) => tx.range(unreadCounts, { from: [userId, ''], to: [userId, last] }))
      .then((rows) => new Map(rows.map(([[, roomId], counts]) => [roomId, counts])))
    this.#ofUsers.set(userId, loading)
    return loading
  }
}
