import { last, remove, type Storage } from '../ports/storage.ts'
import type { EventId, RoomId } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'
import { type SentTransaction, transactionKey, transactions } from '../storage/tables/rooms.ts'

/** How long a client may take to repeat a request it got no answer to. */
const keptMs = 24 * 3600_000

/**
 * Which event each transaction of a device became. A device's rows are read once, at its first request after a start: from
 * then on a new transaction is known to be new without a look into storage.
 */
export class SentTransactions {
  readonly #storage: Storage
  readonly #devices = new Lru<string, Promise<Map<string, EventId>>>(1000)

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async find(roomId: RoomId, transaction: SentTransaction): Promise<EventId | undefined> {
    const [userId, deviceId, id] = transactionKey(roomId, transaction)
    const device = JSON.stringify([userId, deviceId])
    const loading = this.#devices.get(device) ?? this.#load(userId, deviceId)
    this.#devices.set(device, loading)
    return (await loading).get(id)
  }

  /** After the commit that made the event durable. */
  add(roomId: RoomId, transaction: SentTransaction, eventId: EventId): void {
    const [userId, deviceId, id] = transactionKey(roomId, transaction)
    // A device that was not asked about yet will find its row.
    void this.#devices.get(JSON.stringify([userId, deviceId]))?.then((known) => known.set(id, eventId))
  }

  async #load(userId: string, deviceId: string): Promise<Map<string, EventId>> {
    const range = { from: [userId, deviceId, ''], to: [userId, deviceId, last] } as const
    const rows = await this.#storage.read([transactions], (tx) => tx.range(transactions, range))
    const newest = Math.max(0, ...rows.map(([, { ts }]) => ts))
    const old = rows.filter(([, { ts }]) => ts < newest - keptMs)
    if (old.length > 0) {
      await this.#storage.commit(
        old.map(([key]) => remove(transactions, key)),
        'relaxed',
      )
    }
    return new Map(rows.filter(([, { ts }]) => ts >= newest - keptMs).map(([[, , id], { eventId }]) => [id, eventId]))
  }
}
