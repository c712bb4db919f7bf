import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase64, decodeUrlSafeBase64, encodeBase64, encodeUrlSafeBase64 } from '../../src/spec/base64.ts'

const utf8 = new TextEncoder()

describe('unpadded base64', () => {
  // Appendices, "Unpadded Base64".
  test.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ])('encodes %j as the specification does', (text, encoded) => {
    expect(encodeBase64(utf8.encode(text))).toBe(encoded)
    expect(decodeBase64(encoded)).toEqual(utf8.encode(text))
  })

  test('agrees with Node on all bytes, in both alphabets, with and without padding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const padded = Buffer.from(bytes).toString('base64')
        expect(encodeBase64(bytes)).toBe(padded.replaceAll('=', ''))
        expect(encodeUrlSafeBase64(bytes)).toBe(Buffer.from(bytes).toString('base64url'))
        expect(decodeBase64(padded)).toEqual(bytes)
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
        expect(decodeUrlSafeBase64(encodeUrlSafeBase64(bytes))).toEqual(bytes)
      }),
    )
  })

  test.each(['A', 'AAAAA', 'Zg=', 'Zg===', '=', '====', 'Z=g=', 'Zm 9', 'Zm\n9v', 'Zm9-', 'Zm9é', 'Zm9v='])('refuses %j', (text) => {
    expect(decodeBase64(text)).toBeUndefined()
  })

  test('keeps the alphabets apart', () => {
    expect(decodeUrlSafeBase64('-_-_')).toEqual(decodeBase64('+/+/'))
    expect(decodeUrlSafeBase64('+/+/')).toBeUndefined()
    expect(decodeBase64('-_-_')).toBeUndefined()
  })

  test("ignores unused last bits, as the specification's own signing key has them", () => {
    expect(decodeBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1')?.length).toBe(32)
  })
})
