import type { MemoryStorage } from '../../src/storage/memory.ts'

/** Counts the events that are read from storage. */
export function eventsRead(storage: MemoryStorage): () => number {
  let count = 0
  const read = storage.read.bind(storage)
  storage.read = (tables, run) =>
    read(tables, (tx) =>
      run({
        ...tx,
        getMany: (table, keys) => {
          if (table.name === 'events') count += keys.length
          return tx.getMany(table, keys)
        },
      }),
    )
  return () => count
}
