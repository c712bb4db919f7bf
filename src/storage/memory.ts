import type { Key, KeyBounds, KeyRange, ReadTx, Storage, Table, Write } from '../ports/storage.ts'

/**
 * Storage in memory: the twin of the IndexedDB adapter, for tests and simulation.
 *
 * Tables are sorted arrays: reads binary-search, appends at the end are cheap, as most writes are. A table that is being read
 * is copied before it is written, so that a read sees one state from beginning to end.
 */
export class MemoryStorage implements Storage {
  readonly #tables = new Map<string, Rows>()

  async read<T>(tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>): Promise<T> {
    const snapshot = new Map(tables.map(({ name }) => [name, this.#rows(name)]))
    const rowsIn = ({ name }: { readonly name: string }): Rows => {
      const rows = snapshot.get(name)
      if (!rows) throw new Error(`the table ${name} is not among those that this read names`)
      return rows
    }
    for (const rows of snapshot.values()) rows.readers++
    try {
      return await run({
        get: async (table, key) => typedValue(table, rowsIn(table).get(key)),
        getMany: async (table, keys) => keys.map((key) => typedValue(table, rowsIn(table).get(key))),
        range: async (table, range) => rowsOf(table, rowsIn(table).range(range)),
      })
    } finally {
      for (const rows of snapshot.values()) rows.readers--
    }
  }

  async commit(batch: readonly Write[]): Promise<void> {
    if (!batch.every(isValid)) throw new Error('a batch holds a key that is neither a number, a string nor an array of them')
    for (const write of batch) {
      const rows = this.#writable(write.table)
      if (write.kind === 'put') rows.put(write.key, write.value)
      else if (write.kind === 'remove') rows.remove(write.key)
      else rows.removeRange(write.range)
    }
  }

  #rows(name: string): Rows {
    return this.#tables.get(name) ?? this.#set(name, new Rows([], []))
  }

  #writable(name: string): Rows {
    const rows = this.#rows(name)
    return rows.readers > 0 ? this.#set(name, rows.copy()) : rows
  }

  #set(name: string, rows: Rows): Rows {
    this.#tables.set(name, rows)
    return rows
  }
}

function isValid(write: Write): boolean {
  return write.kind === 'remove-range' || isKey(write.key)
}

function isKey(key: unknown): boolean {
  if (typeof key === 'number') return !Number.isNaN(key)
  return typeof key === 'string' || (Array.isArray(key) && key.every(isKey))
}

// The one place where stored values get their declared types back: the table's declaration is the promise.
function typedValue<K extends Key, V>(_table: Table<K, V>, value: unknown): V | undefined {
  return value as V | undefined
}

function rowsOf<K extends Key, V>(_table: Table<K, V>, rows: readonly (readonly [Key, unknown])[]): [K, V][] {
  return rows as unknown as [K, V][]
}

class Rows {
  /** Reads under way that must not see a change. */
  readers = 0
  readonly #keys: Key[]
  readonly #values: unknown[]

  constructor(keys: Key[], values: unknown[]) {
    this.#keys = keys
    this.#values = values
  }

  copy(): Rows {
    return new Rows([...this.#keys], [...this.#values])
  }

  get(key: Key): unknown {
    const at = this.#find(key)
    return this.#matches(at, key) ? this.#values[at] : undefined
  }

  put(key: Key, value: unknown): void {
    const at = this.#find(key)
    if (this.#matches(at, key)) this.#values[at] = value
    else {
      this.#keys.splice(at, 0, key)
      this.#values.splice(at, 0, value)
    }
  }

  remove(key: Key): void {
    const at = this.#find(key)
    if (this.#matches(at, key)) this.#cut(at, at + 1)
  }

  removeRange(range: KeyBounds<Key>): void {
    const [start, end] = this.#bounds(range)
    if (end > start) this.#cut(start, end)
  }

  range(range: KeyRange<Key>): [Key, unknown][] {
    const [start, end] = this.#bounds(range)
    const count = Math.max(0, Math.min(end - start, range.limit ?? Number.POSITIVE_INFINITY))
    const from = range.reverse ? end - count : start
    const rows = this.#keys.slice(from, from + count).map((key, i): [Key, unknown] => [key, this.#values[from + i]])
    return range.reverse ? rows.reverse() : rows
  }

  #cut(start: number, end: number): void {
    this.#keys.splice(start, end - start)
    this.#values.splice(start, end - start)
  }

  #matches(at: number, key: Key): boolean {
    const found = this.#keys[at]
    return found !== undefined && compareKeys(found, key) === 0
  }

  #bounds(range: KeyBounds<Key>): [number, number] {
    const start = range.from !== undefined ? this.#find(range.from) : range.after !== undefined ? this.#find(range.after, true) : 0
    const end =
      range.to !== undefined ? this.#find(range.to, true) : range.before !== undefined ? this.#find(range.before) : this.#keys.length
    return [start, end]
  }

  /** The index of the first key not below `key` (or, with `past`, above it). */
  #find(key: Key, past = false): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      const order = compareKeys(this.#keys[middle] ?? 0, key)
      if (order < 0 || (past && order === 0)) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** IndexedDB's order of keys: numbers, then strings by UTF-16 unit, then arrays element by element. */
function compareKeys(a: Key, b: Key): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'object' && typeof b === 'object') {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const order = compareKeys(a[i] ?? 0, b[i] ?? 0)
      if (order !== 0) return order
    }
    return a.length - b.length
  }
  return rank(a) - rank(b)
}

function rank(key: Key): number {
  return typeof key === 'number' ? 0 : typeof key === 'string' ? 1 : 2
}
