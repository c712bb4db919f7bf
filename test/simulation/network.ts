import { readBytes } from '../../src/http/json-body.ts'
import type { Handler } from '../../src/http/router.ts'
import type { FederationTransport, Route, WireRequest, WireResponse } from '../../src/ports/federation-transport.ts'
import type { SeededRandom } from './seeded-random.ts'
import { TransactionLedger } from './transaction-ledger.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What the network does to a message. */
export interface NetworkFaults {
  /** Probability that a request, or the answer to one that arrived, is lost. */
  readonly loss: number
  /** Probability that a request arrives once more, much later. */
  readonly duplicate: number
  readonly maxDelayMs: number
}

const latestDuplicateMs = 20_000

/** The wires between simulated homeservers. */
export class Network {
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #ledger: TransactionLedger
  readonly #handlers = new Map<string, Handler>()
  readonly #cuts = new Set<string>()
  readonly #listeners = new Map<string, Set<(server: string) => void>>()
  faults: NetworkFaults = { loss: 0, duplicate: 0, maxDelayMs: 50 }

  constructor(clock: VirtualClock, random: SeededRandom, ledger: TransactionLedger = new TransactionLedger()) {
    this.#clock = clock
    this.#random = random
    this.#ledger = ledger
  }

  attach(server: string, handler: Handler): void {
    this.#handlers.set(server, handler)
    for (const [other, listeners] of this.#listeners)
      if (other !== server && this.#connects(other, server)) for (const tell of listeners) tell(server)
  }

  detach(server: string): void {
    this.#handlers.delete(server)
    this.#listeners.delete(server)
  }

  /** Nothing passes from `from` to `to`; the other direction is untouched. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`)
  }

  /** Cut wires carry again; what else is wrong with the network stays. */
  mend(): void {
    this.#cuts.clear()
    this.#announce()
  }

  heal(): void {
    this.faults = { loss: 0, duplicate: 0, maxDelayMs: 50 }
    this.mend()
  }

  /** The transport of one server. */
  transport(from: string): FederationTransport {
    return {
      request: (to, request, signal) => this.#request(from, to, { request, signal }),
      onReachable: (listener) => {
        const listeners = this.#listeners.get(from) ?? new Set()
        this.#listeners.set(from, listeners.add(listener))
        return () => listeners.delete(listener)
      },
      route: (to): Route => (this.#connects(from, to) ? 'direct' : 'queued'),
    }
  }

  #announce(): void {
    for (const [server, listeners] of this.#listeners) {
      for (const other of this.#handlers.keys()) if (other !== server) for (const tell of listeners) tell(other)
    }
  }

  #connects(from: string, to: string): boolean {
    return this.#handlers.has(to) && !this.#cuts.has(`${from} ${to}`) && !this.#cuts.has(`${to} ${from}`)
  }

  async #request(from: string, to: string, { request, signal }: { request: WireRequest; signal: AbortSignal }): Promise<WireResponse> {
    this.#ledger.sent(from, to, request)
    await this.#travel(from, to)
    if (this.#random.chance(this.faults.duplicate)) void this.#repeat(to, request)
    const response = await this.#deliver(to, request, signal)
    await this.#travel(to, from)
    return response
  }

  /** The same request once more, when much else has arrived since; nobody waits for the answer. */
  async #repeat(to: string, request: WireRequest): Promise<void> {
    await this.#clock.sleep(this.#random.between(1, latestDuplicateMs))
    await this.#deliver(to, request, new AbortController().signal).catch(() => undefined)
  }

  async #travel(from: string, to: string): Promise<void> {
    await this.#clock.sleep(this.#random.between(1, this.faults.maxDelayMs))
    if (this.#cuts.has(`${from} ${to}`) || this.#random.chance(this.faults.loss)) throw new Error(`lost between ${from} and ${to}`)
  }

  async #deliver(to: string, request: WireRequest, signal: AbortSignal): Promise<WireResponse> {
    const handler = this.#handlers.get(to)
    if (!handler) throw new Error(`${to} is down`)
    const { method, uri, headers, body } = request
    const response = await handler(
      new Request(`https://${to}${uri}`, { method, headers, signal, ...(body && method !== 'GET' ? { body } : {}) }),
      { trusted: false, address: 'network', uri },
    )
    const bytes = await readBytes(response.body, 64 << 20)
    if (this.#handlers.get(to) !== handler) throw new Error(`${to} went down`)
    return { status: response.status, headers: Object.fromEntries(response.headers), body: bytes }
  }
}
