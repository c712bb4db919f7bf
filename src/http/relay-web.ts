import * as v from 'valibot'

/** What a homeserver asks of its relay beside federation, as requests to the relay itself ({@link relayName}). */
export const relayWeb = {
  /** `POST` {@link pushWishSchema}: answered with the push gateway's status and body. */
  push: '/web/push',
  /** `POST` {@link pageWishSchema}: answered with {@link pagePreviewSchema}. */
  preview: '/web/preview',
  /** `POST` {@link pageWishSchema}: answered with the image, and its type. */
  image: '/web/image',
} as const

const address = v.pipe(v.string(), v.maxLength(2048))

/** A notification for a push gateway. */
export const pushWishSchema = v.object({ url: address, body: v.record(v.string(), v.unknown()) })

/** A page, or an image, of the web. */
export const pageWishSchema = v.object({ url: address, language: v.optional(v.pipe(v.string(), v.regex(/^[\w,;=.* -]{1,200}$/))) })

/** What a page says of itself: OpenGraph properties; where it is an image itself, only its address under `og:image`. */
export const pagePreviewSchema = v.record(v.string(), v.pipe(v.string(), v.maxLength(2048)))
