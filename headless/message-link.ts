import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { decodeMessage, encodeMessage, type Message } from './wire-message.ts'

type WholeResponse = WireResponse & { readonly body: Uint8Array<ArrayBuffer> }

/** A request as one end of the link gives it to the other. */
export interface LinkRequest {
  readonly surface: 'client' | 'federation'
  /** Who asks, for rate limits. */
  readonly address: string
  /** The server it is for. */
  readonly to: string
  readonly request: WireRequest
}

/** Requests in both directions over one socket, any number at once. */
export class MessageLink {
  readonly #send: (bytes: Uint8Array<ArrayBuffer>) => void
  readonly #answer: (request: LinkRequest, signal: AbortSignal) => Promise<WholeResponse>
  readonly #waiting = new Map<number, { readonly resolve: (response: WholeResponse) => void; readonly reject: (reason: Error) => void }>()
  readonly #answering = new Map<number, AbortController>()
  #calls = 0
  /** Called when the other end says that it is ready. */
  onReady: (serverName: string) => void = () => undefined

  constructor(
    send: (bytes: Uint8Array<ArrayBuffer>) => void,
    answer: (request: LinkRequest, signal: AbortSignal) => Promise<WholeResponse>,
  ) {
    this.#send = send
    this.#answer = answer
  }

  /** Sends a request. Rejects when the other end could not answer it, or is gone. */
  request(request: LinkRequest, signal: AbortSignal): Promise<WholeResponse> {
    const call = ++this.#calls
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#waiting.delete(call)
        signal.removeEventListener('abort', abort)
      }
      const abort = () => {
        settle()
        this.#post({ kind: 'abort', call })
        reject(new Error('The request was given up'))
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.set(call, {
        resolve: (response) => {
          settle()
          resolve(response)
        },
        reject: (reason) => {
          settle()
          reject(reason)
        },
      })
      this.#post({ kind: 'request', call, ...request })
    })
  }

  ready(serverName: string): void {
    this.#post({ kind: 'ready', serverName })
  }

  /** Takes what came over the socket. */
  receive(bytes: Uint8Array<ArrayBuffer>): void {
    const message = decodeMessage(bytes)
    if (message.kind === 'request') void this.#respond(message.call, message)
    else if (message.kind === 'response') this.#waiting.get(message.call)?.resolve(message.response)
    else if (message.kind === 'failed') this.#waiting.get(message.call)?.reject(new Error(message.reason))
    else if (message.kind === 'abort') this.#answering.get(message.call)?.abort()
    else this.onReady(message.serverName)
  }

  /** The socket has gone: nothing more will be answered. */
  close(): void {
    for (const { reject } of [...this.#waiting.values()]) reject(new Error('The page has gone'))
    for (const controller of this.#answering.values()) controller.abort()
  }

  async #respond(call: number, request: LinkRequest): Promise<void> {
    const controller = new AbortController()
    this.#answering.set(call, controller)
    try {
      this.#post({ kind: 'response', call, response: await this.#answer(request, controller.signal) })
    } catch (error) {
      this.#post({ kind: 'failed', call, reason: String(error) })
    } finally {
      this.#answering.delete(call)
    }
  }

  #post(message: Message): void {
    this.#send(encodeMessage(message))
  }
}
