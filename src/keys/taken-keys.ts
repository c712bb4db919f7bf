/** Claims of the same keys that are under way together. */
interface Claims {
  count: number
  /** Rows handed out among them: kept until the last has ended, since any may have read them before they were removed. */
  readonly taken: Set<string>
}

/** What claims under way have taken of stocks of keys, so that no two take the same. */
export class TakenKeys {
  readonly #claims = new Map<string, Claims>()

  /** A claim of keys of these stocks begins: to be called before it reads anything. */
  begin(stocks: readonly string[]): void {
    for (const stock of stocks) {
      const claims = this.#claims.get(stock) ?? { count: 0, taken: new Set() }
      claims.count++
      this.#claims.set(stock, claims)
    }
  }

  /** The claim has ended: what it took is gone for good, or was given back. */
  end(stocks: readonly string[]): void {
    for (const stock of stocks) {
      const claims = this.#claims.get(stock)
      if (claims && --claims.count === 0) this.#claims.delete(stock)
    }
  }

  /** How many rows of a stock are taken. */
  count(stock: string): number {
    return this.#claims.get(stock)?.taken.size ?? 0
  }

  /** Takes a row; `false` if another claim has it. */
  take(stock: string, row: string): boolean {
    const taken = this.#claims.get(stock)?.taken
    if (!taken || taken.has(row)) return false
    taken.add(row)
    return true
  }

  /** Gives a row back: the claim failed. */
  giveBack(stock: string, row: string): void {
    this.#claims.get(stock)?.taken.delete(row)
  }
}
