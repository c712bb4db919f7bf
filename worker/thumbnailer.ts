import { imageSizeOf } from '../src/media/image-size.ts'
import type { Picture, Thumbnailer, ThumbnailSize } from '../src/ports/thumbnailer.ts'
import { type AnimationFrame, animatedPng } from './animated-png.ts'

/** What of the original becomes the thumbnail, and how large that is. */
interface Placement {
  readonly source: readonly [x: number, y: number, width: number, height: number]
  readonly width: number
  readonly height: number
}

const maxFrames = 60

/** Thumbnails by the browser's own codecs. */
export const browserThumbnailer: Thumbnailer = {
  thumbnail: async ({ bytes }, size) => {
    const known = imageSizeOf(bytes)
    if (!known) return undefined
    const { contentType } = known
    const moving = size.animated ? await animated(bytes, contentType, size) : undefined
    if (moving) return moving === 'small' ? undefined : moving
    const bitmap = await createImageBitmap(new Blob([bytes], { type: contentType })).catch(() => undefined)
    if (!bitmap) return undefined
    try {
      const placement = placementOf(bitmap, size)
      // A small picture that moves must not move where that was not asked for.
      const mayMove = contentType !== 'image/jpeg' && !size.animated
      if (!placement && !(mayMove && (await isAnimated(bytes, contentType)))) return undefined
      const { width, height } = bitmap
      return await drawn(bitmap, placement ?? { source: [0, 0, width, height], width, height }, contentType)
    } finally {
      bitmap.close()
    }
  },
}

/** `undefined` where the picture is too small: it is never made larger. */
function placementOf({ width, height }: { readonly width: number; readonly height: number }, size: ThumbnailSize): Placement | undefined {
  const scale = Math.max(size.width / width, size.height / height)
  if (scale >= 1) return undefined
  if (size.method === 'scale') {
    return { source: [0, 0, width, height], width: Math.max(1, Math.ceil(width * scale)), height: Math.max(1, Math.ceil(height * scale)) }
  }
  const [cutWidth, cutHeight] = [size.width / scale, size.height / scale]
  return { source: [(width - cutWidth) / 2, (height - cutHeight) / 2, cutWidth, cutHeight], width: size.width, height: size.height }
}

function canvasWith(image: CanvasImageSource, { source, width, height }: Placement): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  if (!context) throw new Error('There is no canvas')
  context.imageSmoothingQuality = 'high'
  context.drawImage(image, ...source, 0, 0, width, height)
  return canvas
}

async function drawn(image: CanvasImageSource, placement: Placement, contentType: string): Promise<Picture> {
  const type = contentType === 'image/jpeg' ? 'image/jpeg' : 'image/png'
  const blob = await canvasWith(image, placement).convertToBlob({ type, quality: 0.85 })
  return { contentType: blob.type, bytes: new Uint8Array(await blob.arrayBuffer()) }
}

/** The frames of a picture that moves, smaller; `undefined` for one that does not, or where the browser cannot tell. */
async function animated(bytes: Uint8Array<ArrayBuffer>, contentType: string, size: ThumbnailSize): Promise<Picture | 'small' | undefined> {
  const decoder = await decoderOf(bytes, contentType)
  const count = Math.min(decoder?.tracks.selectedTrack?.frameCount ?? 0, maxFrames)
  try {
    if (!decoder || count < 2) return undefined
    const frames: AnimationFrame[] = []
    for (let frameIndex = 0; frameIndex < count; frameIndex++) {
      const { image } = await decoder.decode({ frameIndex })
      const placement = placementOf({ width: image.displayWidth, height: image.displayHeight }, size)
      if (placement)
        frames.push({ png: (await drawn(image, placement, 'image/png')).bytes, durationMs: (image.duration ?? 100_000) / 1000 })
      image.close()
      if (!placement) return 'small'
    }
    const png = animatedPng(frames)
    return png && { contentType: 'image/apng', bytes: png }
  } catch {
    return undefined
  } finally {
    decoder?.close()
  }
}

async function isAnimated(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<boolean> {
  const decoder = await decoderOf(bytes, contentType)
  const isMoving = decoder?.tracks.selectedTrack?.animated ?? false
  decoder?.close()
  return isMoving
}

async function decoderOf(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<ImageDecoder | undefined> {
  if (typeof ImageDecoder === 'undefined' || !(await ImageDecoder.isTypeSupported(type))) return undefined
  const decoder = new ImageDecoder({ data: bytes, type })
  await Promise.all([decoder.tracks.ready, decoder.completed]).catch(() => undefined)
  return decoder
}
