import type { Durability, Key, ReadTx, Storage, Table, Write } from '../../src/ports/storage.ts'
import { StorageLost } from '../../src/ports/storage.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'

/**
 * A disk that outlives the homeserver on it. A crash loses every relaxed commit since the last strict one, and whatever was not
 * committed; the homeserver that had it open gets nothing more out of it.
 */
export class CrashingDisk {
  #durable: Write[] = []
  #relaxed: Write[] = []
  #session = 0
  #commits = 0
  #crashAt: number | undefined
  /** Called when the planned crash strikes. */
  onCrash: () => void = () => undefined

  /** Opens the disk as it is after the last crash or close. */
  open(): Storage {
    const session = ++this.#session
    this.#relaxed = []
    const memory = new MemoryStorage()
    const ready = memory.commit(this.#durable)
    const alive = () => {
      if (session !== this.#session) throw new StorageLost('the disk is gone')
    }
    return {
      read: async <T>(tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>) => {
        alive()
        await ready
        return memory.read(tables, run)
      },
      commit: async (batch: readonly Write[], durability: Durability) => {
        alive()
        await ready
        if (this.#crashAt !== undefined && ++this.#commits >= this.#crashAt) {
          // The crash falls before or after the write reached the disk, never in its middle: commits are whole.
          if (this.#commits % 2 === 0) this.#keep(batch, durability)
          this.crash()
          this.onCrash()
        }
        alive()
        this.#keep(batch, durability)
        await memory.commit(batch)
      },
    }
  }

  /** What is durable now, to be looked at. */
  inspect(): Storage {
    const memory = new MemoryStorage()
    const ready = memory.commit([...this.#durable, ...this.#relaxed])
    return {
      read: async <T>(tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>) => {
        await ready
        return memory.read(tables, run)
      },
      commit: () => Promise.reject(new Error('only to be looked at')),
    }
  }

  /** Power loss, now. */
  crash(): void {
    this.#session++
    this.#relaxed = []
    this.#crashAt = undefined
  }

  /** Power loss at the `count`th commit from now. */
  crashAfter(count: number): void {
    this.#commits = 0
    this.#crashAt = count
  }

  #keep(batch: readonly Write[], durability: Durability): void {
    this.#relaxed.push(...batch)
    if (durability !== 'strict') return
    this.#durable.push(...this.#relaxed)
    this.#relaxed = []
  }
}
