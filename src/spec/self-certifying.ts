import type { ServerName } from './event.ts'

/**
 * The label of a homeserver: its libp2p peer id as a CIDv1 in base36. The label holds the whole Ed25519 key, so a name that
 * begins with it certifies itself.
 */
export type Label = string

/** CIDv1, codec libp2p-key, identity multihash of 36 bytes; then the protobuf of an Ed25519 public key of 32 bytes. */
const prefix = Uint8Array.of(0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const keyLength = 32
const grammar = /^(k51[0-9a-z]{59})(?:\.[0-9A-Za-z.-]+(?::[0-9]{1,5})?)?$/
const digits = '0123456789abcdefghijklmnopqrstuvwxyz'

/**
 * The label that `serverName` begins with: `label`, `label.relay-domain` or `label.relay-domain:port`. `undefined` for every
 * name that does not certify itself, which is then one like any other.
 */
export function labelOf(serverName: ServerName): Label | undefined {
  const label = grammar.exec(serverName)?.[1]
  return label !== undefined && publicKeyOfLabel(label) !== undefined ? label : undefined
}

/** The raw 32-byte Ed25519 key that `label` holds; `undefined` if it is no label. */
export function publicKeyOfLabel(label: Label): Uint8Array<ArrayBuffer> | undefined {
  if (label.length !== 62 || !label.startsWith('k')) return undefined
  let value = 0n
  for (const character of label.slice(1)) {
    const digit = digits.indexOf(character)
    if (digit === -1) return undefined
    value = value * 36n + BigInt(digit)
  }
  const bytes = new Uint8Array(prefix.length + keyLength)
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(value & 255n)
    value >>= 8n
  }
  return value === 0n && prefix.every((byte, index) => bytes[index] === byte) ? bytes.slice(prefix.length) : undefined
}

/** The label of the homeserver with this raw 32-byte Ed25519 key. */
export function labelOfPublicKey(key: Uint8Array): Label {
  if (key.length !== keyLength) throw new Error(`An Ed25519 public key has ${keyLength} bytes, not ${key.length}`)
  const value = [...prefix, ...key].reduce((number, byte) => (number << 8n) | BigInt(byte), 0n)
  return `k${value.toString(36)}`
}
