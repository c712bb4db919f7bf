import type { PortBody } from './protocol.ts'

/** Bodies up to this many bytes cross a port whole, and can be repeated. */
const wholeBodyBytes = 1 << 20

/** Reads a body as far as it is small: the bytes, or a stream of all of it if it is longer than `wholeBodyBytes`. */
export async function wholeOrStream(body: ReadableStream<Uint8Array<ArrayBuffer>> | null): Promise<PortBody> {
  if (!body) return undefined
  const reader = body.getReader()
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return joined(chunks, length)
    chunks.push(value)
    length += value.byteLength
    if (length > wholeBodyBytes) return resumed(chunks, reader)
  }
}

/** What has to be transferred, not cloned, for a body to cross a port. */
export function transferOf(body: PortBody): Transferable[] {
  return body instanceof ReadableStream ? [body] : []
}

function joined(chunks: readonly Uint8Array<ArrayBuffer>[], length: number): Uint8Array<ArrayBuffer> {
  const [only] = chunks
  if (only && chunks.length === 1) return only
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

function resumed(
  read: Uint8Array<ArrayBuffer>[],
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = read.length > 0 ? { done: false, value: read.shift() } : await reader.read()
      if (value) controller.enqueue(value)
      if (done) controller.close()
    },
    cancel: (reason) => reader.cancel(reason),
  })
}
