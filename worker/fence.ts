import { StorageLost } from '../src/ports/storage.ts'

const tickMs = 500
/** Far below the silence after which another tab takes the lead. */
const jumpMs = 3000

/**
 * Stands between a homeserver worker and the world. A worker that was frozen cannot know whether another leads meanwhile: when
 * the clock has jumped, nothing passes until storage says that the leadership is still its own.
 */
export class Fence {
  readonly #isOurs: () => Promise<boolean>
  readonly #ticking: ReturnType<typeof setInterval>
  #lastSeen = Date.now()
  #checking: Promise<void> | undefined
  #closed: StorageLost | undefined

  /** @param isOurs whether the leadership is still ours, by what is stored */
  constructor(isOurs: () => Promise<boolean>) {
    this.#isOurs = isOurs
    this.#ticking = setInterval(() => this.#look(), tickMs)
  }

  /** Resolves when the worker may act; rejects with `StorageLost` for ever once it may not. */
  async pass(): Promise<void> {
    this.#look()
    if (this.#checking) await this.#checking
    if (this.#closed) throw this.#closed
  }

  /** Lets nothing pass any more. */
  close(lost: StorageLost): void {
    this.#closed ??= lost
    clearInterval(this.#ticking)
  }

  #look(): void {
    const now = Date.now()
    const jumped = Math.abs(now - this.#lastSeen) > jumpMs
    this.#lastSeen = now
    if (jumped) this.#checking ??= this.#check()
  }

  async #check(): Promise<void> {
    const isOurs = await this.#isOurs().catch(() => false)
    if (!isOurs) this.close(new StorageLost('another leader took over while this one was frozen'))
    this.#checking = undefined
  }
}
