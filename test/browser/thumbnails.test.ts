import { expect, test } from './support/test.ts'

test.use({ homeserver: 'real' })

/** An animated GIF of two frames, 64 × 64, uncompressed: red, then blue. */
function gif(): Uint8Array<ArrayBuffer> {
  const frame = (colour: number) => {
    const codes: number[] = []
    for (let pixel = 0; pixel < 64 * 64; pixel++) {
      if (pixel % 2 === 0) codes.push(4)
      codes.push(colour)
    }
    codes.push(5)
    const packed: number[] = []
    let [bits, count] = [0, 0]
    for (const code of codes) {
      bits |= code << count
      count += 3
      while (count >= 8) {
        packed.push(bits & 255)
        bits >>= 8
        count -= 8
      }
    }
    packed.push(bits & 255)
    const blocks: number[] = []
    for (let at = 0; at < packed.length; at += 255) blocks.push(Math.min(255, packed.length - at), ...packed.slice(at, at + 255))
    return [0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 64, 0, 64, 0, 0, 2, ...blocks, 0]
  }
  const colours = [255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0]
  return Uint8Array.from([...Buffer.from('GIF89a'), 64, 0, 64, 0, 0x81, 0, 0, ...colours, ...frame(0), ...frame(1), 0x3b])
}

test('thumbnails are cropped and scaled by the browser, never smaller than asked for, and move only where that is wanted', async ({
  openTab,
}) => {
  const page = await openTab()
  const found = await page.evaluate(
    async (animation) => {
      const register = { username: 'alice', password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
      const account = await fetch('/_matrix/client/v3/register', { method: 'POST', body: JSON.stringify(register) })
      const { access_token: token } = await account.json()
      const headers = { authorization: `Bearer ${token}` }
      const upload = async (body: Blob) => {
        const response = await fetch('/_matrix/media/v3/upload', {
          method: 'POST',
          headers: { ...headers, 'content-type': body.type },
          body,
        })
        return String((await response.json()).content_uri).slice('mxc://'.length)
      }
      const thumbnail = async (path: string, query: string) => {
        const response = await fetch(`/_matrix/client/v1/media/thumbnail/${path}?${query}`, { headers })
        const blob = await response.blob()
        const decoder = new ImageDecoder({ data: await blob.arrayBuffer(), type: blob.type === 'image/apng' ? 'image/png' : blob.type })
        await decoder.completed
        const { image } = await decoder.decode()
        return [blob.type, image.displayWidth, image.displayHeight, decoder.tracks.selectedTrack?.frameCount].join(' ')
      }
      const canvas = new OffscreenCanvas(1000, 500)
      canvas.getContext('2d')?.fillRect(0, 0, 500, 500)
      const png = await upload(await canvas.convertToBlob({ type: 'image/png' }))
      const jpeg = await upload(await canvas.convertToBlob({ type: 'image/jpeg' }))
      const moving = await upload(new Blob([Uint8Array.from(animation)], { type: 'image/gif' }))
      const broken = await upload(new Blob(['no picture'], { type: 'image/png' }))
      const original = await fetch(`/_matrix/client/v1/media/thumbnail/${broken}?width=32&height=32`, { headers })
      return {
        crop32: await thumbnail(png, 'width=32&height=32&method=crop'),
        crop96: await thumbnail(png, 'width=96&height=96&method=crop'),
        scale320: await thumbnail(png, 'width=320&height=240&method=scale'),
        scale640: await thumbnail(jpeg, 'width=640&height=480&method=scale'),
        larger: await thumbnail(jpeg, 'width=800&height=600'),
        still: await thumbnail(moving, 'width=32&height=32&method=crop'),
        moving: await thumbnail(moving, 'width=32&height=32&method=crop&animated=true'),
        smallStill: await thumbnail(moving, 'width=96&height=96&animated=false'),
        smallMoving: await thumbnail(moving, 'width=96&height=96&animated=true'),
        broken: await original.text(),
      }
    },
    [...gif()],
  )
  expect(found).toEqual({
    crop32: 'image/png 32 32 1',
    crop96: 'image/png 96 96 1',
    scale320: 'image/png 480 240 1',
    scale640: 'image/jpeg 960 480 1',
    larger: 'image/jpeg 1000 500 1',
    still: 'image/png 32 32 1',
    moving: 'image/apng 32 32 2',
    smallStill: 'image/png 64 64 1',
    smallMoving: 'image/gif 64 64 2',
    broken: 'no picture',
  })
})
