import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { JsonObject } from '../src/spec/json.ts'

/** An answer under a pad that only its secret makes. */
export interface SealedAnswer {
  readonly salt: Uint8Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>
}

const saltBytes = 16
/** As much as one derivation gives (RFC 5869: 255 hashes). */
const padBytes = 255 * 32

/**
 * Seals an answer by a secret of at least 122 random bits, at once: it belongs into a commit that does not wait for WebCrypto. A pad
 * is used for one answer alone. Whoever can write where it is kept could change it, and has everything else as well.
 */
export function sealAnswer(answer: JsonObject, secret: string): SealedAnswer {
  const salt = crypto.getRandomValues(new Uint8Array(saltBytes))
  return { salt, bytes: padded(new TextEncoder().encode(JSON.stringify(answer)), secret, salt) }
}

/** The answer again. Throws `SyntaxError` for a wrong secret. */
export function openAnswer({ salt, bytes }: SealedAnswer, secret: string): JsonObject {
  return JSON.parse(new TextDecoder().decode(padded(bytes, secret, salt)))
}

/** `bytes` with the pad added; a second time, without it. */
function padded(bytes: Uint8Array<ArrayBuffer>, secret: string, salt: Uint8Array): Uint8Array<ArrayBuffer> {
  const [result, encoder] = [Uint8Array.from(bytes), new TextEncoder()]
  for (let from = 0; from < result.length; from += padBytes) {
    const length = Math.min(padBytes, result.length - from)
    const pad = hkdf(sha256, encoder.encode(secret), salt, encoder.encode(`kept answer, from ${from}`), length)
    for (const [index, byte] of pad.entries()) result[from + index] = (result[from + index] ?? 0) ^ byte
  }
  return result
}
