import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../../src/http/json-body.ts'
import { FrameDecoder, ProtocolError } from '../../src/http/wire-frame.ts'
import { decodeRequestHead, decodeResponseHead, isPlainUri } from '../../src/http/wire-head.ts'
import { decodeBase64 } from '../../src/spec/base64.ts'
import { MatrixError } from '../../src/spec/errors.ts'
import { isEventId, isRoomId, parseRoomAlias, parseUserId } from '../../src/spec/identifiers.ts'
import { isServerName } from '../../src/spec/server-name.ts'
import { parseXMatrix } from '../../src/spec/x-matrix.ts'

// A seed that is always the same, and a fresh one, which a failure names.
const seeds = [1, Date.now() % 2 ** 31]

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom(...'@!$#:.[]/\\",= X-Matrixorignkeysd25519\0\ud800'), maxLength: 300 }),
)
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Uint8Array.from(each))

/** Runs `read` on hostile input: it may throw what `isRefusal` knows, and nothing else. */
function neverBreaks<T>(input: fc.Arbitrary<T>, read: (value: T) => unknown, isRefusal: (error: unknown) => boolean = () => false): void {
  for (const seed of seeds) {
    const property = fc.property(input, (value) => {
      try {
        read(value)
      } catch (error) {
        if (!isRefusal(error)) throw error
      }
    })
    fc.assert(property, { seed, numRuns: 1000 })
  }
  expect(seeds.length).toBe(2)
}

const isMatrixError = (error: unknown) => error instanceof MatrixError
const isProtocolError = (error: unknown) => error instanceof ProtocolError

test.each<[string, (text: string) => unknown]>([
  ['user ids', parseUserId],
  ['room ids', isRoomId],
  ['event ids', isEventId],
  ['room aliases', parseRoomAlias],
  ['server names', isServerName],
  ['signatures of requests', (header) => parseXMatrix(`X-Matrix ${header}`)],
  ['base64', decodeBase64],
  ['targets of requests', isPlainUri],
])('whatever comes as %s is read or refused', (_what, read) => neverBreaks(text, read))

test('whatever comes as a body is JSON or refused with an error of Matrix', () =>
  neverBreaks(bytes, (body) => parseJson(body), isMatrixError))

test('whatever comes on a stream is frames or a breach of the protocol', () => {
  neverBreaks(fc.array(bytes, { maxLength: 5 }), (pieces) => pieces.map((piece) => new FrameDecoder().push(piece)), isProtocolError)
})

test('whatever comes as a head is one or a breach of the protocol', () => {
  neverBreaks(bytes, decodeRequestHead, isProtocolError)
  neverBreaks(bytes, decodeResponseHead, isProtocolError)
  const json = fc.json().map((value) => new TextEncoder().encode(value))
  neverBreaks(json, decodeRequestHead, isProtocolError)
  neverBreaks(json, decodeResponseHead, isProtocolError)
})
