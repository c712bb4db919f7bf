import { badJson, notJson, tooLarge } from '../spec/errors.ts'
import type { JsonValue } from '../spec/json.ts'

/** How deep the JSON of a body may nest, unless the endpoint says otherwise. */
const defaultNestingLimit = 100

/** Reads a whole body, or throws `M_TOO_LARGE` as soon as it exceeds `limit` bytes. */
export async function readBytes(body: ReadableStream<Uint8Array> | null, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  if (body) {
    const reader = body.getReader()
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      length += part.value.byteLength
      if (length > limit) {
        // Nobody waits for the rest: whoever sends it may never be done.
        reader.cancel().catch(() => undefined)
        throw tooLarge(`The body exceeds ${limit} bytes`)
      }
      chunks.push(part.value)
    }
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

/**
 * Parses a JSON body; an empty one is `{}`, as many clients send none where the spec wants an empty object.
 * Throws `M_NOT_JSON`, or `M_BAD_JSON` when it nests too deeply to be walked safely.
 */
export function parseJson(bytes: Uint8Array, nestingLimit: number = defaultNestingLimit): JsonValue {
  if (bytes.byteLength === 0) return {}
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw notJson('The body is not UTF-8')
  }
  // Measured on the text: the parser's own recursion has to be bounded before it runs.
  if (nestingExceeds(text, nestingLimit)) throw badJson(`The body nests deeper than ${nestingLimit} levels`)
  try {
    return JSON.parse(text)
  } catch {
    throw notJson()
  }
}

function nestingExceeds(text: string, limit: number): boolean {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (quoted) {
      if (unit === 0x5c) i++
      else if (unit === 0x22) quoted = false
    } else if (unit === 0x22) quoted = true
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > limit) return true
    } else if (unit === 0x5d || unit === 0x7d) depth--
  }
  return false
}
