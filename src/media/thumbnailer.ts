import type { MediaContent } from './remote-media.ts'

/** How a thumbnail is to look (Client-Server API, "Thumbnails"). */
export interface ThumbnailSize {
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
}

/** Makes thumbnails where the platform has an image codec. `undefined` for what it cannot, or need not, make smaller. */
export interface Thumbnailer {
  thumbnail(original: MediaContent, size: ThumbnailSize): Promise<MediaContent | undefined>
}
