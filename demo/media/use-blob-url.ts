import { type MatrixClient, Method } from 'matrix-js-sdk'
import { useEffect, useState } from 'react'
import { useClient } from '../session/client-context.ts'
import type { Attachment } from './attachment.ts'
import { decryptAttachment } from './attachment-cipher.ts'

type Source = Pick<Attachment, 'url' | 'file' | 'mimetype'>

/** Types that a browser shows as a picture and never runs: what others sent must not become a page of this origin. */
const pictureTypes = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp']

/** What a picture is loaded from: `url` once it is there, `failed` if it cannot be had. */
export interface Loading {
  readonly url: string | undefined
  readonly failed: boolean
}

/**
 * Where an `<img>` finds an attachment. What is not encrypted has an address of its own, for which the service worker
 * vouches; what is encrypted is fetched and decrypted.
 */
export function usePictureUrl(source: Source): Loading {
  const client = useClient()
  const [loading, setLoading] = useState<Loading>({ url: undefined, failed: false })
  const { url, file } = source
  const type = pictureTypes.includes(source.mimetype) ? source.mimetype : 'image/png'
  useEffect(() => {
    if (url !== undefined) {
      setLoading({ url: mediaUrl(client, url), failed: false })
      return undefined
    }
    let made: string | undefined
    let isCurrent = true
    loadAttachment(client, { url, file }).then(
      (bytes) => {
        if (!isCurrent) return
        made = URL.createObjectURL(new Blob([bytes], { type }))
        setLoading({ url: made, failed: false })
      },
      () => isCurrent && setLoading({ url: undefined, failed: true }),
    )
    return () => {
      isCurrent = false
      if (made !== undefined) URL.revokeObjectURL(made)
    }
  }, [client, url, file, type])
  return loading
}

/** The bytes of an attachment, decrypted. Rejects when it cannot be had or is not what was sent. */
export async function loadAttachment(
  client: MatrixClient,
  { url, file }: Pick<Attachment, 'url' | 'file'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const [, server, mediaId] = /^mxc:\/\/([^/]+)\/([^/?#]+)$/.exec(file?.url ?? url ?? '') ?? []
  if (server === undefined || mediaId === undefined) throw new Error('The message names no file')
  const path = `/media/download/${encodeURIComponent(server)}/${encodeURIComponent(mediaId)}`
  const options = { prefix: '/_matrix/client/v1', rawResponseBody: true } as const
  const blob = await client.http.authedRequest<Blob>(Method.Get, path, undefined, undefined, options)
  const bytes = new Uint8Array(await blob.arrayBuffer())
  return file ? decryptAttachment(bytes, file) : bytes
}

function mediaUrl(client: MatrixClient, mxc: string): string | undefined {
  return client.mxcUrlToHttp(mxc, undefined, undefined, undefined, false, true, true) ?? undefined
}
