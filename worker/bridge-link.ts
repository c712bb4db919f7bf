import { transferOf } from './port-body.ts'
import type { BridgeRequest, BridgeResponse, FromHomeserver, ToHomeserver } from './protocol.ts'

type Outgoing = Omit<BridgeRequest, 'type' | 'id'>

/** The service worker's end of a port on which a homeserver worker has said hello. */
export class BridgeLink {
  readonly worker: string
  readonly epoch: number
  readonly #port: MessagePort
  readonly #ended = new AbortController()
  readonly #pending = new Map<number, (outcome: BridgeResponse | 'lost') => void>()
  #nextId = 1

  constructor(port: MessagePort, hello: { readonly worker: string; readonly epoch: number }) {
    this.worker = hello.worker
    this.epoch = hello.epoch
    this.#port = port
    port.onmessage = ({ data }: MessageEvent<FromHomeserver>) => {
      if (data.type === 'response') this.#settle(data.id, data)
    }
    port.addEventListener('close', () => this.end())
  }

  /** Aborts when the worker died or was replaced. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** Resolves with the answer, or with `lost` if the worker ends first. Rejects when `signal` aborts. */
  exchange(request: Outgoing, signal: AbortSignal): Promise<BridgeResponse | 'lost'> {
    if (this.ended.aborted) return Promise.resolve('lost')
    signal.throwIfAborted()
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#pending.delete(id)
        this.#post({ type: 'abort', id })
        reject(signal.reason)
      }
      this.#pending.set(id, (outcome) => {
        signal.removeEventListener('abort', abort)
        resolve(outcome)
      })
      signal.addEventListener('abort', abort, { once: true })
      this.#post({ ...request, type: 'request', id }, transferOf(request.body))
    })
  }

  /** Closes the port; what is pending is lost. */
  end(): void {
    this.#ended.abort()
    this.#port.close()
    for (const id of [...this.#pending.keys()]) this.#settle(id, 'lost')
  }

  #settle(id: number, outcome: BridgeResponse | 'lost'): void {
    const settle = this.#pending.get(id)
    this.#pending.delete(id)
    settle?.(outcome)
  }

  #post(message: ToHomeserver, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer)
  }
}
