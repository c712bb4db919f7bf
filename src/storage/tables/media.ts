import { table } from '../../ports/storage.ts'
import type { ServerName, UserId } from '../../spec/event.ts'

/** Media whose bytes are in the blob store under `server/id`. */
export interface StoredMedia {
  readonly contentType: string
  readonly filename?: string
  readonly size: number
  readonly createdTs: number
  /** The local user who uploaded it. */
  readonly uploader?: UserId
  /** An administrator withdrew it: nobody is served. */
  readonly quarantined?: true
}

/** A media id given out, whose content is still to come. */
export interface StoredMediaReservation {
  readonly userId: UserId
  readonly expiresTs: number
}

/** What a page of the web said of itself. */
export interface StoredUrlPreview {
  readonly properties: Readonly<Record<string, string | number>>
  readonly fetchedTs: number
  /** Its image, among our media. */
  readonly mediaId?: string
}

/** [server name, media id]. */
export const media = table<readonly [ServerName, string], StoredMedia>('media')
/** Media id of this server. */
export const mediaReservations = table<string, StoredMediaReservation>('media_reservations')

/** By the page's address. */
export const urlPreviews = table<string, StoredUrlPreview>('url_previews')

export const mediaTables = { media, mediaReservations, urlPreviews }
