const length = 4000

/** The newest part of the log in memory: what followers of the log read again and again. */
export class LogTail<R extends { readonly position: number }> {
  /** Every record after this position is here. */
  #from: number
  #records: R[] = []

  /** @param from a position after which nothing has been committed yet. */
  constructor(from: number) {
    this.#from = from
  }

  /** Takes records as they are committed: new ones, or changed ones in the place of the old. `previous` is where a moved one was. */
  add(record: R, previous: number | undefined): void {
    if (previous !== undefined && previous !== record.position) this.#replace(previous)
    const newest = this.#records.at(-1)?.position ?? this.#from
    if (record.position <= newest) this.#replace(record.position, record)
    else this.#records.push(record)
    if (this.#records.length < 2 * length) return
    this.#records = this.#records.slice(-length)
    this.#from = (this.#records[0]?.position ?? 1) - 1
  }

  /** The records in (after, upTo], at most `limit`; `undefined` where they reach further back than this does. */
  range(after: number, upTo: number, limit: number): R[] | undefined {
    if (after < this.#from) return undefined
    const start = this.#indexAfter(after)
    return this.#records.slice(start, Math.min(this.#indexAfter(upTo), start + limit))
  }

  #replace(position: number, record?: R): void {
    const at = this.#indexAfter(position) - 1
    if (this.#records[at]?.position === position) this.#records.splice(at, 1, ...(record ? [record] : []))
  }

  /** The index of the first record after `position`. */
  #indexAfter(position: number): number {
    let low = 0
    let high = this.#records.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#records[middle]?.position ?? 0) <= position) low = middle + 1
      else high = middle
    }
    return low
  }
}
