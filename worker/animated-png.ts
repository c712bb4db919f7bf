import { joinBytes } from '../src/http/join-bytes.ts'

/** One picture of an animation, as a whole PNG. */
export interface AnimationFrame {
  readonly png: Uint8Array<ArrayBuffer>
  readonly durationMs: number
}

interface Chunk {
  readonly type: string
  readonly data: Uint8Array<ArrayBuffer>
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1
  return value >>> 0
})

/**
 * Puts PNGs of one size and colour type together as an animation that runs for ever (PNG specification, third edition, "acTL",
 * "fcTL", "fdAT"). `undefined` where they do not fit together.
 */
export function animatedPng(frames: readonly AnimationFrame[]): Uint8Array<ArrayBuffer> | undefined {
  const pictures = frames.map(({ png }) => chunksOf(png))
  const header = pictures[0]?.find(({ type }) => type === 'IHDR')?.data
  if (!header) return undefined
  const fits = pictures.every((chunks) => chunks.find(({ type }) => type === 'IHDR')?.data.every((byte, i) => byte === header[i]))
  if (!fits) return undefined
  let sequence = 0
  const body = pictures.flatMap((chunks, index) => {
    const control = chunk('fcTL', frameControl(sequence++, header, frames[index]?.durationMs ?? 100))
    const pieces = chunks.filter(({ type }) => type === 'IDAT')
    if (index === 0) return [control, ...pieces.map(({ data }) => chunk('IDAT', data))]
    return [control, ...pieces.map(({ data }) => chunk('fdAT', joinBytes([numbers(sequence++), data])))]
  })
  return joinBytes([signature, chunk('IHDR', header), chunk('acTL', numbers(frames.length, 0)), ...body, chunk('IEND', new Uint8Array())])
}

function frameControl(sequence: number, header: Uint8Array<ArrayBuffer>, durationMs: number): Uint8Array<ArrayBuffer> {
  const delay = Math.max(1, Math.min(0xffff, Math.round(durationMs)))
  // Of the header's size, from the corner, in milliseconds; neither disposed of nor blended.
  return joinBytes([
    numbers(sequence),
    header.subarray(0, 8),
    numbers(0, 0),
    Uint8Array.of(delay >>> 8, delay & 255, 1000 >>> 8, 1000 & 255, 0, 0),
  ])
}

function chunksOf(png: Uint8Array<ArrayBuffer>): Chunk[] {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength)
  const chunks: Chunk[] = []
  for (let at = signature.length; at + 12 <= png.length; ) {
    const length = view.getUint32(at)
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8))
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + length) })
    at += 12 + length
  }
  return chunks
}

function chunk(type: string, data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const named = joinBytes([Uint8Array.from(type, (letter) => letter.charCodeAt(0)), data])
  return joinBytes([numbers(data.length), named, numbers(crcOf(named))])
}

function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

/** 32-bit numbers, big-endian. */
function numbers(...values: readonly number[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 * values.length))
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value)
  return new Uint8Array(view.buffer)
}
