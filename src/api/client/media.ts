import * as v from 'valibot'
import { type Call, type Endpoint, forAnyone, forUser } from '../../http/endpoint.ts'
import { readBytes } from '../../http/json-body.ts'
import { dispositionOf } from '../../media/disposition.ts'
import type { MediaStore } from '../../media/media-store.ts'
import type { MediaContent } from '../../media/remote-media.ts'
import type { UrlPreviews } from '../../media/url-previews.ts'
import { forbidden, invalidParam, notFound } from '../../spec/errors.ts'
import type { ServerName } from '../../spec/event.ts'

export interface MediaDeps {
  readonly media: MediaStore
  readonly serverName: ServerName
  readonly previews: UrlPreviews
}

/** How long a download waits for content that is still to come, at most and unless told. */
const maxTimeoutMs = 60_000
const defaultTimeoutMs = 20_000
/** Pixels that the side of a thumbnail may have. */
const maxThumbnailSide = 4096

const count = v.pipe(v.string(), v.regex(/^\d{1,9}$/, 'is not a number'))
const downloadQuery = v.looseObject({ timeout_ms: v.optional(count) })
const thumbnailQuery = v.looseObject({
  width: count,
  height: count,
  method: v.optional(v.picklist(['crop', 'scale'])),
  animated: v.optional(v.picklist(['true', 'false'])),
  timeout_ms: v.optional(count),
})
const uploadQuery = v.looseObject({ filename: v.optional(v.pipe(v.string(), v.maxLength(255))) })

/** The content repository (Client-Server API, "Content repository"). */
export function mediaEndpoints({ media, serverName, previews }: MediaDeps): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/media/v3/upload',
      query: uploadQuery,
      handle: async (call) => {
        const answer = (mediaId: string) => ({ content_uri: `mxc://${serverName}/${mediaId}` })
        const content = await uploaded(call, media.maxBytes)
        return answer(await media.upload(call.session.userId, content, (mediaId) => call.keep(answer(mediaId))))
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/media/v1/create',
      handle: async ({ session, keep }) => {
        const answer = ({ mediaId, expiresTs }: { readonly mediaId: string; readonly expiresTs: number }) => ({
          content_uri: `mxc://${serverName}/${mediaId}`,
          unused_expires_at: expiresTs,
        })
        return answer(await media.reserve(session.userId, (reserved) => keep(answer(reserved))))
      },
    }),
    forUser({
      method: 'PUT',
      path: '/_matrix/media/v3/upload/:serverName/:mediaId',
      query: uploadQuery,
      handle: async (call) => {
        const { serverName: server, mediaId = '' } = call.params
        if (server !== serverName) throw forbidden('This media id is not of this server')
        await media.fill(call.session.userId, mediaId, await uploaded(call, media.maxBytes), call.keep({}))
        return {}
      },
    }),
    forUser({
      method: 'GET',
      path: ['/_matrix/client/v1/media/config', '/_matrix/media/v3/config'],
      handle: () => ({ 'm.upload.size': media.maxBytes }),
    }),
    ...alsoDeprecated(['download/:serverName/:mediaId', 'download/:serverName/:mediaId/:fileName'], {
      query: downloadQuery,
      handle: async (call) => {
        const { serverName: server = '', mediaId = '' } = call.params
        const content = await media.download(server, mediaId, waitOf(call))
        const filename = call.params.fileName ?? content.filename
        return mediaResponse({ ...content, ...(filename === undefined ? {} : { filename }) })
      },
    }),
    ...alsoDeprecated(['thumbnail/:serverName/:mediaId'], {
      query: thumbnailQuery,
      handle: async (call) => {
        const [width, height] = [Number(call.query.width), Number(call.query.height)]
        const isSensible = width > 0 && height > 0 && width <= maxThumbnailSide && height <= maxThumbnailSide
        if (!isSensible) throw invalidParam(`width and height must be between 1 and ${maxThumbnailSide}`)
        const { serverName: server = '', mediaId = '' } = call.params
        const size = { width, height, method: call.query.method ?? ('scale' as const), animated: call.query.animated === 'true' }
        return mediaResponse(await media.thumbnail({ server, mediaId }, size, waitOf(call)))
      },
    }),
    forUser({
      method: 'GET',
      path: ['/_matrix/client/v1/media/preview_url', '/_matrix/media/v3/preview_url'],
      query: v.looseObject({ url: v.string(), ts: v.optional(v.pipe(v.string(), v.regex(/^\d{1,16}$/, 'is not a number'))) }),
      // Of an earlier time than now there is no preview to be had.
      handle: ({ query, request }) => previews.of(query.url, request.headers.get('accept-language') ?? undefined),
    }),
    ...(['quarantine', 'unquarantine'] as const).map((action) =>
      forUser({
        method: 'POST',
        path: `/_synapse/admin/v1/media/${action}/:serverName/:mediaId`,
        handle: async ({ session, params }) => {
          if (!session.admin) throw forbidden('Only administrators may do this')
          await media.quarantine(params.serverName ?? '', params.mediaId ?? '', action === 'quarantine')
          return {}
        },
      }),
    ),
  ]
}

/**
 * Media at its path and at the deprecated one, which takes no token. That is frozen from the start: it answers those alone who show
 * a token all the same, as clients do that were written before there was another.
 */
function alsoDeprecated<Query>(
  places: readonly string[],
  shape: { readonly query: v.GenericSchema<unknown, Query>; readonly handle: (call: Call<unknown, Query>) => Promise<Response> },
): Endpoint[] {
  return [
    forUser({ method: 'GET', path: places.map((place) => `/_matrix/client/v1/media/${place}`), ...shape }),
    forAnyone({
      method: 'GET',
      path: places.map((place) => `/_matrix/media/v3/${place}`),
      query: shape.query,
      handle: ({ session, ...call }) => {
        if (!session) throw notFound('Media is for users who are logged in')
        return shape.handle(call)
      },
    }),
  ]
}

function waitOf({ query, signal }: Call<unknown, { timeout_ms?: string | undefined }>) {
  return { timeoutMs: Math.min(maxTimeoutMs, Number(query.timeout_ms ?? defaultTimeoutMs)), signal }
}

async function uploaded(call: Call<unknown, v.InferOutput<typeof uploadQuery>>, maxBytes: number): Promise<MediaContent> {
  const bytes = await readBytes(call.request.body, maxBytes)
  const { filename } = call.query
  const contentType = call.request.headers.get('content-type') ?? 'application/octet-stream'
  return { bytes, contentType, ...(filename === undefined ? {} : { filename }) }
}

/** Media as a response that no browser takes for a page of ours. */
function mediaResponse({ contentType, filename, bytes }: MediaContent): Response {
  return new Response(bytes, {
    headers: {
      'content-type': contentType,
      'content-disposition': dispositionOf(contentType, filename),
      'content-security-policy':
        "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=86400, immutable',
    },
  })
}
