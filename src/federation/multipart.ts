const encoder = new TextEncoder()
const decoder = new TextDecoder('latin1')
/** Bytes of headers that a part of a multipart body may have. */
const mostHeaderBytes = 8_192

/** One part of a `multipart/mixed` body; header names in lower case. */
export interface Part {
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** The parts as one body (RFC 2046, §5.1). `boundary` must occur in none of them: make it long and random. */
export function writeMultipart(parts: readonly Part[], boundary: string): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = []
  for (const { headers, bytes } of parts) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, ' ')}\r\n`)
    pieces.push(encoder.encode(`--${boundary}\r\n${lines.join('')}\r\n`), bytes, encoder.encode('\r\n'))
  }
  pieces.push(encoder.encode(`--${boundary}--\r\n`))
  const body = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    body.set(piece, at)
    at += piece.byteLength
  }
  return body
}

/** The parts of a body of the content type given; `undefined` if it is not well-formed, or has more than `most` parts. */
export function readMultipart(body: Uint8Array<ArrayBuffer>, contentType: string, most: number): Part[] | undefined {
  const boundary = boundaryOf(contentType)
  if (boundary === undefined) return undefined
  const delimiter = encoder.encode(`--${boundary}`)
  const parts: Part[] = []
  let at = startsWith(body, delimiter, 0) ? 0 : indexOf(body, encoder.encode(`\r\n--${boundary}`), 0) + 2
  if (at < 2 && !startsWith(body, delimiter, 0)) return undefined
  for (;;) {
    at += delimiter.length
    if (body[at] === 0x2d && body[at + 1] === 0x2d) return parts
    const start = indexOf(body, encoder.encode('\r\n'), at)
    const end = indexOf(body, encoder.encode(`\r\n--${boundary}`), at)
    const part = start === -1 || end === -1 ? undefined : readPart(body, start, end)
    if (part === undefined || parts.length === most) return undefined
    parts.push(part)
    at = end + 2
  }
}

/** The part whose delimiter line ends at `start`, up to `end`. */
function readPart(body: Uint8Array<ArrayBuffer>, start: number, end: number): Part | undefined {
  // A part without headers: the blank line follows its delimiter at once.
  const blank = indexOf(body, encoder.encode('\r\n\r\n'), start)
  if (blank === -1 || blank - start > mostHeaderBytes || blank + 2 > end) return undefined
  const headers: Record<string, string> = {}
  for (const line of decoder.decode(body.subarray(start, blank)).split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { headers, bytes: body.slice(Math.min(blank + 4, end), end) }
}

function boundaryOf(contentType: string): string | undefined {
  const match = /^multipart\/mixed\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

function startsWith(body: Uint8Array, wanted: Uint8Array, at: number): boolean {
  return wanted.every((byte, i) => body[at + i] === byte)
}

function indexOf(body: Uint8Array, wanted: Uint8Array, from: number): number {
  const [first = 0] = wanted
  for (let at = body.indexOf(first, from); at !== -1; at = body.indexOf(first, at + 1)) if (startsWith(body, wanted, at)) return at
  return -1
}
