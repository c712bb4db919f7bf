import type { Durability, Key, ReadTx, Storage, StorageLost, Table, Write } from '../src/ports/storage.ts'
import type { Migration } from '../src/storage/schema.ts'
import { completed, IndexedDbConnection, requested } from './indexeddb-connection.ts'
import { IndexedDbReads, toIdbKey, toIdbRange } from './indexeddb-reads.ts'

/** Holds one number: the epoch of the newest leadership. */
const leadership = 'leadership'
/** Bounds how long one transaction keeps others waiting. */
const writesPerTransaction = 5000

interface Pending {
  readonly batch: readonly Write[]
  readonly durability: Durability
  readonly resolve: () => void
  readonly reject: (failure: unknown) => void
}

interface PendingRead {
  readonly tables: readonly string[]
  /** Reads, and resolves with what hands the result over. */
  readonly start: (transaction: IDBTransaction) => Promise<() => void>
  readonly reject: (failure: unknown) => void
}

/**
 * The storage port over IndexedDB.
 *
 * Batches that are waiting when a transaction ends share the next one; if that aborts, each is tried again alone, in order.
 * Opening it takes the next leadership epoch, and each write transaction checks that the epoch is still its own: whoever was
 * frozen and wakes up after another took over writes nothing, and learns of it by `StorageLost`.
 */
export class IndexedDbStorage implements Storage {
  readonly epoch: number
  readonly #connection: IndexedDbConnection
  readonly #tables: ReadonlySet<string>
  #queue: Pending[] = []
  readonly #reads: PendingRead[] = []
  #isDraining = false

  private constructor(connection: IndexedDbConnection, tables: ReadonlySet<string>, epoch: number) {
    this.#connection = connection
    this.#tables = tables
    this.epoch = epoch
  }

  /** Opens the database `name`, brought up to date by `migrations`, and takes the next epoch: earlier leaders are fenced from here on. */
  static async open(name: string, migrations: readonly Migration[]): Promise<IndexedDbStorage> {
    const tables = migrations.flatMap(({ create }) => create)
    const connection = await IndexedDbConnection.open({ name, version: migrations.length, stores: [leadership, ...tables] })
    return new IndexedDbStorage(connection, new Set(tables), await connection.run(takeEpoch))
  }

  /**
   * Reads that are asked for in one turn share a transaction, and are answered together: what they do next can be shared again.
   * Repeated from the start when the connection is lost meanwhile, or another of them fails: `run` must do nothing but read.
   */
  read<T>(tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const start = async (transaction: IDBTransaction): Promise<() => void> => {
      const result = await run(new IndexedDbReads(transaction))
      return () => resolve(result)
    }
    this.#reads.push({ tables: tables.map(({ name }) => name), start, reject })
    if (this.#reads.length === 1) queueMicrotask(() => this.#readTogether(this.#reads.splice(0)))
    return promise
  }

  commit(batch: readonly Write[], durability: Durability): Promise<void> {
    const unknown = batch.find(({ table }) => !this.#tables.has(table))
    if (unknown) return Promise.reject(new Error(`no migration names the table ${unknown.table}`))
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, durability, resolve, reject })
      if (this.#isDraining) return
      this.#isDraining = true
      // After the caller's own turn: what it and its neighbours commit together goes together.
      queueMicrotask(() => void this.#drain())
    })
  }

  /** Whether no newer leadership has begun; rejects when the database is lost. */
  isOurs(): Promise<boolean> {
    return this.#connection.run(async (database) => {
      const stored = await requested(database.transaction(leadership, 'readonly').objectStore(leadership).get('epoch'))
      return stored === this.epoch
    })
  }

  /** Calls `listener` when the store is lost for good: taken over, deleted, or broken. */
  onLost(listener: (lost: StorageLost) => void): void {
    this.#connection.onLost(listener)
  }

  /** Closes once what was committed is durable. */
  async close(): Promise<void> {
    await this.commit([], 'strict').catch(() => undefined)
    this.#connection.lose('the storage was closed')
  }

  #readTogether(group: readonly PendingRead[]): void {
    const names = [...new Set(group.flatMap(({ tables }) => tables))]
    this.#connection
      .run((database) => {
        const transaction = database.transaction(names, 'readonly')
        return Promise.all(group.map(({ start }) => start(transaction)))
      })
      .then(
        (done) => {
          for (const resolve of done) resolve()
        },
        (failure: unknown) => {
          if (group.length === 1) group[0]?.reject(failure)
          else for (const pending of group) this.#readTogether([pending])
        },
      )
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = takeGroup(this.#queue)
      try {
        await this.#write(group)
        for (const { resolve } of group) resolve()
      } catch (failure) {
        if (group.length === 1) group[0]?.reject(failure)
        else for (const pending of group) await this.#write([pending]).then(pending.resolve, pending.reject)
      }
    }
    // In the same step as the last look at the queue: a batch that comes later starts anew.
    this.#isDraining = false
  }

  #write(group: readonly Pending[]): Promise<void> {
    const names = new Set([leadership, ...group.flatMap(({ batch }) => batch.map(({ table }) => table))])
    const durability = group.some((pending) => pending.durability === 'strict') ? 'strict' : 'relaxed'
    return this.#connection.run(async (database) => {
      const transaction = database.transaction([...names], 'readwrite', { durability })
      const done = completed(transaction)
      this.#guard(transaction)
      try {
        for (const { batch } of group) for (const write of batch) apply(transaction, write)
      } catch (failure) {
        transaction.abort()
        await done.catch(() => undefined)
        throw failure
      }
      await done
    })
  }

  /** Issued before the writes, so it is answered before the transaction can complete. */
  #guard(transaction: IDBTransaction): void {
    const request = transaction.objectStore(leadership).get('epoch')
    request.onsuccess = () => {
      if (request.result === this.epoch) return
      transaction.abort()
      this.#connection.lose('another leader took over')
    }
  }
}

function takeGroup(queue: Pending[]): Pending[] {
  let writes = 0
  let count = 0
  for (const { batch } of queue) {
    writes += batch.length
    if (count > 0 && writes > writesPerTransaction) break
    count++
  }
  return queue.splice(0, count)
}

function apply(transaction: IDBTransaction, write: Write): void {
  const store = transaction.objectStore(write.table)
  if (write.kind === 'put') store.put(write.value, toIdbKey(write.key))
  else if (write.kind === 'remove') store.delete(toIdbKey(write.key))
  else {
    const range = toIdbRange(write.range)
    if (range === null) store.clear()
    else if (range !== 'empty') store.delete(range)
  }
}

async function takeEpoch(database: IDBDatabase): Promise<number> {
  const transaction = database.transaction(leadership, 'readwrite', { durability: 'strict' })
  const done = completed(transaction)
  const store = transaction.objectStore(leadership)
  const stored = await requested<unknown>(store.get('epoch'))
  const epoch = (typeof stored === 'number' ? stored : 0) + 1
  store.put(epoch, 'epoch')
  await done
  return epoch
}
