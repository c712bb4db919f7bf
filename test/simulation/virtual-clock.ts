import type { Clock } from '../../src/ports/clock.ts'

interface Timer {
  readonly at: number
  readonly order: number
  readonly fire: () => void
}

/** How often the event loop is let run dry before time moves: web streams hop between micro- and macrotasks. */
const settleRounds = 6

/** Time that moves only when nothing else can happen. */
export class VirtualClock implements Clock {
  #now: number
  #order = 0
  readonly #timers = new Set<Timer>()

  constructor(start: number) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const stop = () => {
        this.#timers.delete(timer)
        resolve()
      }
      const timer: Timer = {
        at: this.#now + Math.max(0, ms),
        order: this.#order++,
        fire: () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        },
      }
      this.#timers.add(timer)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  /** The same time as another server sees it, `skewMs` ahead. */
  skewed(skewMs: number): Clock {
    return { now: () => this.#now + skewMs, sleep: (ms, signal) => this.sleep(ms, signal) }
  }

  /** Lets everything that can happen happen, until `ms` have passed. */
  async run(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (let next = this.#earliest(); next && next.at <= end; next = this.#earliest()) {
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fire()
      await settle()
    }
    this.#now = end
  }

  #earliest(): Timer | undefined {
    let earliest: Timer | undefined
    for (const timer of this.#timers) {
      if (!earliest || timer.at < earliest.at || (timer.at === earliest.at && timer.order < earliest.order)) earliest = timer
    }
    return earliest
  }
}

async function settle(): Promise<void> {
  for (let round = 0; round < settleRounds; round++) await new Promise((resolve) => setImmediate(resolve))
}
