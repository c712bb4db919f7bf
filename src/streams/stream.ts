import { type Durability, put, type Storage, type Write } from '../ports/storage.ts'
import { meta } from '../storage/tables/streams.ts'

const blockSize = 4096

/** A place in the homeserver's one stream. Positions are dense enough to range over, never used twice, and grow with commits. */
export type Position = number

/**
 * The homeserver's one stream position.
 *
 * Positions are reserved in storage in blocks, and a start jumps to the reserved mark, so that no position is ever used
 * twice, whatever was lost in a crash. They are allocated in the same step as the commit is queued: commit order is
 * position order.
 */
export class Stream {
  readonly #storage: Storage
  #next: Position
  #reserved: Position
  #durable: Position
  readonly #inFlight: { readonly first: Position }[] = []
  #reserving: Promise<void> | undefined
  readonly #listeners = new Set<(position: Position) => void>()

  private constructor(storage: Storage, start: Position) {
    this.#storage = storage
    this.#next = start + 1
    this.#reserved = start
    this.#durable = start
  }

  /** Opens the stream at its reserved mark. */
  static async open(storage: Storage): Promise<Stream> {
    const mark = (await storage.read([meta], (tx) => tx.get(meta, 'position'))) ?? 0
    return new Stream(storage, mark)
  }

  /** The newest position all of whose predecessors are durable: what readers may read up to. */
  get current(): Position {
    return this.#durable
  }

  /**
   * Allocates `count` positions, commits what `build` makes of the first of them, and resolves once that is durable with the
   * first. `published` runs then, before any waiting reader is woken: the place to publish caches.
   * `build` must be synchronous, so that nothing overtakes it between the allocation and the commit.
   */
  async commit(
    count: number,
    build: (first: Position) => readonly Write[],
    options: { readonly durability?: Durability; readonly published?: (first: Position) => void } = {},
  ): Promise<Position> {
    while (this.#next + count - 1 > this.#reserved) await this.#reserve(count)
    const first = this.#next
    const writes = build(first)
    this.#next += count
    const flight = { first }
    this.#inFlight.push(flight)
    try {
      await this.#storage.commit(writes, options.durability ?? 'strict')
      options.published?.(first)
    } finally {
      this.#settle(flight)
    }
    return first
  }

  /** Calls `listener` with the newest durable position whenever it moves. Returns the way to stop. */
  onAdvance(listener: (position: Position) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // A failed commit leaves a hole, which readers pass over like any position of another table.
  #settle(flight: { readonly first: Position }): void {
    this.#inFlight.splice(this.#inFlight.indexOf(flight), 1)
    const durable = (this.#inFlight[0]?.first ?? this.#next) - 1
    if (durable <= this.#durable) return
    this.#durable = durable
    for (const listener of this.#listeners) listener(durable)
  }

  async #reserve(count: number): Promise<void> {
    this.#reserving ??= (async () => {
      const mark = Math.max(this.#reserved, this.#next - 1) + Math.max(blockSize, count)
      await this.#storage.commit([put(meta, 'position', mark)], 'strict')
      this.#reserved = mark
    })().finally(() => {
      this.#reserving = undefined
    })
    await this.#reserving
  }
}
