import { unknownError } from '../spec/errors.ts'
import type { ServerName } from '../spec/event.ts'
import { type FederationClient, isUnsupported, nonsense } from './client.ts'
import { readMultipart } from './multipart.ts'

/** Media of another server. */
export interface RemoteFile {
  readonly contentType: string
  readonly filename?: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

interface Bounds {
  /** How long the remote may wait for media that is still to be uploaded. */
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal?: AbortSignal
}

/** What comes with the bytes: delimiters and headers. */
const envelopeBytes = 64 << 10
const transferTimeoutMs = 120_000

/** Media of other homeservers (Server-Server API, "Content Repository"). */
export class RemoteMedia {
  readonly #client: FederationClient

  constructor(client: FederationClient) {
    this.#client = client
  }

  /** The file. Rejects with the remote's error, a 502 with `M_TOO_LARGE` beyond `maxBytes`, or one where it makes no sense. */
  async download(server: ServerName, mediaId: string, bounds: Bounds): Promise<RemoteFile> {
    try {
      return await this.#signed(server, mediaId, bounds)
    } catch (failure) {
      if (isUnsupported(failure)) return this.#unsigned(server, mediaId, bounds)
      throw failure
    }
  }

  async #signed(server: ServerName, mediaId: string, bounds: Bounds): Promise<RemoteFile> {
    const { headers, bytes } = await this.#client.answer(server, {
      method: 'GET',
      path: ['federation', 'v1', 'media', 'download', mediaId],
      query: [['timeout_ms', String(bounds.timeoutMs)]],
      ...transfer(bounds),
    })
    const [, file] = readMultipart(bytes, headers['content-type'] ?? '', 2) ?? []
    if (!file) throw nonsense(server)
    if (file.headers.location !== undefined)
      throw unknownError(`${server} keeps its media elsewhere, where it cannot be fetched from here`, 502)
    return fileOf(file.headers, file.bytes)
  }

  /** Servers older than authenticated media (v1.11) serve it to anyone. */
  async #unsigned(server: ServerName, mediaId: string, bounds: Bounds): Promise<RemoteFile> {
    const { headers, bytes } = await this.#client.answer(server, {
      method: 'GET',
      path: ['media', 'v3', 'download', server, mediaId],
      query: [
        ['allow_remote', 'false'],
        ['timeout_ms', String(bounds.timeoutMs)],
      ],
      unsigned: true,
      ...transfer(bounds),
    })
    return fileOf(headers, bytes)
  }
}

function transfer({ timeoutMs, maxBytes, signal }: Bounds) {
  return {
    timeoutMs: timeoutMs + transferTimeoutMs,
    maxBytes: maxBytes + envelopeBytes,
    repeatable: false,
    ...(signal ? { signal } : {}),
  }
}

function fileOf(headers: Readonly<Record<string, string>>, bytes: Uint8Array<ArrayBuffer>): RemoteFile {
  const filename = filenameOf(headers['content-disposition'] ?? '')
  return {
    contentType: headers['content-type'] ?? 'application/octet-stream',
    bytes,
    ...(filename === undefined ? {} : { filename }),
  }
}

/** RFC 6266: `filename*` in UTF-8 goes before `filename`. */
function filenameOf(disposition: string): string | undefined {
  const encoded = /;\s*filename\*=utf-8''([^;\s]+)/i.exec(disposition)?.[1]
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded)
    } catch {
      return undefined
    }
  }
  const plain = /;\s*filename=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(disposition)
  return plain?.[1]?.replace(/\\(.)/g, '$1') ?? plain?.[2]
}
