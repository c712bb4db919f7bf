import type { Clock } from '../ports/clock.ts'
import { type Key, remove, type Storage, type Table } from '../ports/storage.ts'

/** Rows looked at in one go. */
const chunk = 1000

/** Rows that only say when something was done, and mean nothing after a while. */
export class ExpiringRows<K extends Key> {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #table: Table<K, number>
  readonly #lifetimeMs: number
  #after: K | undefined

  constructor(deps: { storage: Storage; clock: Clock; table: Table<K, number>; lifetimeMs: number }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#table = deps.table
    this.#lifetimeMs = deps.lifetimeMs
  }

  /** Goes through the next part of the table and removes what is over; begins anew after the last. */
  async prune(): Promise<void> {
    const range = this.#after === undefined ? { limit: chunk } : { after: this.#after, limit: chunk }
    const rows = await this.#storage.read([this.#table], (tx) => tx.range(this.#table, range))
    this.#after = rows.length < chunk ? undefined : rows.at(-1)?.[0]
    const oldest = this.#clock.now() - this.#lifetimeMs
    const over = rows.flatMap(([key, ts]) => (ts < oldest ? [remove(this.#table, key)] : []))
    if (over.length > 0) await this.#storage.commit(over, 'relaxed')
  }
}
