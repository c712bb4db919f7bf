import 'fake-indexeddb/auto'
import { forceCloseDatabase } from 'fake-indexeddb'
import { describe, expect, it } from 'vitest'
import { put, StorageLost, table } from '../../src/ports/storage.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { IndexedDbStorage } from '../../worker/indexeddb-storage.ts'
import { storageSuite, suiteMigrations } from './storage-suite.ts'

let databases = 0
const freshName = () => `storage-${++databases}`
const openFresh = () => IndexedDbStorage.open(freshName(), suiteMigrations)
const letters = table<string, number>('letters')
const get = (storage: IndexedDbStorage, key: string) => storage.read([letters], (tx) => tx.get(letters, key))

describe('memory storage', () => {
  it.each(storageSuite)('$name', ({ run }) => run(new MemoryStorage(), async () => new MemoryStorage()))
})

describe('IndexedDB storage', () => {
  it.each(storageSuite)('$name', async ({ run }) => run(await openFresh(), openFresh))

  it('keeps what was committed for the next opening, which has a higher epoch', async () => {
    const name = freshName()
    const first = await IndexedDbStorage.open(name, suiteMigrations)
    const committed = first.commit([put(letters, 'a', 1)], 'strict')
    await first.close()
    await committed
    const second = await IndexedDbStorage.open(name, suiteMigrations)
    expect(await get(second, 'a')).toBe(1)
    expect(second.epoch).toBeGreaterThan(first.epoch)
  })

  it('adds the tables of later migrations and keeps the rows of the earlier ones', async () => {
    const name = freshName()
    const old = await IndexedDbStorage.open(name, suiteMigrations.slice(0, 1))
    await old.commit([put(letters, 'a', 1)], 'strict')
    await old.close()
    const upgraded = await IndexedDbStorage.open(name, suiteMigrations)
    const mixed = table<number, string>('mixed')
    await upgraded.commit([put(mixed, 1, 'one')], 'strict')
    expect(await get(upgraded, 'a')).toBe(1)
  })

  it('writes nothing once a newer leader has opened it, and says that it is lost', async () => {
    const name = freshName()
    const former = await IndexedDbStorage.open(name, suiteMigrations)
    const reasons: string[] = []
    former.onLost(({ message }) => reasons.push(message))
    const leader = await IndexedDbStorage.open(name, suiteMigrations)
    expect([await former.isOurs(), await leader.isOurs()]).toEqual([false, true])
    await expect(former.commit([put(letters, 'a', 1)], 'strict')).rejects.toThrow(StorageLost)
    await expect(former.commit([put(letters, 'a', 1)], 'relaxed')).rejects.toThrow(StorageLost)
    await expect(get(former, 'a')).rejects.toThrow(StorageLost)
    expect(await get(leader, 'a')).toBeUndefined()
    expect(reasons).toHaveLength(1)
  })

  it('reopens a connection that the browser closed, for reads and for commits', async () => {
    const opened: IDBDatabase[] = []
    const storage = await recordingDatabases(opened, openFresh)
    await storage.commit([put(letters, 'a', 1)], 'strict')
    await recordingDatabases(opened, async () => {
      forceClose(opened.at(-1))
      expect(await get(storage, 'a')).toBe(1)
      forceClose(opened.at(-1))
      await storage.commit([put(letters, 'a', 2)], 'strict')
    })
    expect(await get(storage, 'a')).toBe(2)
    expect(opened).toHaveLength(3)
  })

  it('is lost, and not made anew, when the browser deleted it', async () => {
    const name = freshName()
    const opened: IDBDatabase[] = []
    const storage = await recordingDatabases(opened, () => IndexedDbStorage.open(name, suiteMigrations))
    forceClose(opened.at(-1))
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(name).onsuccess = resolve
    })
    await expect(get(storage, 'a')).rejects.toThrow(StorageLost)
    await expect(storage.commit([put(letters, 'a', 1)], 'strict')).rejects.toThrow(StorageLost)
    expect((await indexedDB.databases()).map((database) => database.name)).not.toContain(name)
  })

  it('gives way to a newer version of itself', async () => {
    const name = freshName()
    const old = await IndexedDbStorage.open(name, suiteMigrations.slice(0, 1))
    const newer = await IndexedDbStorage.open(name, suiteMigrations)
    await expect(old.commit([put(letters, 'a', 1)], 'strict')).rejects.toThrow(StorageLost)
    await newer.commit([put(letters, 'a', 1)], 'strict')
  })

  it('makes a relaxed batch strict when it shares a transaction with a strict one, and shares transactions', async () => {
    const durabilities: (string | undefined)[] = []
    const storage = await openFresh()
    const { transaction } = IDBDatabase.prototype
    IDBDatabase.prototype.transaction = function (names, mode, options) {
      durabilities.push(options?.durability)
      return transaction.call(this, names, mode, options)
    }
    try {
      await storage.commit([put(letters, 'a', 1)], 'relaxed')
      await Promise.all(
        ['relaxed', 'strict', 'relaxed'].map((durability) =>
          storage.commit([put(letters, 'b', 1)], durability === 'strict' ? 'strict' : 'relaxed'),
        ),
      )
    } finally {
      IDBDatabase.prototype.transaction = transaction
    }
    expect(durabilities).toEqual(['relaxed', 'strict'])
  })

  it('refuses a table that no migration names', async () => {
    const storage = await openFresh()
    await expect(storage.commit([put(table<string, number>('nowhere'), 'a', 1)], 'strict')).rejects.toThrow('nowhere')
  })
})

async function recordingDatabases<T>(opened: IDBDatabase[], run: () => Promise<T>): Promise<T> {
  const { open } = IDBFactory.prototype
  IDBFactory.prototype.open = function (name, version) {
    const request = open.call(this, name, version)
    request.addEventListener('success', () => opened.push(request.result))
    return request
  }
  try {
    return await run()
  } finally {
    IDBFactory.prototype.open = open
  }
}

// The library's type names the class where it means an instance.
function forceClose(database: IDBDatabase | undefined): void {
  Reflect.apply(forceCloseDatabase, undefined, [database])
}
