/** A binary heap: items come out smallest first by `compare`, which must be a total order if the outcome is to be one. */
export class PriorityQueue<Item> {
  readonly #compare: (a: Item, b: Item) => number
  readonly #items: Item[] = []

  constructor(compare: (a: Item, b: Item) => number) {
    this.#compare = compare
  }

  push(item: Item): void {
    let place = this.#items.length
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = this.#items[parent]
      if (above === undefined || this.#compare(item, above) >= 0) break
      this.#items[place] = above
      place = parent
    }
    this.#items[place] = item
  }

  /** Takes the smallest item out; `undefined` if there is none. */
  pop(): Item | undefined {
    const smallest = this.#items[0]
    const item = this.#items.pop()
    if (item !== undefined && this.#items.length > 0) this.#sink(item)
    return smallest
  }

  #sink(item: Item): void {
    let place = 0
    for (;;) {
      const child = this.#smallerChild(place)
      const below = this.#items[child]
      if (below === undefined || this.#compare(item, below) <= 0) break
      this.#items[place] = below
      place = child
    }
    this.#items[place] = item
  }

  #smallerChild(place: number): number {
    const left = 2 * place + 1
    const [one, other] = [this.#items[left], this.#items[left + 1]]
    return one !== undefined && other !== undefined && this.#compare(other, one) < 0 ? left + 1 : left
  }
}
