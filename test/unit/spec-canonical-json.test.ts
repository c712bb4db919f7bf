import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalBytes,
  canonicalJson,
  canonicalJsonWithout,
  compareCodePoints,
  isEncodableJson,
  isStrictJson,
  maxNesting,
  nestsWithin,
  utf8Length,
} from '../../src/spec/canonical-json.ts'
import { isObject, type JsonValue } from '../../src/spec/json.ts'

const parse = (text: string): JsonValue => JSON.parse(text)

function parseObject(text: string) {
  const value = parse(text)
  if (!isObject(value)) throw new TypeError('not an object')
  return value
}

/** JSON as the network may bring it: strange keys, deep values, only what canonical JSON can hold. */
const strictJson = fc
  .jsonValue({ noUnicodeString: false, maxDepth: 5 })
  .map((value) => parse(JSON.stringify(value, (_key, child) => (typeof child === 'number' ? Math.trunc(child % 2 ** 53) || 0 : child))))

function nested(depth: number): JsonValue {
  let value: JsonValue = 1
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

describe('canonical JSON', () => {
  // Appendices, "Canonical JSON", "Examples".
  test.each([
    ['{}', '{}'],
    ['{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'],
    ['{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      `{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe", "three_pids": [
        {"medium": "email", "address": "john.doe@example.org"}, {"medium": "msisdn", "address": "123456789"}]}}}`,
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[' +
        '{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{"a": "日本語"}', '{"a":"日本語"}'],
    ['{"本": 2, "日": 1}', '{"日":1,"本":2}'],
    ['{"a": "\\u65E5"}', '{"a":"日"}'],
    ['{"a": null}', '{"a":null}'],
    ['{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'],
  ])('writes the example %j as the specification does', (given, canonical) => {
    expect(canonicalJson(parse(given))).toBe(canonical)
  })

  test('sorts keys by code point where UTF-16 units sort otherwise', () => {
    expect(canonicalJson(parse('{"\\ud83d\\ude00": 1, "\\uffee": 2, "\\ue000": 3, "z": 4}'))).toBe('{"z":4,"\ue000":3,"\uffee":2,"😀":1}')
  })

  test('sorts keys that look like numbers as text', () => {
    expect(canonicalJson(parse('{"10": 1, "9": 2, "1": 3}'))).toBe('{"1":3,"10":1,"9":2}')
  })

  test('keeps keys that JavaScript lends to every object', () => {
    const text = '{"__proto__":{"a":1},"constructor":"x","hasOwnProperty":null,"toString":[]}'
    expect(canonicalJson(parse(text))).toBe(text)
    expect(canonicalJson(parse('{"z":[{"b":1,"__proto__":{"y":1,"x":2}}]}'))).toBe('{"z":[{"__proto__":{"x":2,"y":1},"b":1}]}')
  })

  test('escapes control characters in their shortest form and nothing else', () => {
    expect(canonicalJson('\b\t\n\f\r"\\/\u0000\u001f\u007f\u2028')).toBe('"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\u007f\u2028"')
  })

  test('says the same as the value whatever the order of the keys', () => {
    const reversed = (value: JsonValue): JsonValue => {
      if (Array.isArray(value)) return value.map(reversed)
      if (!isObject(value)) return value
      const pairs = Object.keys(value).reverse()
      return parse(`{${pairs.map((key) => `${JSON.stringify(key)}:${JSON.stringify(reversed(value[key] ?? null))}`).join(',')}}`)
    }
    fc.assert(
      fc.property(strictJson, (value) => {
        const canonical = canonicalJson(value)
        expect(parse(canonical)).toEqual(value)
        expect(canonicalJson(reversed(value))).toBe(canonical)
        expect(canonicalJson(parse(canonical))).toBe(canonical)
      }),
    )
  })

  test('leaves out top-level keys alone', () => {
    const object = parseObject('{"a": {"unsigned": 1}, "unsigned": {}, "b": 2}')
    expect(canonicalJsonWithout(object, new Set(['unsigned']))).toBe('{"a":{"unsigned":1},"b":2}')
  })

  test('orders any strings as their UTF-8 bytes are ordered', () => {
    const text = fc.string({ unit: 'binary', maxLength: 4 })
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
    )
  })

  test('counts the bytes that an encoder writes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\ud800', '\udc00', 'é', 'x') })), (text) => {
        expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length)
      }),
    )
    expect(canonicalBytes('é')).toEqual(new TextEncoder().encode('"é"'))
  })
})

describe('strict JSON', () => {
  test.each(['1.5', '9007199254740992', '-9007199254740992', '-0', '1e300', '"\\ud800"', '{"\\udfff": 1}', '[{"a": [0.1]}]'])(
    'refuses %s',
    (text) => {
      expect(isStrictJson(parse(text))).toBe(false)
    },
  )

  test.each(['9007199254740991', '-9007199254740991', '1e10', '"😀"', 'null', '{"__proto__": {"a": [true]}}'])('takes %s', (text) => {
    expect(isStrictJson(parse(text))).toBe(true)
  })

  test('takes whatever canonical JSON can hold', () => {
    fc.assert(
      fc.property(strictJson, (value) => {
        expect(isStrictJson(value)).toBe(true)
      }),
    )
  })

  test('is more than what can be encoded: old rooms hold floats, but no lone surrogates', () => {
    expect(isEncodableJson(parse('[1.5, 1e300]'))).toBe(true)
    expect(isEncodableJson(parse('["\\ud800"]'))).toBe(false)
    expect(isEncodableJson(parse('[1e999]'))).toBe(false)
  })
})

describe('nesting', () => {
  test('is bounded where it says', () => {
    expect(nestsWithin(nested(maxNesting))).toBe(true)
    expect(nestsWithin(nested(maxNesting + 1))).toBe(false)
    expect(nestsWithin('text', 0)).toBe(true)
  })

  test('is refused without following it to the end', () => {
    expect(nestsWithin(parse('['.repeat(100_000) + ']'.repeat(100_000)))).toBe(false)
  })
})
