import { Point } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import type { SignedMessage } from '../src/ports/signer.ts'

const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n

/** The eight points whose order is small, as they are written. */
const smallOrder: ReadonlySet<string> = new Set([
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
])

/** Whether `key` is the one way to write a point of the curve whose order is not small. WebCrypto imports anything. */
export function isUsableKey(key: Uint8Array): boolean {
  if (key.length !== 32 || isSmallOrder(key)) return false
  try {
    Point.fromBytes(key, false)
    return true
  } catch {
    return false
  }
}

/** Whether a signature has the right length, and a first half that libsodium, and so Synapse, takes. */
export function isUsableSignature(signature: Uint8Array): boolean {
  return signature.length === 64 && !isSmallOrder(signature.subarray(0, 32))
}

/**
 * Verifies as WebCrypto, OpenSSL and libsodium do, without the cofactor: R as written equals S·B − k·A (RFC 8032 §5.1.7).
 * Key and signature have passed {@link isUsableKey} and {@link isUsableSignature}.
 */
export function verifyInScript({ message, signature, publicKey }: SignedMessage): boolean {
  const written = signature.subarray(0, 32)
  const scalar = littleEndian(signature.subarray(32))
  if (scalar >= order) return false
  const challenge = littleEndian(sha512.create().update(written).update(publicKey).update(message).digest()) % order
  const key = Point.fromBytes(publicKey, false)
  const expected = Point.BASE.multiply(scalar, false).add(key.negate().multiply(challenge, false)).toBytes()
  return expected.every((byte, index) => byte === written[index])
}

function isSmallOrder(point: Uint8Array): boolean {
  return smallOrder.has(hexadecimal(point))
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${hexadecimal(bytes.toReversed())}`)
}
