import type { Clock } from '../ports/clock.ts'
import type { ServerName } from '../spec/event.ts'
import type { StagedEvent } from './waiting-events.ts'

/** What became of staged events that were looked at again: those that still cannot be verified. */
type Verify = (staged: readonly StagedEvent[]) => Promise<readonly StagedEvent[]>

/** Events of one server that wait for its key. */
const mostOfOrigin = 100
const firstPauseMs = 30_000
/** How often the key is asked for. */
const mostAttempts = 8

/**
 * Events whose signatures nobody can verify yet, since a key cannot be had. They stay staged, and are tried again, ever more
 * seldom; only so many from each server that sent them, and only so often.
 */
export class UnverifiedEvents {
  readonly #deps: { readonly clock: Clock; readonly verify: Verify; readonly giveUp: (staged: readonly StagedEvent[]) => Promise<void> }
  readonly #ofOrigin = new Map<ServerName, readonly StagedEvent[]>()
  readonly #stopped = new AbortController()

  constructor(deps: {
    readonly clock: Clock
    readonly verify: Verify
    readonly giveUp: (staged: readonly StagedEvent[]) => Promise<void>
  }) {
    this.#deps = deps
  }

  /** How many more events of this server may wait. */
  room(origin: ServerName): number {
    return mostOfOrigin - (this.#ofOrigin.get(origin)?.length ?? 0)
  }

  add(staged: readonly StagedEvent[]): void {
    for (const [origin, events] of Map.groupBy(staged, (each) => each.origin)) {
      const waiting = this.#ofOrigin.get(origin)
      this.#ofOrigin.set(origin, [...(waiting ?? []), ...events])
      // A failure is that of a store which is lost: the next start finds them staged.
      if (!waiting) void this.#tryAgain(origin).catch(() => undefined)
    }
  }

  stop(): void {
    this.#stopped.abort()
  }

  async #tryAgain(origin: ServerName): Promise<void> {
    const { clock, verify, giveUp } = this.#deps
    for (let pauseMs = firstPauseMs; ; pauseMs *= 2) {
      await clock.sleep(pauseMs, this.#stopped.signal)
      const waiting = this.#ofOrigin.get(origin) ?? []
      if (this.#stopped.signal.aborted) return
      const left = await verify(waiting)
      const over = left.filter(({ attempts }) => attempts + 1 >= mostAttempts)
      await giveUp(over)
      const still = left.filter((each) => !over.includes(each)).map((each) => ({ ...each, attempts: each.attempts + 1 }))
      const came = (this.#ofOrigin.get(origin) ?? []).slice(waiting.length)
      if (still.length + came.length === 0) break
      this.#ofOrigin.set(origin, [...still, ...came])
    }
    this.#ofOrigin.delete(origin)
  }
}
