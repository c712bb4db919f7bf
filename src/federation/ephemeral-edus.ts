import type { Edu } from '../spec/edu.ts'

interface Held {
  readonly edu: Edu
  readonly since: number
}

/** EDUs that nobody misses, held for a server. */
const mostHeld = 200
const typingLifeMs = 30_000

/** EDUs for one destination that may be lost: the newest for each key, oldest first, bounded. */
export class EphemeralEdus {
  readonly #held = new Map<string, Held>()

  get size(): number {
    return this.#held.size
  }

  hold(key: string, edu: Edu, now: number): void {
    this.#held.delete(key)
    this.#held.set(key, { edu, since: now })
    if (this.#held.size <= mostHeld) return
    const [oldest] = this.#held.keys()
    if (oldest !== undefined) this.#held.delete(oldest)
  }

  /** Takes out at most `most` of them; what is no longer worth telling is dropped. */
  take(most: number, now: number): [string, Edu][] {
    const taken: [string, Edu][] = []
    for (const [key, { edu, since }] of this.#held) {
      if (taken.length >= most) break
      this.#held.delete(key)
      if (edu.edu_type !== 'm.typing' || now - since < typingLifeMs) taken.push([key, edu])
    }
    return taken
  }

  /** Puts back what could not be sent, unless there is newer. */
  putBack(taken: readonly (readonly [string, Edu])[], now: number): void {
    for (const [key, edu] of taken) if (!this.#held.has(key) && this.#held.size < mostHeld) this.hold(key, edu, now)
  }
}
