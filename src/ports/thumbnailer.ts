/** A picture, whole. */
export interface Picture {
  readonly contentType: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** How a thumbnail is to look (Client-Server API, "Thumbnails"). */
export interface ThumbnailSize {
  /** Pixels; neither side gets smaller than asked for. */
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
  /** Whether it may move, where the original does. */
  readonly animated: boolean
}

/** Makes thumbnails where the platform has an image codec. */
export interface Thumbnailer {
  /** `undefined` for what is no picture it can read, or is no larger than asked for already. */
  thumbnail(original: Picture, size: ThumbnailSize): Promise<Picture | undefined>
}
