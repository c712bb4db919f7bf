import type { Clock } from '../ports/clock.ts'
import { put, remove, type Storage } from '../ports/storage.ts'
import type { Web } from '../ports/web.ts'
import { invalidParam } from '../spec/errors.ts'
import type { ServerName } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { type StoredUrlPreview, urlPreviews } from '../storage/tables/media.ts'
import { imageSizeOf } from './image-size.ts'
import type { MediaStore } from './media-store.ts'

/** How long a preview is given out without asking again. */
const freshMs = 24 * 3600_000
const keptPreviews = 500
const fetchMs = 30_000

interface UrlPreviewDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly web: Web
  readonly media: MediaStore
  readonly serverName: ServerName
}

/** Previews of pages (Client-Server API, `GET /media/preview_url`). */
export class UrlPreviews {
  readonly #deps: UrlPreviewDeps
  readonly #fetching = new Map<string, Promise<JsonObject>>()

  constructor(deps: UrlPreviewDeps) {
    this.#deps = deps
  }

  /** What a page says of itself. Throws `M_INVALID_PARAM`, `M_FORBIDDEN` for an address that is not fetched, `M_UNKNOWN`. */
  async of(address: string, language: string | undefined): Promise<JsonObject> {
    const url = URL.parse(address)
    if (!url || !/^https?:$/.test(url.protocol) || address.length > 2048) throw invalidParam('url is no address of the web')
    url.hash = ''
    const { storage, clock } = this.#deps
    const kept = await storage.read([urlPreviews], (tx) => tx.get(urlPreviews, url.href))
    if (kept && kept.fetchedTs > clock.now() - freshMs) return { ...kept.properties }
    const fetching = this.#fetching.get(url.href) ?? this.#fetch(url.href, language).finally(() => this.#fetching.delete(url.href))
    this.#fetching.set(url.href, fetching)
    return fetching
  }

  async #fetch(url: string, language: string | undefined): Promise<JsonObject> {
    const { storage, clock, web } = this.#deps
    const late = new AbortController()
    const over = new AbortController()
    void clock.sleep(fetchMs, over.signal).then(() => late.abort())
    try {
      const found = await web.preview(url, language, late.signal)
      const { 'og:image': image, ...said } = found
      const kept = image === undefined ? undefined : await this.#image(image, late.signal).catch(() => undefined)
      const preview: StoredUrlPreview = { properties: { ...said, ...kept?.properties }, fetchedTs: clock.now(), ...kept?.media }
      await this.#forgetOld(url)
      await storage.commit([put(urlPreviews, url, preview)], 'relaxed')
      return { ...preview.properties }
    } finally {
      over.abort()
    }
  }

  /** The image of a page, kept among our media. */
  async #image(address: string, signal: AbortSignal) {
    const { web, media, serverName } = this.#deps
    const content = await web.image(address, signal)
    const size = imageSizeOf(content.bytes)
    const mediaId = await media.keepPreview(content)
    return {
      media: { mediaId },
      properties: {
        'og:image': `mxc://${serverName}/${mediaId}`,
        'og:image:type': content.contentType,
        'matrix:image:size': content.bytes.byteLength,
        ...(size === undefined ? {} : { 'og:image:width': size.width, 'og:image:height': size.height }),
      },
    }
  }

  /** Drops what `url` showed before, and the oldest previews where there are too many, with their images. */
  async #forgetOld(url: string): Promise<void> {
    const { storage, media } = this.#deps
    const rows = await storage.read([urlPreviews], (tx) => tx.range(urlPreviews, {}))
    const oldest = rows.filter(([key]) => key !== url).sort(([, a], [, b]) => a.fetchedTs - b.fetchedTs)
    const over = [...rows.filter(([key]) => key === url), ...oldest.slice(0, Math.max(0, oldest.length + 1 - keptPreviews))]
    for (const [key, { mediaId }] of over) {
      await storage.commit([remove(urlPreviews, key)], 'relaxed')
      if (mediaId !== undefined) await media.delete(mediaId)
    }
  }
}
