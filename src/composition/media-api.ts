import { mediaEndpoints } from '../api/client/media.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { UrlPreviews } from '../media/url-previews.ts'
import type { Parts } from './parts.ts'

/** Media, for clients. */
export async function mediaApi(parts: Parts): Promise<Endpoint[]> {
  const { remotes, signer } = parts
  const shared = { ...parts, serverName: signer.serverName, media: await parts.media() }
  return mediaEndpoints({ ...shared, previews: new UrlPreviews({ ...shared, web: remotes.web }) })
}
