import { isObject, type JsonObject, type JsonValue } from './json.ts'

/** How deep arrays and objects may nest in what clients and servers send us, events aside. */
export const maxNesting = 64

const encoder = new TextEncoder()
/** A UTF-16 unit from which the order of units and the order of code points part ways. */
const surrogateOrAbove = /[\ud800-\uffff]/

/**
 * `value` as canonical JSON (Appendices, "Canonical JSON"): keys in the order of their code points, no white space.
 * What canonical JSON cannot hold (floats, lone surrogates) comes out as `JSON.stringify` writes it: see {@link isStrictJson}.
 */
export function canonicalJson(value: JsonValue): string {
  // The engine's own writer is twice as fast as ours, and right for all but keys that are surrogates or array indices.
  if (isSorted(value)) return JSON.stringify(value)
  const sorted = sortedCopy(value)
  return isSorted(sorted) ? JSON.stringify(sorted) : write(value)
}

/** Like {@link canonicalJson} of a copy of `object` that lacks the top-level keys in `omitted`. */
export function canonicalJsonWithout(object: JsonObject, omitted: ReadonlySet<string>): string {
  return canonicalJson(Object.fromEntries(Object.entries(object).filter(([key]) => !omitted.has(key))))
}

function isSorted(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) return value.every(isSorted)
  let previous = ''
  for (const key of Object.keys(value)) {
    if (previous > key || surrogateOrAbove.test(key) || !isSorted(value[key] ?? null)) return false
    previous = key
  }
  return true
}

function sortedCopy(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sortedCopy)
  if (!isObject(value)) return value
  const copy: JsonObject = {}
  for (const key of Object.keys(value).sort()) {
    const child = sortedCopy(value[key] ?? null)
    if (key === '__proto__') Object.defineProperty(copy, key, { value: child, enumerable: true })
    else copy[key] = child
  }
  return copy
}

function write(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const members = sortedKeys(value).map((key) => `${JSON.stringify(key)}:${write(value[key] ?? null)}`)
  return `{${members.join(',')}}`
}

function sortedKeys(object: JsonObject): string[] {
  const keys = Object.keys(object)
  return keys.some((key) => surrogateOrAbove.test(key)) ? keys.sort(compareCodePoints) : keys.sort()
}

/** The order of two strings by code point, in which U+FFFF comes before U+10000. */
export function compareCodePoints(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length)
  for (let index = 0; index < shorter; index++) {
    if (a.charCodeAt(index) === b.charCodeAt(index)) continue
    return codePointRank(a.charCodeAt(index)) - codePointRank(b.charCodeAt(index))
  }
  return a.length - b.length
}

/** Lifts surrogates, which stand for U+10000 and above, over the units U+E000 to U+FFFF. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

/** {@link canonicalJson} as UTF-8. */
export function canonicalBytes(value: JsonValue): Uint8Array<ArrayBuffer> {
  return encoder.encode(canonicalJson(value))
}

/** Like {@link canonicalBytes} of a copy of `object` that lacks the top-level keys in `omitted`. */
export function canonicalBytesWithout(object: JsonObject, omitted: ReadonlySet<string>): Uint8Array<ArrayBuffer> {
  return encoder.encode(canonicalJsonWithout(object, omitted))
}

/** How many bytes `text` takes as UTF-8; a lone surrogate counts three, as an encoder would replace it. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    if (unit < 0x800) length += 1
    else if (unit < 0xd800 || unit > 0xdbff || !isLowSurrogate(text.charCodeAt(index + 1))) length += 2
    else {
      length += 2
      index++
    }
  }
  return length
}

/** Whether `text` takes at most `bound` bytes as UTF-8; counts them only where that is in doubt. */
export function fitsUtf8(text: string, bound: number): boolean {
  return text.length * 3 <= bound || (text.length <= bound && utf8Length(text) <= bound)
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** Whether arrays and objects nest in `value` at most `bound` deep; looks no deeper than that. */
export function nestsWithin(value: JsonValue, bound: number = maxNesting): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (bound === 0) return false
  for (const child of Array.isArray(value) ? value : Object.values(value)) if (!nestsWithin(child, bound - 1)) return false
  return true
}

/**
 * Whether canonical JSON can express `value`: integers within ±(2⁵³−1) but no `-0`, and strings that are Unicode.
 * Room versions from 6 on require it of events. Nesting is not its matter: bound it first.
 */
export function isStrictJson(value: JsonValue): boolean {
  return isJsonWith(value, (number) => Number.isSafeInteger(number) && !Object.is(number, -0))
}

/** Whether `value` can be encoded as UTF-8 JSON at all: what room versions before 6 ask of events. */
export function isEncodableJson(value: JsonValue): boolean {
  return isJsonWith(value, Number.isFinite)
}

function isJsonWith(value: JsonValue, isNumber: (number: number) => boolean): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value === 'number') return isNumber(value)
  if (Array.isArray(value)) return value.every((child) => isJsonWith(child, isNumber))
  if (!isObject(value)) return true
  for (const key of Object.keys(value)) {
    const child = value[key]
    if (!key.isWellFormed() || child === undefined || !isJsonWith(child, isNumber)) return false
  }
  return true
}
