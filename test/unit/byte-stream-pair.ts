import type { ByteStream } from '../../src/http/frame-channel.ts'

/** Two ends of a stream in memory. `cut` says into how many bytes what is sent is cut on its way. */
export function byteStreamPair(cut: () => number = () => Number.POSITIVE_INFINITY): [MemoryByteStream, MemoryByteStream] {
  const left = new MemoryByteStream(cut)
  const right = new MemoryByteStream(cut)
  left.other = right
  right.other = left
  return [left, right]
}

export class MemoryByteStream implements ByteStream {
  other: MemoryByteStream | undefined
  /** Bytes that were sent to this end. */
  received = 0
  readonly #cut: () => number
  readonly #pieces: Uint8Array[] = []
  #end: { error?: Error } | undefined
  #wake: () => void = () => undefined

  constructor(cut: () => number) {
    this.#cut = cut
  }

  send(bytes: Uint8Array): boolean {
    if (this.#end) throw this.#end.error ?? new Error('closed')
    this.other?.push(bytes.slice())
    return Math.random() < 0.5
  }

  push(bytes: Uint8Array): void {
    if (this.#end) return
    this.received += bytes.byteLength
    for (let at = 0; at < bytes.byteLength; ) {
      const size = Math.max(1, this.#cut())
      this.#pieces.push(bytes.subarray(at, at + size))
      at += size
    }
    this.#wake()
  }

  onDrain(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  async close(): Promise<void> {
    this.other?.end({})
  }

  abort(error: Error): void {
    this.end({ error })
    this.other?.end({ error: new Error('reset') })
  }

  end(end: { error?: Error }): void {
    this.#end ??= end
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (true) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) yield piece
      else if (this.#end?.error) throw this.#end.error
      else if (this.#end) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}
