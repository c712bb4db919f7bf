import type { BlobStore } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import type { Picture, Thumbnailer, ThumbnailSize } from '../ports/thumbnailer.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import { forbidden, MatrixError, notFound, tooLarge } from '../spec/errors.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { isServerName } from '../spec/server-name.ts'
import { Lru } from '../storage/lru.ts'
import { media, mediaReservations, type StoredMedia } from '../storage/tables/media.ts'
import { imageSizeOf } from './image-size.ts'
import type { MediaContent, RemoteMedia } from './remote-media.ts'

/** How long a media id may wait for its content. */
const reservationMs = 24 * 3600_000
/** How much of others' media is kept. */
const maxOthersBytes = 512 * 1024 * 1024
/** Of what the platform has room for, media may take this much. */
const quotaShare = 0.8
/** Media ids a user may hold at once without content. */
const maxReservations = 50
/** Bytes of media that a user may keep, unless a setting says otherwise. */
const defaultUserBytes = 2 * 1024 ** 3
/** Larger pictures are not decoded. */
const maxPixels = 50_000_000
/** Thumbnails in memory. */
const keptThumbnails = 100
/** How large a thumbnail may be to stay there. */
const keptThumbnailBytes = 256 * 1024

interface MediaDeps {
  readonly storage: Storage
  readonly blobs: BlobStore
  readonly clock: Clock
  readonly random: Random
  readonly serverName: ServerName
  readonly remote: RemoteMedia
  /** Absent where the platform has no image codec: then originals are served. */
  readonly thumbnailer?: Thumbnailer
  readonly maxBytes: number
  /** How much one user may keep; 2 GiB unless told. */
  readonly maxUserBytes?: number | undefined
  /** Part of every media id, so that a restored homeserver never gives one out again. */
  readonly incarnation: number
}

/** A media id that waits for its content, until then. */
interface Reservation {
  readonly mediaId: string
  readonly expiresTs: number
}

interface Wait {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Where media is kept: ours for good, others' as a cache. */
export class MediaStore {
  readonly #deps: MediaDeps
  readonly #waiting = new Map<string, Set<() => void>>()
  readonly #fetching = new Map<string, Promise<MediaContent>>()
  readonly #thumbnails = new Lru<string, Picture>(keptThumbnails)
  #usedBy: Promise<Map<UserId, number>> | undefined

  constructor(deps: MediaDeps) {
    this.#deps = deps
  }

  get maxBytes(): number {
    return this.#deps.maxBytes
  }

  /**
   * Keeps new media; resolves with its id once it is durable. `alongside` is written in the same commit. Throws `M_TOO_LARGE`,
   * `M_FORBIDDEN` where the disk is full.
   */
  async upload(uploader: UserId, content: MediaContent, alongside: (mediaId: string) => readonly Write[] = () => []): Promise<string> {
    const mediaId = this.#newId()
    await this.#keep(this.#deps.serverName, mediaId, content, { uploader, alongside: alongside(mediaId) })
    return mediaId
  }

  /** Keeps what is ours, and no user's. */
  async keepPreview(content: MediaContent): Promise<string> {
    const mediaId = this.#newId()
    await this.#keep(this.#deps.serverName, mediaId, content)
    return mediaId
  }

  /** Removes media of this server; what is not there is passed over. */
  async delete(mediaId: string): Promise<void> {
    const { storage, blobs, serverName } = this.#deps
    await storage.commit([remove(media, [serverName, mediaId])], 'strict')
    await blobs.remove(`${serverName}/${mediaId}`)
  }

  /**
   * Gives out an id whose content comes later; `alongside` is written in the same commit. Throws `M_LIMIT_EXCEEDED` where too many
   * are still empty.
   */
  async reserve(userId: UserId, alongside: (reserved: Reservation) => readonly Write[] = () => []): Promise<Reservation> {
    const { storage, clock } = this.#deps
    const now = clock.now()
    const rows = await storage.read([mediaReservations], (tx) => tx.range(mediaReservations, {}))
    const open = rows.filter(([, reservation]) => reservation.userId === userId && reservation.expiresTs > now)
    if (open.length >= maxReservations) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', { message: 'Too many media ids wait for their content' })
    }
    const expired = rows.filter(([, reservation]) => reservation.expiresTs <= now).map(([mediaId]) => remove(mediaReservations, mediaId))
    const reserved = { mediaId: this.#newId(), expiresTs: now + reservationMs }
    const row = put(mediaReservations, reserved.mediaId, { userId, expiresTs: reserved.expiresTs })
    await storage.commit([...expired, row, ...alongside(reserved)], 'strict')
    return reserved
  }

