import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { decodeMessage, encodeMessage, type Message } from './wire-message.ts'

type Bytes = Uint8Array<ArrayBuffer>

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
  readonly #send: (bytes: Bytes) => void
  readonly #answer: (request: LinkRequest, signal: AbortSignal) => Promise<WireResponse>
  readonly #waiting = new Map<number, { readonly resolve: (response: WireResponse) => void; readonly reject: (reason: Error) => void }>()
  readonly #bodies = new Map<number, ReadableStreamDefaultController<Bytes>>()
  readonly #answering = new Map<number, AbortController>()
  #calls = 0
  /** Called when the other end says that it is ready. */
  onReady: (serverName: string) => void = () => undefined

  constructor(send: (bytes: Bytes) => void, answer: (request: LinkRequest, signal: AbortSignal) => Promise<WireResponse>) {
    this.#send = send
    this.#answer = answer
  }

  /** Sends a request. Rejects when the other end could not answer it, or is gone. */
  request(request: LinkRequest, signal: AbortSignal): Promise<WireResponse> {
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
  receive(bytes: Bytes): void {
    const message = decodeMessage(bytes)
    if (message.kind === 'request') void this.#respond(message.call, message)
    else if (message.kind === 'response')
      this.#waiting.get(message.call)?.resolve(message.more ? this.#streamed(message) : message.response)
    else if (message.kind === 'piece') this.#bodies.get(message.call)?.enqueue(message.piece)
    else if (message.kind === 'end') this.#takeBody(message.call)?.close()
    else if (message.kind === 'failed') this.#fail(message.call, new Error(message.reason))
    else if (message.kind === 'abort') this.#answering.get(message.call)?.abort()
    else this.onReady(message.serverName)
  }

  /** The socket has gone: nothing more will be answered. */
  close(): void {
    const gone = new Error('The other end has gone')
    for (const call of [...this.#waiting.keys(), ...this.#bodies.keys()]) this.#fail(call, gone)
    for (const controller of this.#answering.values()) controller.abort()
  }

  async #respond(call: number, request: LinkRequest): Promise<void> {
    const controller = new AbortController()
    this.#answering.set(call, controller)
    try {
      const { body, ...head } = await this.#answer(request, controller.signal)
      if (body instanceof Uint8Array) this.#post({ kind: 'response', call, more: false, response: { ...head, body } })
      else {
        this.#post({ kind: 'response', call, more: true, response: { ...head, body: new Uint8Array() } })
        await this.#sendBody(call, body, controller.signal)
      }
    } catch (error) {
      this.#post({ kind: 'failed', call, reason: String(error) })
    } finally {
      this.#answering.delete(call)
    }
  }

  async #sendBody(call: number, body: ReadableStream<Bytes>, signal: AbortSignal): Promise<void> {
    const reader = body.getReader()
    signal.addEventListener('abort', () => reader.cancel().catch(() => undefined))
    for (let part = await reader.read(); !part.done; part = await reader.read()) this.#post({ kind: 'piece', call, piece: part.value })
    this.#post({ kind: 'end', call })
  }

  /** A response whose body is still to come. */
  #streamed({ call, response }: Message & { readonly kind: 'response' }): WireResponse {
    const body = new ReadableStream<Bytes>({
      start: (controller) => {
        this.#bodies.set(call, controller)
      },
      cancel: () => {
        this.#bodies.delete(call)
        this.#post({ kind: 'abort', call })
      },
    })
    return { ...response, body }
  }

  #takeBody(call: number): ReadableStreamDefaultController<Bytes> | undefined {
    const body = this.#bodies.get(call)
    this.#bodies.delete(call)
    return body
  }

  #fail(call: number, reason: Error): void {
    this.#waiting.get(call)?.reject(reason)
    this.#takeBody(call)?.error(reason)
  }

  #post(message: Message): void {
    this.#send(encodeMessage(message))
  }
}
