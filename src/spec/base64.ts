const common = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const standard = alphabet(`${common}+/`)
const urlSafe = alphabet(`${common}-_`)

interface Alphabet {
  readonly characters: string
  /** The value of each ASCII character, 255 for those outside the alphabet. */
  readonly values: Uint8Array
}

function alphabet(characters: string): Alphabet {
  const values = new Uint8Array(128).fill(255)
  for (let value = 0; value < 64; value++) values[characters.charCodeAt(value)] = value
  return { characters, values }
}

/** Unpadded base64 (Appendices, "Unpadded Base64"). */
export function encodeBase64(bytes: Uint8Array): string {
  return encode(bytes, standard.characters)
}

/** URL-safe unpadded base64: `-` and `_` for `+` and `/`. */
export function encodeUrlSafeBase64(bytes: Uint8Array): string {
  return encode(bytes, urlSafe.characters)
}

/** The bytes of base64 with or without padding, or `undefined` if `text` is none. Unused last bits are ignored. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  return decode(text, standard.values)
}

/** Like {@link decodeBase64}, for the URL-safe alphabet. */
export function decodeUrlSafeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  return decode(text, urlSafe.values)
}

function encode(bytes: Uint8Array, characters: string): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const group = ((bytes[index] ?? 0) << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    text += characters.charAt(group >> 18) + characters.charAt((group >> 12) & 63)
    if (index + 1 < bytes.length) text += characters.charAt((group >> 6) & 63)
    if (index + 2 < bytes.length) text += characters.charAt(group & 63)
  }
  return text
}

function decode(text: string, values: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const length = unpaddedLength(text)
  if (length === undefined || length % 4 === 1) return undefined
  const bytes = new Uint8Array((length * 3) >> 2)
  let [bits, bitCount, filled] = [0, 0, 0]
  for (let index = 0; index < length; index++) {
    const value = values[text.charCodeAt(index)] ?? 255
    if (value === 255) return undefined
    bits = ((bits << 6) | value) & 0xfffff
    bitCount += 6
    if (bitCount < 8) continue
    bitCount -= 8
    bytes[filled++] = (bits >> bitCount) & 255
  }
  return bytes
}

/** How much of `text` comes before its padding, or `undefined` if padding does not fill its last group of four. */
function unpaddedLength(text: string): number | undefined {
  if (!text.endsWith('=')) return text.length
  if (text.length % 4 !== 0) return undefined
  return text.endsWith('==') ? text.length - 2 : text.length - 1
}
