import * as v from 'valibot'
import { writeMultipart } from '../../federation/multipart.ts'
import { type Endpoint, forServer } from '../../http/endpoint.ts'
import type { Random } from '../../ports/random.ts'
import { encodeUrlSafeBase64 } from '../../spec/base64.ts'
import { invalidParam } from '../../spec/errors.ts'
import { integerText } from './inputs.ts'

interface LocalFile {
  readonly contentType: string
  readonly filename?: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface MediaDeps {
  readonly media: {
    /** Throws `M_NOT_FOUND`, `M_NOT_YET_UPLOADED`. */
    local(mediaId: string, timeoutMs: number, signal: AbortSignal): Promise<LocalFile>
    /** Throws like `local`, and where there can be no thumbnail. */
    localThumbnail(
      mediaId: string,
      wanted: { readonly width: number; readonly height: number; readonly method: 'crop' | 'scale'; readonly animated: boolean },
      wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
    ): Promise<LocalFile>
  }
  readonly random: Random
}

/** How long another server may have us wait for content that is still to come. */
const longestWaitMs = 60_000
const wait = { timeout_ms: v.optional(integerText) }

/** Our media for other servers (Server-Server API, "Content Repository"). */
export function mediaEndpoints({ media, random }: MediaDeps): Endpoint[] {
  return [
    forServer({
      method: 'GET',
      path: '/_matrix/federation/v1/media/download/:mediaId',
      query: v.looseObject(wait),
      handle: async ({ params: { mediaId = '' }, query, signal }) =>
        multipart(await media.local(mediaId, waitMs(query.timeout_ms), signal), random),
    }),
    forServer({
      method: 'GET',
      path: '/_matrix/federation/v1/media/thumbnail/:mediaId',
      query: v.looseObject({
        ...wait,
        width: integerText,
        height: integerText,
        method: v.optional(v.picklist(['crop', 'scale'])),
        animated: v.optional(v.picklist(['true', 'false'])),
      }),
      handle: async ({ params: { mediaId = '' }, query, signal }) => {
        const [width, height] = [Number(query.width), Number(query.height)]
        if (width < 1 || height < 1) throw invalidParam('The size of a thumbnail is positive')
        const wanted = { width, height, method: query.method ?? 'scale', animated: query.animated === 'true' }
        return multipart(await media.localThumbnail(mediaId, wanted, { timeoutMs: waitMs(query.timeout_ms), signal }), random)
      },
    }),
  ]
}

function waitMs(text = '20000'): number {
  return Math.max(0, Math.min(Number(text), longestWaitMs))
}

/** The metadata, which the specification leaves empty, and the file. */
function multipart({ contentType, filename, bytes }: LocalFile, random: Random): Response {
  const between = encodeUrlSafeBase64(random.bytes(24))
  const disposition = filename === undefined ? 'inline' : `inline; filename*=utf-8''${encodeURIComponent(filename)}`
  const body = writeMultipart(
    [
      { headers: { 'content-type': 'application/json' }, bytes: new TextEncoder().encode('{}') },
      { headers: { 'content-type': contentType, 'content-disposition': disposition }, bytes },
    ],
    between,
  )
  return new Response(body, { headers: { 'content-type': `multipart/mixed; boundary=${between}` } })
}