  /** Fills a reserved id. Throws `M_CANNOT_OVERWRITE_MEDIA`, `M_FORBIDDEN` for another's id, `M_NOT_FOUND` for one that expired. */
  async fill(userId: UserId, mediaId: string, content: MediaContent, alongside: readonly Write[] = []): Promise<void> {
    const { storage, clock, serverName } = this.#deps
    const [known, reservation] = await storage.read([media, mediaReservations], (tx) =>
      Promise.all([tx.get(media, [serverName, mediaId]), tx.get(mediaReservations, mediaId)]),
    )
    if (known) throw new MatrixError(409, 'M_CANNOT_OVERWRITE_MEDIA', { message: 'This media id has its content already' })
    if (reservation && reservation.userId !== userId) throw forbidden('This media id was given to another user')
    if (!reservation || reservation.expiresTs <= clock.now()) throw notFound('This media id does not exist or has expired')
    await this.#keep(serverName, mediaId, content, { uploader: userId, alongside })
    for (const wake of this.#waiting.get(mediaId) ?? []) wake()
  }

  /**
   * Media of any server. Waits up to `timeoutMs` for content that is still to come.
   * Throws `M_NOT_FOUND`, `M_NOT_YET_UPLOADED`, or the other server's error.
   */
  async download(server: ServerName, mediaId: string, wait: Wait): Promise<MediaContent> {
    if (!isServerName(server) || !/^[A-Za-z0-9_-]{1,255}$/.test(mediaId)) throw notFound('There is no such media')
    if (server === this.#deps.serverName) return this.local(mediaId, wait.timeoutMs, wait.signal)
    return (await this.#kept(server, mediaId)) ?? this.#fetch(server, mediaId, wait)
  }

  /** Media of this server. Throws `M_NOT_FOUND`; `M_NOT_YET_UPLOADED` after `timeoutMs` without content. */
  async local(mediaId: string, timeoutMs: number, signal: AbortSignal): Promise<MediaContent> {
    const kept = await this.#kept(this.#deps.serverName, mediaId)
    if (kept) return kept
    const reservation = await this.#deps.storage.read([mediaReservations], (tx) => tx.get(mediaReservations, mediaId))
    if (!reservation || reservation.expiresTs <= this.#deps.clock.now()) throw notFound('There is no such media')
    await this.#filled(mediaId, timeoutMs, signal)
    const filled = await this.#kept(this.#deps.serverName, mediaId)
    if (!filled) throw new MatrixError(504, 'M_NOT_YET_UPLOADED', { message: 'The content has not been uploaded yet' })
    return filled
  }

  /**
   * A thumbnail of media of any server; the original where that is no larger, or nothing can make it smaller. Throws
   * `M_TOO_LARGE` for a picture of too many pixels.
   */
  async thumbnail(file: { readonly server: ServerName; readonly mediaId: string }, size: ThumbnailSize, wait: Wait): Promise<MediaContent> {
    const { thumbnailer, serverName } = this.#deps
    const original = await this.download(file.server, file.mediaId, wait)
    const key = JSON.stringify([file.server, file.mediaId, size.width, size.height, size.method, size.animated])
    const kept = this.#thumbnails.get(key)
    if (kept || !thumbnailer) return kept ?? original
    const { width = 0, height = 0 } = imageSizeOf(original.bytes) ?? {}
    if (width * height > maxPixels) {
      throw new MatrixError(file.server === serverName ? 413 : 502, 'M_TOO_LARGE', {
        message: `The picture has ${width} × ${height} pixels`,
      })
    }
    const thumbnail = await thumbnailer.thumbnail(original, size)
    if (!thumbnail) return original
    if (thumbnail.bytes.byteLength <= keptThumbnailBytes) this.#thumbnails.set(key, thumbnail)
    return thumbnail
  }

  /** Withdraws media of any server, or gives it free again. Throws `M_NOT_FOUND` where it is not here. */
  async quarantine(server: ServerName, mediaId: string, on: boolean): Promise<void> {
    const { storage } = this.#deps
    const stored = await storage.read([media], (tx) => tx.get(media, [server, mediaId]))
    if (!stored) throw notFound('There is no such media')
    const { quarantined: _, ...row } = stored
    await storage.commit([put(media, [server, mediaId], on ? { ...row, quarantined: true } : row)], 'strict')
  }

  /** {@link thumbnail}, of this server's media alone. */
  localThumbnail(mediaId: string, size: ThumbnailSize, wait: Wait): Promise<MediaContent> {
    return this.thumbnail({ server: this.#deps.serverName, mediaId }, size, wait)
  }

  async #filled(mediaId: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const wake = () => over.abort()
    const waiting = this.#waiting.get(mediaId) ?? new Set()
    this.#waiting.set(mediaId, waiting.add(wake))
    signal.addEventListener('abort', wake, { once: true })
    await this.#deps.clock.sleep(timeoutMs, over.signal)
    signal.removeEventListener('abort', wake)
    waiting.delete(wake)
    if (waiting.size === 0) this.#waiting.delete(mediaId)
  }

  async #kept(server: ServerName, mediaId: string): Promise<MediaContent | undefined> {
    const stored = await this.#deps.storage.read([media], (tx) => tx.get(media, [server, mediaId]))
    if (stored?.quarantined) throw notFound('There is no such media')
    const bytes = stored && (await this.#deps.blobs.read(`${server}/${mediaId}`))
    if (!stored || !bytes) return undefined
    return { contentType: stored.contentType, bytes, ...(stored.filename === undefined ? {} : { filename: stored.filename }) }
  }

  /** Others' media is fetched once, however many ask for it. */
  #fetch(server: ServerName, mediaId: string, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<MediaContent> {
    const key = `${server}/${mediaId}`
    const fetching =
      this.#fetching.get(key) ??
      this.#deps.remote
        .download(server, mediaId, { timeoutMs, maxBytes: this.#deps.maxBytes, signal })
        .then(async (content) => {
          if (await this.#makeRoom(content.bytes.byteLength)) await this.#keep(server, mediaId, content)
          return content
        })
        .finally(() => this.#fetching.delete(key))
    this.#fetching.set(key, fetching)
    return fetching
  }

  // The bytes first: a row always has its bytes, bytes without a row are overwritten or never asked for.
  async #keep(
    server: ServerName,
    mediaId: string,
    content: MediaContent,
    { uploader, alongside = [] }: { readonly uploader?: UserId; readonly alongside?: readonly Write[] } = {},
  ): Promise<void> {
    const { storage, blobs, clock, maxBytes } = this.#deps
    if (content.bytes.byteLength > maxBytes) throw tooLarge(`Media may have up to ${maxBytes} bytes`)
    await this.#makeSure(content.bytes.byteLength)
    if (uploader !== undefined) await this.#count(uploader, content.bytes.byteLength)
    await blobs.write(`${server}/${mediaId}`, content.bytes)
    const row: StoredMedia = {
      contentType: content.contentType,
      size: content.bytes.byteLength,
      createdTs: clock.now(),
      ...(content.filename === undefined ? {} : { filename: content.filename }),
      ...(uploader === undefined ? {} : { uploader }),
    }
    const filled = server === this.#deps.serverName ? [remove(mediaReservations, mediaId)] : []
    await storage.commit([put(media, [server, mediaId], row), ...filled, ...alongside], 'strict')
  }

  /** Drops others' media, the longest kept first, until as much fits; `false` if it never will. */
  async #makeRoom(size: number): Promise<boolean> {
    const { storage, blobs, serverName } = this.#deps
    const { bytes, quota } = await blobs.usage()
    const rows = await storage.read([media], (tx) => tx.range(media, {}))
    const others = rows
      .filter(([[server], row]) => server !== serverName && !row.quarantined)
      .sort(([, a], [, b]) => a.createdTs - b.createdTs)
    let held = others.reduce((sum, [, row]) => sum + row.size, 0)
    const limit = Math.min(maxOthersBytes, quota === undefined ? maxOthersBytes : quota * quotaShare - (bytes - held))
    for (const [[server, mediaId], row] of others) {
      if (held + size <= limit) break
      await storage.commit([remove(media, [server, mediaId])], 'relaxed')
      await blobs.remove(`${server}/${mediaId}`)
      held -= row.size
    }
    return held + size <= limit
  }

  /** Counts what a user keeps here. Throws `M_FORBIDDEN` where that becomes too much. */
  async #count(userId: UserId, size: number): Promise<void> {
    const { storage, maxUserBytes = defaultUserBytes } = this.#deps
    this.#usedBy ??= storage
      .read([media], (tx) => tx.range(media, {}))
      .then((rows) => {
        const sums = new Map<UserId, number>()
        for (const [, row] of rows) if (row.uploader !== undefined) sums.set(row.uploader, (sums.get(row.uploader) ?? 0) + row.size)
        return sums
      })
    const used = await this.#usedBy
    const sum = (used.get(userId) ?? 0) + size
    if (sum > maxUserBytes) throw forbidden('You keep as much media here as you may')
    used.set(userId, sum)
  }

  /** New media is refused before events have to be. */
  async #makeSure(size: number): Promise<void> {
    const { bytes, quota } = await this.#deps.blobs.usage()
    if (quota !== undefined && bytes + size > quota * quotaShare) throw forbidden('The storage of this homeserver is almost full')
  }

  #newId(): string {
    return `${this.#deps.incarnation.toString(36)}-${encodeUrlSafeBase64(this.#deps.random.bytes(18))}`
  }
}
