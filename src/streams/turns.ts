/** Lets changes of one thing, named by a key, happen one after the other: what reads, then writes, what another may write. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs `change` once all earlier ones of the same key have settled, and resolves or rejects as it does. */
  async take<T>(key: string, change: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(change, change)
    this.#last.set(key, turn)
    try {
      return await turn
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key)
    }
  }
}
