import { joinBytes } from './join-bytes.ts'
import { encodeFrame, type Frame, FrameDecoder, type FrameKind, ProtocolError } from './wire-frame.ts'

/** One stream of bytes in both directions, reliable and in order. A libp2p stream is one. */
export interface ByteStream extends AsyncIterable<Uint8Array | { subarray(): Uint8Array }> {
  /** Takes all of `bytes`; `false` asks to wait for {@link ByteStream.onDrain} before the next call. */
  send(bytes: Uint8Array): boolean
  onDrain(): Promise<void>
  /** Ends our direction once all is sent. */
  close(): Promise<void>
  /** Ends both directions at once. */
  abort(reason: Error): void
}

/** Body bytes that may be under way to a reader who has not taken them. */
const windowBytes = 512 * 1024
/** Bytes of a body in one frame that we send. */
const chunkBytes = 32 * 1024
/** What a body frame costs beside its bytes, so that small ones are bounded too. */
const frameCost = 64
/** Heads and ends that may wait to be read: there is one exchange at a time. */
const maxWaitingHeads = 8

/**
 * Frames over a byte stream. Bodies flow no faster than they are read, whatever the transport does: the reader gives credit
 * for what it took. WebRTC data channels have no back-pressure of their own.
 */
export class FrameChannel {
  readonly #stream: ByteStream
  readonly #waiting: Frame[] = []
  #waitingHeads = 0
  /** Called whenever a frame, credit or the end arrives. */
  #wake: (() => void)[] = []
  #sendable = windowBytes
  #receivable = windowBytes
  #taken = 0
  #end: { readonly reason: Error | undefined } | undefined

  /** Settled once the other side is gone; never rejects. */
  readonly closed: Promise<void>

  constructor(stream: ByteStream) {
    this.#stream = stream
    this.closed = this.#receive()
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  /** The next frame other than credit; `undefined` once the other side has ended the stream. Rejects when it broke. */
  async read(): Promise<Frame | undefined> {
    while (this.#waiting.length === 0 && this.#end === undefined) await this.#change()
    const frame = this.#waiting.shift()
    if (frame === undefined && this.#end?.reason !== undefined) throw this.#end.reason
    if (frame?.kind === 'body') this.#grant(frame.payload.byteLength + frameCost)
    else if (frame !== undefined) this.#waitingHeads--
    return frame
  }

  /** Sends a head, a body that is there whole, and the end: at once if the body is small. */
  async writeMessage(head: Uint8Array, body: Uint8Array = new Uint8Array()): Promise<void> {
    if (body.byteLength > chunkBytes || body.byteLength + frameCost > this.#sendable) {
      await this.write('head', head)
      await this.writeBody(body)
      return this.write('end')
    }
    if (this.#end?.reason !== undefined) throw this.#end.reason
    const frames = [encodeFrame('head', head), ...(body.byteLength === 0 ? [] : [encodeFrame('body', body)]), encodeFrame('end')]
    if (body.byteLength > 0) this.#sendable -= body.byteLength + frameCost
    if (!this.#stream.send(joinBytes(frames))) await this.#stream.onDrain()
  }

  /** Sends one frame that is no body. */
  async write(kind: Exclude<FrameKind, 'body'>, payload?: Uint8Array): Promise<void> {
    if (this.#end?.reason !== undefined) throw this.#end.reason
    if (!this.#stream.send(encodeFrame(kind, payload))) await this.#stream.onDrain()
  }

  /** Sends a piece of a body, waiting as long as the reader is behind. */
  async writeBody(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) {
      while (this.#sendable <= frameCost && this.#end === undefined) await this.#change()
      if (this.#end !== undefined) throw this.#end.reason ?? new ProtocolError('The stream ended while a body was being sent')
      const piece = bytes.subarray(at, at + Math.min(chunkBytes, this.#sendable - frameCost))
      this.#sendable -= piece.byteLength + frameCost
      at += piece.byteLength
      if (!this.#stream.send(encodeFrame('body', piece))) await this.#stream.onDrain()
    }
  }

  /** Ends the stream in an orderly way. */
  close(): void {
    this.#finish(undefined)
    this.#stream.close().catch(() => undefined)
  }

  /** Ends the stream at once: reads and writes under way reject with `reason`. */
  abort(reason: Error): void {
    this.#finish(reason)
    this.#stream.abort(reason)
  }

  async #receive(): Promise<void> {
    const decoder = new FrameDecoder()
    try {
      for await (const bytes of this.#stream) {
        for (const frame of decoder.push(bytes instanceof Uint8Array ? bytes : bytes.subarray())) this.#accept(frame)
        if (this.#end !== undefined) return
      }
      this.#finish(undefined)
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #accept(frame: Frame): void {
    if (frame.kind === 'credit') {
      if (frame.payload.byteLength !== 4) throw new ProtocolError('Credit is a number of 32 bits')
      const { buffer, byteOffset } = frame.payload
      this.#sendable = Math.min(windowBytes, this.#sendable + new DataView(buffer, byteOffset).getUint32(0))
    } else {
      if (frame.kind === 'body') this.#receivable -= frame.payload.byteLength + frameCost
      else this.#waitingHeads++
      if (this.#receivable < 0 || this.#waitingHeads > maxWaitingHeads) throw new ProtocolError('More was sent than there was credit for')
      this.#waiting.push(frame)
    }
    this.#notify()
  }

  #grant(cost: number): void {
    this.#taken += cost
    if (this.#taken < windowBytes / 2 || this.#end !== undefined) return
    const credit = new Uint8Array(4)
    new DataView(credit.buffer).setUint32(0, this.#taken)
    this.#receivable += this.#taken
    this.#taken = 0
    this.#stream.send(encodeFrame('credit', credit))
  }

  #finish(reason: Error | undefined): void {
    this.#end ??= { reason }
    this.#notify()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}
