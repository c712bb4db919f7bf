/** A picture's format and size, by its first bytes. */
export interface ImageSize {
  readonly contentType: 'image/png' | 'image/gif' | 'image/jpeg' | 'image/webp'
  readonly width: number
  readonly height: number
}

/**
 * Reads how large a picture says it is, before anyone decodes it; `undefined` for what is none, or is broken. For JPEG before it
 * is turned as its metadata say.
 */
export function imageSizeOf(bytes: Uint8Array<ArrayBuffer>): ImageSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    return pngSize(view) ?? gifSize(view) ?? webpSize(view) ?? jpegSize(view)
  } catch (error) {
    // A read beyond the end.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function textAt(view: DataView, at: number, text: string): boolean {
  return [...text].every((letter, index) => view.getUint8(at + index) === letter.charCodeAt(0))
}

function pngSize(view: DataView): ImageSize | undefined {
  if (!textAt(view, 0, '\x89PNG\r\n\x1a\n') || !textAt(view, 12, 'IHDR')) return undefined
  return { contentType: 'image/png', width: view.getUint32(16), height: view.getUint32(20) }
}

function gifSize(view: DataView): ImageSize | undefined {
  if (!textAt(view, 0, 'GIF8')) return undefined
  return { contentType: 'image/gif', width: view.getUint16(6, true), height: view.getUint16(8, true) }
}

function webpSize(view: DataView): ImageSize | undefined {
  if (!textAt(view, 0, 'RIFF') || !textAt(view, 8, 'WEBP')) return undefined
  const size = (width: number, height: number): ImageSize => ({ contentType: 'image/webp', width, height })
  if (textAt(view, 12, 'VP8X')) return size(1 + (view.getUint32(24, true) & 0xffffff), 1 + (view.getUint32(26, true) >>> 8))
  if (textAt(view, 12, 'VP8 ')) return size(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff)
  if (!textAt(view, 12, 'VP8L')) return undefined
  const bits = view.getUint32(21, true)
  return size(1 + (bits & 0x3fff), 1 + ((bits >>> 14) & 0x3fff))
}

function jpegSize(view: DataView): ImageSize | undefined {
  if (view.getUint16(0) !== 0xffd8) return undefined
  for (let at = 2; ; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint16(at)
    if (marker < 0xff01) return undefined
    // A frame header: SOF0 to SOF15, without the tables between them.
    if (marker >= 0xffc0 && marker <= 0xffcf && marker !== 0xffc4 && marker !== 0xffc8 && marker !== 0xffcc) {
      return { contentType: 'image/jpeg', width: view.getUint16(at + 7), height: view.getUint16(at + 5) }
    }
  }
}
