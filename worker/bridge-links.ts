import { BridgeLink } from './bridge-link.ts'
import { type FromHomeserver, lifeLock } from './protocol.ts'

const askAgainMs = 250
const helloWithinMs = 5000

/**
 * Finds the current leader's homeserver worker, and again whenever it is gone.
 *
 * A port counts only once the worker itself has said hello over it: a page that is being closed still hands out ports to a
 * worker that is dead already. A worker of an older leadership never replaces one of a newer.
 */
export class BridgeLinks {
  readonly #ask: () => Promise<void>
  readonly #watched = new Set<string>()
  #current: BridgeLink | undefined
  #waiting: (() => void)[] = []

  /** @param ask asks every tab host for a port; the leader's answer goes to {@link offer} */
  constructor(ask: () => Promise<void>) {
    this.#ask = ask
  }

  /** Takes a port that a tab host sent. */
  offer(port: MessagePort): void {
    const impatience = setTimeout(() => port.close(), helloWithinMs)
    port.onmessage = ({ data }: MessageEvent<FromHomeserver>) => {
      if (data.type !== 'hello') return
      clearTimeout(impatience)
      this.#adopt(port, data)
    }
  }

  /** The link to the leader, or `undefined` if there is none until `deadline` (milliseconds since the epoch). */
  async find(deadline: number): Promise<BridgeLink | undefined> {
    while (!this.#current) {
      if (Date.now() > deadline) return undefined
      // Subscribed before asking: the answer may come while the asking is under way.
      const found = new Promise<void>((resolve) => this.#waiting.push(resolve))
      await this.#ask()
      await Promise.race([found, new Promise((resolve) => setTimeout(resolve, askAgainMs))])
    }
    return this.#current
  }

  #adopt(port: MessagePort, hello: { readonly worker: string; readonly epoch: number }): void {
    const current = this.#current
    if (current && (current.worker === hello.worker || current.epoch > hello.epoch)) {
      port.close()
      return
    }
    const link = new BridgeLink(port, hello)
    this.#current = link
    link.ended.addEventListener('abort', () => {
      if (this.#current === link) this.#current = undefined
    })
    current?.end()
    this.#watch(hello.worker)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** The worker holds its life lock exclusively: whoever gets a share of it knows that the worker is dead. */
  #watch(worker: string): void {
    if (this.#watched.has(worker)) return
    this.#watched.add(worker)
    void navigator.locks.request(lifeLock(worker), { mode: 'shared' }, () => {
      this.#watched.delete(worker)
      if (this.#current?.worker === worker) this.#current.end()
    })
  }
}
