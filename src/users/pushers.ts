import type { Clock } from '../ports/clock.ts'
import { last, put, remove, type Storage, type Write } from '../ports/storage.ts'
import { tooLarge } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { pushers, type StoredPusher } from '../storage/tables/users.ts'
import type { Stream } from '../streams/stream.ts'

/** What names a pusher beside its user. */
export interface PusherKey {
  readonly appId: string
  readonly pushkey: string
}

/** Pushers that a user may have. */
const pusherLimit = 100

type PusherListener = (userId: UserId, key: PusherKey, stored: StoredPusher | undefined) => void
type Row = [readonly [UserId, string, string], StoredPusher]

/** Where users want to be notified (Client-Server API, "Push Notifications"). */
export class Pushers {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #stream: Pick<Stream, 'current'>
  readonly #listeners = new Set<PusherListener>()

  constructor(deps: { storage: Storage; clock: Clock; stream: Pick<Stream, 'current'> }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#stream = deps.stream
  }

  /** Calls `listener` with each pusher that was set, or removed. Returns the way to stop. */
  onChange(listener: PusherListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  all(): Promise<Row[]> {
    return this.#storage.read([pushers], (tx) => tx.range(pushers, {}))
  }

  async list(userId: UserId): Promise<JsonObject[]> {
    return (await this.#ofUser(userId)).map(([, { pusher }]) => pusher)
  }

  /** Sets a pusher, which begins with what comes from now on; unless `append`, other users lose theirs of the same key. Throws `M_TOO_LARGE`. */
  async set(userId: UserId, key: PusherKey, wish: { pusher: JsonObject; append: boolean; deviceId: string }): Promise<void> {
    const { append, pusher, deviceId } = wish
    const own = (await this.#ofUser(userId)).filter(([row]) => row[1] !== key.appId || row[2] !== key.pushkey)
    if (own.length >= pusherLimit) throw tooLarge(`A user may have ${pusherLimit} pushers`)
    const others = append ? [] : await this.#ofOthers(userId, key)
    const stored: StoredPusher = { pusher, deviceId, setTs: this.#clock.now(), position: this.#stream.current }
    await this.#storage.commit([...removals(others), put(pushers, [userId, key.appId, key.pushkey], stored)], 'strict')
    this.#removed(others)
    for (const listener of this.#listeners) listener(userId, key, stored)
  }

  async delete(userId: UserId, key: PusherKey): Promise<void> {
    const { appId, pushkey } = key
    await this.#storage.commit([remove(pushers, [userId, appId, pushkey])], 'strict')
    for (const listener of this.#listeners) listener(userId, key, undefined)
  }

  /** Writes down how far a pusher has come. */
  async moved(userId: UserId, { appId, pushkey }: PusherKey, stored: StoredPusher): Promise<void> {
    await this.#storage.commit([put(pushers, [userId, appId, pushkey], stored)], 'relaxed')
  }

  /** The removal of the pushers that these devices set, and what is to be called once that is committed. */
  async removalOf(userId: UserId, deviceIds: readonly string[]): Promise<{ writes: Write[]; removed: () => void }> {
    const rows = (await this.#ofUser(userId)).filter(([, { deviceId }]) => deviceIds.includes(deviceId))
    return { writes: removals(rows), removed: () => this.#removed(rows) }
  }

  #removed(rows: readonly Row[]): void {
    for (const [[userId, appId, pushkey]] of rows) {
      for (const listener of this.#listeners) listener(userId, { appId, pushkey }, undefined)
    }
  }

  #ofUser(userId: UserId): Promise<Row[]> {
    return this.#storage.read([pushers], (tx) => tx.range(pushers, { from: [userId, '', ''], to: [userId, last, last] }))
  }

  async #ofOthers(userId: UserId, { appId, pushkey }: PusherKey): Promise<Row[]> {
    return (await this.all()).filter(([row]) => row[0] !== userId && row[1] === appId && row[2] === pushkey)
  }
}

function removals(rows: readonly Row[]): Write[] {
  return rows.map(([row]) => remove(pushers, row))
}
