import { type IDBPDatabase, openDB, unwrap } from 'idb'
import { StorageLost } from '../src/ports/storage.ts'

const reopenDelaysMs: readonly number[] = [0, 100, 500, 2000]
const retries = 2

/** What makes a database: its name, its version, and the stores that every version up to it brought. */
export interface DatabaseSchema {
  readonly name: string
  readonly version: number
  readonly stores: readonly string[]
}

/**
 * A handle to one IndexedDB database that survives the loss of the connection, which browsers inflict at will: the handle is
 * dropped, the database opened again, and the work tried again. A database that is gone after it was open is never made anew.
 */
export class IndexedDbConnection {
  readonly #schema: DatabaseSchema
  #database: IDBDatabase | undefined
  #opening: Promise<IDBDatabase> | undefined
  #lost: StorageLost | undefined
  readonly #listeners = new Set<(lost: StorageLost) => void>()

  private constructor(schema: DatabaseSchema) {
    this.#schema = schema
  }

  /** Opens the database, making or upgrading it where it has to be. Waits while an older version of it is open elsewhere. */
  static async open(schema: DatabaseSchema): Promise<IndexedDbConnection> {
    const connection = new IndexedDbConnection(schema)
    connection.#database = await connection.#open(true)
    return connection
  }

  /** Runs `work` on the database; again when the connection is lost meanwhile, so `work` must bear repetition. */
  async run<T>(work: (database: IDBDatabase) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const database = await this.#get()
      try {
        return await work(database)
      } catch (failure) {
        if (this.#lost) throw this.#lost
        if (!isConnectionFailure(failure) || attempt === retries) throw failure
        this.#drop(database)
      }
    }
  }

  /** Closes for good; everything after rejects with what is returned. */
  lose(reason: string): StorageLost {
    if (this.#lost) return this.#lost
    const lost = new StorageLost(reason)
    this.#lost = lost
    this.#drop(this.#database)
    for (const listener of this.#listeners) listener(lost)
    return lost
  }

  /** Calls `listener` when the database is lost for good. */
  onLost(listener: (lost: StorageLost) => void): void {
    this.#listeners.add(listener)
  }

  async #get(): Promise<IDBDatabase> {
    if (this.#lost) throw this.#lost
    if (this.#database) return this.#database
    this.#opening ??= this.#reopen().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #reopen(): Promise<IDBDatabase> {
    for (const delayMs of reopenDelaysMs) {
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      const database = await this.#open(false).catch(() => undefined)
      if (this.#lost) {
        database?.close()
        throw this.#lost
      }
      if (!database) continue
      this.#database = database
      return database
    }
    throw this.lose('the database cannot be opened again')
  }

  async #open(mayCreate: boolean): Promise<IDBDatabase> {
    const { name, version, stores } = this.#schema
    let vanished = false
    const opened = await openDB(name, version, {
      upgrade: (database, oldVersion, _newVersion, transaction) => {
        if (oldVersion === 0 && !mayCreate) {
          vanished = true
          transaction.done.catch(() => undefined)
          transaction.abort()
        } else createStores(database, stores)
      },
      blocking: () => {
        this.lose('a newer version of the homeserver, or the deletion of its data, wants the database')
      },
    }).catch((failure: unknown) => {
      throw vanished ? this.lose('the database was deleted') : failure
    })
    const database = unwrap(opened)
    database.addEventListener('close', () => this.#drop(database))
    return database
  }

  #drop(database: IDBDatabase | undefined): void {
    database?.close()
    if (this.#database === database) this.#database = undefined
  }
}

function createStores(database: IDBPDatabase, stores: readonly string[]): void {
  for (const store of stores) {
    if (!database.objectStoreNames.contains(store)) database.createObjectStore(store)
  }
}

/** Whether another connection may do better: this one closed under the work, or the browser's store failed. */
function isConnectionFailure(failure: unknown): boolean {
  return failure instanceof DOMException && ['AbortError', 'InvalidStateError', 'UnknownError'].includes(failure.name)
}

/** The result of one request. */
export function requested<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Resolves once the transaction is complete, which for a strict one means: on the disk. Rejects with why it aborted. */
export function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error ?? new DOMException('The transaction was aborted', 'AbortError'))
  })
}
