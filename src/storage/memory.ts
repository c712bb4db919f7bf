import type { Key, KeyRange, ReadTx, Storage, Table, Write } from '../ports/storage.ts'

/**
 * Storage in memory: the twin of the IndexedDB adapter, for tests and simulation.
 *
 * Tables are sorted arrays: reads binary-search, appends at the end are cheap, as most writes are.
 */
export class MemoryStorage implements Storage {
  readonly #tables = new Map<string, Rows>()

  async read<T>(_tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>): Promise<T> {
    return run({
      get: async (table, key) => typedValue(table, this.#rows(table.name).get(key)),
      getMany: async (table, keys) => keys.map((key) => typedValue(table, this.#rows(table.name).get(key))),
      range: async (table, range) => rowsOf(table, this.#rows(table.name).range(range)),
    })
  }

  async commit(batch: readonly Write[]): Promise<void> {
    for (const write of batch) {
      const rows = this.#rows(write.table)
      if (write.kind === 'put') rows.put(write.key, write.value)
      else if (write.kind === 'remove') rows.remove(write.key)
      else rows.removeRange(write.range)
    }
  }

  #rows(name: string): Rows {
    let rows = this.#tables.get(name)
    if (!rows) {
      rows = new Rows()
      this.#tables.set(name, rows)
    }
    return rows
  }
}

// The one place where stored values get their declared types back: the table's declaration is the promise.
function typedValue<K extends Key, V>(_table: Table<K, V>, value: unknown): V | undefined {
  return value as V | undefined
}

function rowsOf<K extends Key, V>(_table: Table<K, V>, rows: readonly (readonly [Key, unknown])[]): [K, V][] {
  return rows as unknown as [K, V][]
}

class Rows {
  readonly #keys: Key[] = []
  readonly #values: unknown[] = []

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

  removeRange(range: KeyRange<Key>): void {
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

  #bounds(range: KeyRange<Key>): [number, number] {
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
export function compareKeys(a: Key, b: Key): number {
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
