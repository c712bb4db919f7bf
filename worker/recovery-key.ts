import { base58btc } from 'multiformats/bases/base58'

const header = [0x8b, 0x01]
const keyLength = 32

/** A 32-byte key as people copy it: base58 in groups of four (Appendices, "Cryptographic key representation"). */
export function encodeRecoveryKey(key: Uint8Array): string {
  const bytes = [...header, ...key]
  const encoded = base58btc.baseEncode(Uint8Array.from([...bytes, parity(bytes)]))
  return encoded.replace(/.{4}(?=.)/g, '$& ')
}

/** The key that `text` represents, whatever white space it has; `undefined` if a character is wrong or missing. */
export function decodeRecoveryKey(text: string): Uint8Array<ArrayBuffer> | undefined {
  const compact = text.replace(/\s+/g, '')
  if (!/^[1-9A-HJ-NP-Za-km-z]{1,64}$/.test(compact)) return undefined
  const bytes = Uint8Array.from(base58btc.baseDecode(compact))
  const isWhole = bytes.length === header.length + keyLength + 1 && header.every((byte, index) => bytes[index] === byte)
  return isWhole && parity([...bytes]) === 0 ? bytes.slice(header.length, -1) : undefined
}

function parity(bytes: readonly number[]): number {
  return bytes.reduce((sum, byte) => sum ^ byte, 0)
}
