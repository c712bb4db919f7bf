import { last, put, remove, type Storage } from '../ports/storage.ts'
import type { UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { pushers } from '../storage/tables/users.ts'

/** What names a pusher beside its user. */
export interface PusherKey {
  readonly appId: string
  readonly pushkey: string
}

/** Where users want to be notified (Client-Server API, "Push Notifications"). */
export class Pushers {
  readonly #storage: Storage

  constructor(deps: { storage: Storage }) {
    this.#storage = deps.storage
  }

  async list(userId: UserId): Promise<JsonObject[]> {
    const rows = await this.#storage.read([pushers], (tx) => tx.range(pushers, { from: [userId, '', ''], to: [userId, last, last] }))
    return rows.map(([, pusher]) => pusher)
  }

  /** Sets a pusher; unless `append`, other users lose theirs of the same key. */
  async set(userId: UserId, key: PusherKey, { pusher, append }: { pusher: JsonObject; append: boolean }): Promise<void> {
    const others = append ? [] : await this.#ofOthers(userId, key)
    await this.#storage.commit(
      [...others.map((row) => remove(pushers, row)), put(pushers, [userId, key.appId, key.pushkey], pusher)],
      'strict',
    )
  }

  async delete(userId: UserId, { appId, pushkey }: PusherKey): Promise<void> {
    await this.#storage.commit([remove(pushers, [userId, appId, pushkey])], 'strict')
  }

  async #ofOthers(userId: UserId, { appId, pushkey }: PusherKey): Promise<(readonly [UserId, string, string])[]> {
    const rows = await this.#storage.read([pushers], (tx) => tx.range(pushers, {}))
    return rows.flatMap(([row]) => (row[0] !== userId && row[1] === appId && row[2] === pushkey ? [row] : []))
  }
}
