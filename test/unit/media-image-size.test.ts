import fc from 'fast-check'
import { expect, test } from 'vitest'
import { imageSizeOf } from '../../src/media/image-size.ts'

const bytes = (...parts: readonly (string | readonly number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...part].map((letter) => letter.charCodeAt(0)) : [...part])))

const png = bytes([0x89], 'PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', [0, 0, 1, 0], [0, 0, 0, 2])
const gif = bytes('GIF89a', [0, 1], [2, 0])
const jpeg = bytes([0xff, 0xd8], [0xff, 0xe0, 0, 4, 1, 2], [0xff, 0xc2, 0, 11, 8], [0, 2], [1, 0])
const vp8x = bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8X', [10, 0, 0, 0], [0, 0, 0, 0], [255, 0, 0], [1, 0, 0])
const vp8 = bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8 ', [0, 0, 0, 0], [0, 0, 0], [0x9d, 1, 0x2a], [0, 1], [2, 0])
const vp8l = bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8L', [0, 0, 0, 0], [0x2f], [255, 0x40, 0, 0])

test.each([
  ['PNG', png, 'image/png'],
  ['GIF', gif, 'image/gif'],
  ['JPEG', jpeg, 'image/jpeg'],
  ['WebP, extended', vp8x, 'image/webp'],
  ['WebP, lossy', vp8, 'image/webp'],
  ['WebP, lossless', vp8l, 'image/webp'],
])('the size of a %s is read from its first bytes', (_, picture, contentType) => {
  expect(imageSizeOf(picture)).toEqual({ contentType, width: 256, height: 2 })
})

test('what is no picture, or is cut off, has no size; nothing makes it throw or hang', () => {
  for (const picture of [png, gif, jpeg, vp8x, vp8, vp8l]) {
    for (let length = 0; length < picture.length - 8; length++) expect(imageSizeOf(picture.slice(0, length))).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(30), (noise, at) => {
        const broken = Uint8Array.from([...picture.slice(0, at), ...noise])
        const size = imageSizeOf(broken)
        expect(size === undefined || (size.width >= 0 && size.height >= 0)).toBe(true)
      }),
    )
  }
  expect(imageSizeOf(bytes('<svg width="10" height="10">', new Array(20).fill(32)))).toBeUndefined()
})
