import fc from 'fast-check'
import type { JsonValue } from '../../../src/spec/json.ts'

/** JSON that is built by a parser: keys such as `__proto__` are its own. */
const parsed = (text: string): JsonValue => JSON.parse(text)

const nested = (depth: number): JsonValue => parsed(`${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}`)

const texts = [
  '',
  '\0',
  '\ud800',
  '🦊\u202e',
  '__proto__',
  'constructor',
  'toString',
  '../..',
  '%',
  '@',
  '!',
  '$',
  '#',
  '@:',
  '@a:b',
  '!a:b',
  '$a:b',
  '#a:b',
  `@${'a'.repeat(300)}:home.example`,
  'mxc://home.example/none',
  'm.room.member',
  'm.room.create',
  'm.room.power_levels',
  's1',
  's99999999999999_1',
  'x'.repeat(70_000),
  '{"room":{"timeline":{"limit":-1}}}',
  '{',
]

const numbers = [0, -0, -1, 0.5, 1e308, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 2, -(2 ** 60)]

const structures: JsonValue[] = [
  null,
  true,
  false,
  [],
  {},
  [[]],
  [null],
  [{}],
  nested(30),
  nested(120),
  parsed('{"__proto__":{"admin":true},"constructor":{"prototype":{}}}'),
  parsed('{"@a:b":{"*":{}}}'),
  Array.from({ length: 3000 }, (_, index) => index),
  Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`key${index}`, 1])),
]

/** What a client may send where something else is due. */
export const hostileValue: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<JsonValue>(...texts) },
  { weight: 3, arbitrary: fc.constantFrom<JsonValue>(...numbers) },
  { weight: 4, arbitrary: fc.constantFrom<JsonValue>(...structures) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 4 }).map(parsed) },
)

/** Text for the path or the query of a URL, percent-encoded or wrongly so. */
export const hostileSegment: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    '%',
    '%ff',
    '%00',
    '%ed%a0%80',
    '..',
    '%2e%2e',
    '%2F',
    '%2f..%2f',
    '+',
    '__proto__',
    'constructor',
    '-1',
    '0.5',
    '1e999',
    '9'.repeat(40),
  ),
  fc.constantFrom(...texts.filter((text) => text.isWellFormed())).map(encodeURIComponent),
  fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => encodeURIComponent(text.toWellFormed())),
)

const utf8 = (text: string) => new TextEncoder().encode(text)

/** Bodies that are no JSON, or no object, or that a parser may choke on. */
export const hostileBody: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  fc
    .constantFrom(
      '',
      '{',
      '[]',
      'null',
      '"text"',
      '1e999',
      '{"a":1e400}',
      '{"a":01}',
      '\ufeff{}',
      '{"a":1,"a":2}',
      '{"__proto__":null}',
      '{"a":"\\ud800"}',
      '{"\\ud800":1}',
      `${'['.repeat(5000)}`,
      `${'{"a":'.repeat(99)}1${'}'.repeat(99)}`,
      `{"a":"${'x'.repeat(1 << 20)}"}`,
      'a=b&c=d',
    )
    .map(utf8),
  fc.constantFrom(Uint8Array.of(0xff, 0xfe), Uint8Array.of(0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d), Uint8Array.of(0)),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Uint8Array.from(bytes)),
)
