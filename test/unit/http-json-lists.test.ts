import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonLists } from '../../src/http/json-lists.ts'
import { isObject, type JsonValue } from '../../src/spec/json.ts'

const lists = ['state', 'auth_chain']

/** The object as the reader finds it in these pieces, or `undefined` where it refuses it. */
function read(pieces: readonly Uint8Array<ArrayBuffer>[], nesting = 100): JsonValue | undefined {
  const found = new Map<string, JsonValue[]>()
  try {
    const reader = new JsonLists(lists, nesting)
    for (const piece of pieces) {
      for (const { list, elements } of reader.push(piece)) found.set(list, [...(found.get(list) ?? []), ...elements])
    }
    const frame = reader.end()
    return isObject(frame) ? { ...frame, ...Object.fromEntries(found) } : frame
  } catch {
    return undefined
  }
}

function parsed(bytes: Uint8Array): JsonValue | undefined {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** The bytes cut at the given places. */
function cut(bytes: Uint8Array<ArrayBuffer>, places: readonly number[]): Uint8Array<ArrayBuffer>[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i]))
}

const bytesOf = (text: string) => new TextEncoder().encode(text)
const places = fc.array(fc.nat(), { maxLength: 12 })
const list = fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 6 })
const answer = fc.record(
  { state: fc.oneof(list, fc.jsonValue()), auth_chain: list, event: fc.jsonValue(), other: fc.dictionary(fc.string(), fc.jsonValue()) },
  { requiredKeys: [] },
)

describe('an object that is read while it arrives', () => {
  test('is what the parser finds, however it is cut and spaced', () => {
    fc.assert(
      fc.property(answer, places, fc.constantFrom(undefined, 1, '\t'), (value, at, space) => {
        const bytes = bytesOf(JSON.stringify(value, null, space))
        expect(read(cut(bytes, at))).toEqual(parsed(bytes))
      }),
    )
  })

  test('is refused where the parser refuses it', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"state"',
      '"auth_chain"',
      '"x"',
      '1',
      ' ',
      '"',
      '\\',
      '{"state":[',
      '\ufeff',
      'null',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 14 }), places, (texts, at) => {
        const bytes = bytesOf(texts.join(''))
        const found = read(cut(bytes, at))
        const isTwice = found === undefined && lists.some((key) => texts.join('').split(`"${key}"`).length > 2)
        if (!isTwice && bytes.length > 0) expect(found).toEqual(parsed(bytes))
      }),
      { numRuns: 5_000 },
    )
  })

  test('is refused with any byte of it broken, or is what the parser finds all the same', () => {
    fc.assert(
      fc.property(answer, fc.nat(), fc.integer({ min: 0, max: 255 }), places, (value, where, byte, at) => {
        const bytes = bytesOf(JSON.stringify(value))
        bytes[where % bytes.length] = byte
        expect(read(cut(bytes, at))).toEqual(parsed(bytes))
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([
    ['an empty list', '{"state":[ ]}', { state: [] }],
    ['a key in other letters', '{"st\\u0061te":[1,2]}', { state: [1, 2] }],
    ['a list of that name further down', '{"x":{"state":[1]},"state":[2]}', { x: { state: [1] }, state: [2] }],
    ['a value of that name', '{"x":"state","state":[{"a":"],"}]}', { x: 'state', state: [{ a: '],' }] }],
    ['no list under that key', '{"state":{"a":[1]},"auth_chain":null}', { state: { a: [1] }, auth_chain: null }],
    ['a comma too many', '{"state":[1,]}', undefined],
    ['a comma too early', '{"state":[,1]}', undefined],
    ['two commas', '{"state":[1,,2]}', undefined],
    ['nothing between commas', '{"state":[ , ]}', undefined],
    ['the same list twice', '{"state":[1],"state":[2]}', undefined],
    ['no end', '{"state":[1,2]', undefined],
    ['no end of the list', '{"state":[1,2', undefined],
    ['a list that is closed as an object is', '{"state":[1}', undefined],
    ['something after the end', '{"state":[1]}x', undefined],
  ])('of %s', (_name, text, value) => {
    const bytes = bytesOf(text)
    expect(read([bytes])).toEqual(value)
    expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(value)
  })

  test('nests as deep as it may, and no deeper', () => {
    const bytes = bytesOf(`{"state":[${'['.repeat(8)}${']'.repeat(8)}]}`)
    expect(read([bytes], 10)).toEqual(parsed(bytes))
    expect(read([bytes], 9)).toBeUndefined()
  })
})
