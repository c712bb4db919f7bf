import { last, type Storage } from '../ports/storage.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import { memberships, type StoredMembership } from '../storage/tables/rooms.ts'

/** What a local user is in a room. */
export type LocalMembership = readonly [UserId, RoomId, StoredMembership]

/** The memberships of local users, in memory from the first time that a user's are asked for. */
export class LocalMemberships {
  readonly #storage: Storage
  readonly #byUser = new Map<UserId, Promise<Map<RoomId, StoredMembership>>>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  of(userId: UserId): Promise<ReadonlyMap<RoomId, StoredMembership>> {
    const known = this.#byUser.get(userId)
    if (known) return known
    const loading = this.#storage
      .read([memberships], (tx) => tx.range(memberships, { from: [userId, ''], to: [userId, last] }))
      .then((rows) => new Map(rows.map(([[, roomId], membership]) => [roomId, membership])))
    this.#byUser.set(userId, loading)
    return loading
  }

  /** Takes note of what has been stored. */
  add(changes: readonly LocalMembership[]): void {
    for (const [userId, roomId, membership] of changes) {
      // A load under way may have read from before the commit: it is chained, not raced.
      const loading = this.#byUser.get(userId)
      if (loading)
        this.#byUser.set(
          userId,
          loading.then((known) => new Map(known).set(roomId, membership)),
        )
    }
  }
}
