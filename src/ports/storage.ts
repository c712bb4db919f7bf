/** A primary key: what IndexedDB orders natively. Numbers sort before strings, strings before arrays; arrays element by element. */
export type Key = number | string | readonly (number | string)[]

/**
 * A table, by name and by the types of its keys and values. Values are plain data (structured clone): never mutated once
 * written or read, since the memory adapter and caches hand out the very object.
 */
export interface Table<K extends Key, V> {
  readonly name: string
  /** Phantom: carries the types. */
  readonly row?: readonly [K, V]
}

/** Bounds of keys: `from` and `to` are included, `after` and `before` are not. */
export interface KeyBounds<K extends Key> {
  readonly from?: K
  readonly after?: K
  readonly to?: K
  readonly before?: K
}

/** What a read of a range asks for. */
export interface KeyRange<K extends Key> extends KeyBounds<K> {
  /** At most this many rows. */
  readonly limit?: number
  /** Highest key first. */
  readonly reverse?: boolean
}

/**
 * A consistent view of several tables. Issue gets together (`getMany`, `Promise.all`) and await nothing but this
 * transaction's own results inside it: IndexedDB ends a transaction that is idle.
 */
export interface ReadTx {
  get<K extends Key, V>(table: Table<K, V>, key: K): Promise<V | undefined>
  getMany<K extends Key, V>(table: Table<K, V>, keys: readonly K[]): Promise<(V | undefined)[]>
  range<K extends Key, V>(table: Table<K, V>, range: KeyRange<K>): Promise<[K, V][]>
}

/** One change, as data; made by {@link put}, {@link remove} and {@link removeRange}. */
export type Write =
  | { readonly kind: 'put'; readonly table: string; readonly key: Key; readonly value: unknown }
  | { readonly kind: 'remove'; readonly table: string; readonly key: Key }
  | { readonly kind: 'remove-range'; readonly table: string; readonly range: KeyBounds<Key> }

export type Durability = 'strict' | 'relaxed'

/**
 * Where the homeserver keeps its data.
 *
 * `commit` applies its batch wholly or not at all, and resolves once it is durable. Batches become visible, and durable, in
 * the order of the calls; concurrent ones may share a transaction, and a failing one takes no other with it. A relaxed
 * batch that joins a strict one becomes strict. Rejects with {@link StorageLost} when the store is no longer ours (a newer
 * leadership epoch) or no longer there.
 */
export interface Storage {
  read<T>(tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>): Promise<T>
  commit(batch: readonly Write[], durability: Durability): Promise<void>
}

/** The store was taken over by a newer leader, closed, or evicted: the homeserver must stop at once. */
export class StorageLost extends Error {
  override name = 'StorageLost'
}

/** Declares a table; every table must also be named in the schema's migrations. */
export function table<K extends Key, V>(name: string): Table<K, V> {
  return { name }
}

export function put<K extends Key, V>(into: Table<K, V>, key: K, value: V): Write {
  return { kind: 'put', table: into.name, key, value }
}

export function remove<K extends Key, V>(from: Table<K, V>, key: K): Write {
  return { kind: 'remove', table: from.name, key }
}

export function removeRange<K extends Key, V>(from: Table<K, V>, range: KeyBounds<K>): Write {
  return { kind: 'remove-range', table: from.name, range }
}

/** Greater than any string in a key's last place: the upper end of a prefix, as in `{ from: [user], to: [user, last] }`. */
export const last = '\uffff\uffff'
