import type { Key, KeyBounds, KeyRange, ReadTx, Table } from '../src/ports/storage.ts'
import { requested } from './indexeddb-connection.ts'

/** Where the browser has it: keys and values in one request, in either direction. */
interface RecordSource {
  getAllRecords(options: {
    readonly query: IDBKeyRange | null
    readonly count?: number
    readonly direction: IDBCursorDirection
  }): IDBRequest<{ readonly key: IDBValidKey; readonly value: unknown }[]>
}

/** The reads of the storage port in one IndexedDB transaction. */
export class IndexedDbReads implements ReadTx {
  readonly #transaction: IDBTransaction

  constructor(transaction: IDBTransaction) {
    this.#transaction = transaction
  }

  get<K extends Key, V>(table: Table<K, V>, key: K): Promise<V | undefined> {
    return requested(this.#transaction.objectStore(table.name).get(toIdbKey(key)))
  }

  getMany<K extends Key, V>(table: Table<K, V>, keys: readonly K[]): Promise<(V | undefined)[]> {
    const store = this.#transaction.objectStore(table.name)
    return Promise.all(keys.map((key) => requested<V | undefined>(store.get(toIdbKey(key)))))
  }

  async range<K extends Key, V>(table: Table<K, V>, range: KeyRange<K>): Promise<[K, V][]> {
    const store = this.#transaction.objectStore(table.name)
    const query = toIdbRange(range)
    if (query === 'empty' || (range.limit !== undefined && range.limit <= 0)) return []
    return typedRows(table, await rowsOf(store, query, range))
  }
}

async function rowsOf(
  store: IDBObjectStore,
  query: IDBKeyRange | null,
  { limit, reverse = false }: KeyRange<Key>,
): Promise<[IDBValidKey, unknown][]> {
  if (hasRecords(store)) {
    const records = await requested(
      store.getAllRecords({ query, ...(limit === undefined ? {} : { count: limit }), direction: reverse ? 'prev' : 'next' }),
    )
    return records.map(({ key, value }) => [key, value])
  }
  if (reverse && limit !== undefined) return rowsByCursor(store, query, limit)
  const [keys, values] = await Promise.all([requested(store.getAllKeys(query, limit)), requested<unknown[]>(store.getAll(query, limit))])
  const rows = keys.map((key, index): [IDBValidKey, unknown] => [key, values[index]])
  return reverse ? rows.reverse() : rows
}

function hasRecords(store: IDBObjectStore): store is IDBObjectStore & RecordSource {
  return 'getAllRecords' in store
}

function rowsByCursor(store: IDBObjectStore, query: IDBKeyRange | null, limit: number): Promise<[IDBValidKey, unknown][]> {
  return new Promise((resolve, reject) => {
    const rows: [IDBValidKey, unknown][] = []
    const request = store.openCursor(query, 'prev')
    request.onerror = () => reject(request.error)
    request.onsuccess = () => {
      const cursor = request.result
      if (cursor) rows.push([cursor.key, cursor.value])
      if (cursor && rows.length < limit) cursor.continue()
      else resolve(rows)
    }
  })
}

// The one place where stored rows get their declared types back: the table's declaration is the promise.
function typedRows<K extends Key, V>(_table: Table<K, V>, rows: [IDBValidKey, unknown][]): [K, V][] {
  return rows as unknown as [K, V][]
}

/** IndexedDB's type wants arrays that may be changed. */
export function toIdbKey(key: Key): IDBValidKey {
  return typeof key === 'object' ? [...key] : key
}

/** `null` for everything, `empty` for bounds that cross, which IndexedDB refuses. */
export function toIdbRange(bounds: KeyBounds<Key>): IDBKeyRange | null | 'empty' {
  const lower = bounds.from ?? bounds.after
  const upper = bounds.to ?? bounds.before
  const lowerOpen = bounds.from === undefined
  const upperOpen = bounds.to === undefined
  if (lower === undefined) return upper === undefined ? null : IDBKeyRange.upperBound(toIdbKey(upper), upperOpen)
  if (upper === undefined) return IDBKeyRange.lowerBound(toIdbKey(lower), lowerOpen)
  const order = indexedDB.cmp(toIdbKey(lower), toIdbKey(upper))
  if (order > 0 || (order === 0 && (lowerOpen || upperOpen))) return 'empty'
  return IDBKeyRange.bound(toIdbKey(lower), toIdbKey(upper), lowerOpen, upperOpen)
}
