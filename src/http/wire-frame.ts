/** What a frame carries: the JSON head of a request or response, a piece of its body, its end, or leave to send more. */
export type FrameKind = 'head' | 'body' | 'end' | 'credit'

export interface Frame {
  readonly kind: FrameKind
  readonly payload: Uint8Array<ArrayBuffer>
}

/** Payload bytes that one frame may carry. */
export const maxFrameBytes = 64 * 1024

/** Bytes before the payload of a frame. */
const headerBytes = 5
const kinds: readonly FrameKind[] = ['head', 'body', 'end', 'credit']

/** A frame as bytes: the length of the payload (32 bits, big-endian), the kind, the payload. */
export function encodeFrame(kind: FrameKind, payload: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
  if (payload.byteLength > maxFrameBytes) throw new Error(`A frame holds at most ${maxFrameBytes} bytes, not ${payload.byteLength}`)
  const bytes = new Uint8Array(headerBytes + payload.byteLength)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, payload.byteLength)
  view.setUint8(4, kinds.indexOf(kind))
  bytes.set(payload, headerBytes)
  return bytes
}

/** The other side does not speak this protocol, or breaks its bounds: the stream is of no use any more. */
export class ProtocolError extends Error {
  override name = 'ProtocolError'
}

/** Cuts a stream of bytes, in pieces of any size, into frames. Holds at most one frame. */
export class FrameDecoder {
  readonly #header = new Uint8Array(headerBytes)
  #headerFilled = 0
  #kind: FrameKind = 'end'
  #payload = new Uint8Array()
  #payloadFilled = 0

  /** The frames that `bytes` completes. Throws {@link ProtocolError}; the decoder is then of no use any more. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let at = 0
    while (at < bytes.byteLength) {
      if (this.#headerFilled < headerBytes) {
        const taken = bytes.subarray(at, at + headerBytes - this.#headerFilled)
        this.#header.set(taken, this.#headerFilled)
        this.#headerFilled += taken.byteLength
        at += taken.byteLength
        if (this.#headerFilled < headerBytes) break
        this.#start()
      }
      const taken = bytes.subarray(at, at + this.#payload.byteLength - this.#payloadFilled)
      this.#payload.set(taken, this.#payloadFilled)
      this.#payloadFilled += taken.byteLength
      at += taken.byteLength
      if (this.#payloadFilled === this.#payload.byteLength) {
        frames.push({ kind: this.#kind, payload: this.#payload })
        this.#headerFilled = 0
      }
    }
    return frames
  }

  #start(): void {
    const view = new DataView(this.#header.buffer)
    const length = view.getUint32(0)
    const kind = kinds[view.getUint8(4)]
    if (kind === undefined) throw new ProtocolError(`There is no frame of kind ${view.getUint8(4)}`)
    if (length > maxFrameBytes) throw new ProtocolError(`A frame of ${length} bytes is too large`)
    this.#kind = kind
    this.#payload = new Uint8Array(length)
    this.#payloadFilled = 0
  }
}
