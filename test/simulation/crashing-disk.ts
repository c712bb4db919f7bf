import type { Clock } from '../../src/ports/clock.ts'
import type { Durability, Key, ReadTx, Storage, Table, Write } from '../../src/ports/storage.ts'
import { StorageLost } from '../../src/ports/storage.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { events } from '../../src/storage/tables/rooms.ts'
import type { SeededRandom } from './seeded-random.ts'

const slowCommits = 0.1
const slowestMs = 40

/** By what clock, and by what chance, commits take their time; a disk without it is always fast. */
interface Slowness {
  readonly clock: Clock
  readonly random: SeededRandom
}

/**
 * A disk that outlives the homeserver on it. A crash loses every relaxed commit since the last strict one, and whatever was not
 * committed; the homeserver that had it open gets nothing more out of it. Some commits take their time, in their order.
 */
export class CrashingDisk {
  #durable: Write[] = []
  #relaxed: Write[] = []
  #session = 0
  #commits = 0
  #crashAt: number | undefined
  readonly #slowness: Slowness | undefined
  readonly #positions = new Map<Key, string>()
  /** Positions of the stream that were ever tried for two events: there must be none. */
  readonly reusedPositions: string[] = []
  /** Writes of the largest commit. */
  largestCommit = 0
  /** Called when the planned crash strikes. */
  onCrash: () => void = () => undefined

  constructor(slowness?: Slowness) {
    this.#slowness = slowness
  }

  /** Opens the disk as it is after the last crash or close. */
  open(): Storage {
    const session = ++this.#session
    this.#relaxed = []
    const memory = new MemoryStorage()
    let last: Promise<unknown> = memory.commit(this.#durable)
    const ready = last
    const alive = () => {
      if (session !== this.#session) throw new StorageLost('the disk is gone')
    }
    const write = async (batch: readonly Write[], durability: Durability) => {
      await this.#dawdle()
      alive()
      if (this.#crashAt !== undefined && ++this.#commits >= this.#crashAt) {
        // The crash falls before or after the write reached the disk, never in its middle: commits are whole.
        if (this.#commits % 2 === 0) this.#keep(batch, durability)
        this.crash()
        this.onCrash()
      }
      alive()
      this.#keep(batch, durability)
      await memory.commit(batch)
    }
    return {
      read: async <T>(tables: readonly Table<Key, unknown>[], run: (tx: ReadTx) => Promise<T>) => {
        alive()
        await ready
        return memory.read(tables, run)
      },
      commit: (batch: readonly Write[], durability: Durability) => {
        this.#watch(batch)
        const turn = last.then(() => write(batch, durability))
        last = turn.catch(() => undefined)
        return turn
      },
    }
  }

  /** What the homeserver has committed, to be looked at. */
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

  async #dawdle(): Promise<void> {
    const { clock, random } = this.#slowness ?? {}
    if (random?.chance(slowCommits)) await clock?.sleep(random.between(1, slowestMs))
  }

  #keep(batch: readonly Write[], durability: Durability): void {
    this.#relaxed.push(...batch)
    if (durability !== 'strict') return
    this.#durable.push(...this.#relaxed)
    this.#relaxed = []
  }

  #watch(batch: readonly Write[]): void {
    this.largestCommit = Math.max(this.largestCommit, batch.length)
    for (const write of batch) {
      if (write.kind !== 'put' || write.table !== events.name) continue
      const eventId = eventIdIn(write.value)
      const other = this.#positions.get(write.key)
      if (other !== undefined && other !== eventId) this.reusedPositions.push(`${write.key} for ${other} and ${eventId}`)
      this.#positions.set(write.key, eventId)
    }
  }
}

function eventIdIn(row: unknown): string {
  return typeof row === 'object' && row !== null && 'eventId' in row ? String(row.eventId) : ''
}
