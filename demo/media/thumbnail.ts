/** Width and height as Matrix names them. */
export interface Size {
  readonly w: number
  readonly h: number
}

const longestSide = 800

/** The size of a picture. */
export function measured({ width, height }: ImageBitmap): Size {
  return { w: width, h: height }
}

/** A smaller copy of a large picture, made here: a homeserver cannot make one of what is encrypted. */
export async function thumbnailOf(picture: ImageBitmap): Promise<{ readonly blob: Blob; readonly size: Size } | undefined> {
  const scale = longestSide / Math.max(picture.width, picture.height)
  if (scale >= 1) return undefined
  const size = { w: Math.max(1, Math.round(picture.width * scale)), h: Math.max(1, Math.round(picture.height * scale)) }
  const canvas = new OffscreenCanvas(size.w, size.h)
  canvas.getContext('2d')?.drawImage(picture, 0, 0, size.w, size.h)
  return { blob: await canvas.convertToBlob({ type: 'image/webp', quality: 0.8 }), size }
}
