import { ControlError, type HostStatus, readStatus } from './control.ts'

/** What a page knows of its homeserver. `problem` is set while no tab of it answers. */
export interface Observed {
  readonly status: HostStatus | undefined
  readonly problem: string | undefined
}

const everyMs = 5_000
const startingEveryMs = 500

/** Watches the homeserver of this origin, for React's `useSyncExternalStore`. */
export class HomeserverMonitor {
  #observed: Observed = { status: undefined, problem: undefined }
  readonly #listeners = new Set<() => void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #round = 0

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) void this.refresh()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearTimeout(this.#timer)
      this.#round++
    }
  }

  readonly observed = (): Observed => this.#observed

  /** Looks now, and from then on every few seconds. */
  readonly refresh = async (): Promise<void> => {
    clearTimeout(this.#timer)
    const round = ++this.#round
    const observed = await observe(this.#observed.status)
    if (round !== this.#round) return
    this.#observed = observed
    for (const listener of this.#listeners) listener()
    this.#timer = setTimeout(this.refresh, observed.status && !observed.problem ? everyMs : startingEveryMs)
  }
}

async function observe(before: HostStatus | undefined): Promise<Observed> {
  try {
    return { status: await readStatus(), problem: undefined }
  } catch (error) {
    return { status: before, problem: error instanceof ControlError ? error.message : 'The homeserver does not answer' }
  }
}
