import type { BlobStore } from '../src/ports/blob-store.ts'
import { completed, IndexedDbConnection, requested } from './indexeddb-connection.ts'

const chunkBytes = 1 << 20
/** Blob key → length in bytes. */
const lengths = 'lengths'
/** [blob key, number] → that piece of its bytes. */
const chunks = 'chunks'

/** Media in an IndexedDB database of its own, in pieces, so that no read or write of media delays the tables. */
export async function openBlobStore(name: string): Promise<BlobStore> {
  const connection = await IndexedDbConnection.open({ name, version: 1, stores: [lengths, chunks] })
  const stored = await connection.run((database) => requested<number[]>(database.transaction(lengths).objectStore(lengths).getAll()))
  let total = stored.reduce((sum, length) => sum + length, 0)

  /** Replaces what is under `key`; resolves once that is on the disk. */
  const replace = (key: string, bytes: Uint8Array<ArrayBuffer> | undefined): Promise<number> =>
    connection.run(async (database) => {
      const transaction = database.transaction([lengths, chunks], 'readwrite', { durability: 'strict' })
      const done = completed(transaction)
      const before = requested<number | undefined>(transaction.objectStore(lengths).get(key))
      const store = transaction.objectStore(chunks)
      store.delete(piecesOf(key))
      if (bytes) {
        transaction.objectStore(lengths).put(bytes.byteLength, key)
        // Copied: a piece that is only a view would be stored with all of its buffer.
        for (let at = 0; at < bytes.byteLength; at += chunkBytes) store.put(bytes.slice(at, at + chunkBytes), [key, at / chunkBytes])
      } else transaction.objectStore(lengths).delete(key)
      const [previous] = await Promise.all([before, done])
      return (bytes?.byteLength ?? 0) - (previous ?? 0)
    })

  return {
    write: async (key, bytes) => {
      total += await replace(key, bytes)
    },
    remove: async (key) => {
      total += await replace(key, undefined)
    },
    read: (key) =>
      connection.run(async (database) => {
        const transaction = database.transaction([lengths, chunks])
        const [length, pieces] = await Promise.all([
          requested<number | undefined>(transaction.objectStore(lengths).get(key)),
          requested<Uint8Array[]>(transaction.objectStore(chunks).getAll(piecesOf(key))),
        ])
        if (length === undefined) return undefined
        const bytes = new Uint8Array(length)
        for (const [index, piece] of pieces.entries()) bytes.set(piece, index * chunkBytes)
        return bytes
      }),
    usage: async () => ({ bytes: total, quota: (await navigator.storage?.estimate())?.quota }),
  }
}

function piecesOf(key: string): IDBKeyRange {
  return IDBKeyRange.bound([key, 0], [key, Number.POSITIVE_INFINITY])
}
