import type { ServerName } from '../spec/event.ts'

/** Media as it is handed on: whole. */
export interface MediaContent {
  readonly contentType: string
  readonly filename?: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Media of other homeservers. Rejects with a `MatrixError` where the other server has none, or cannot be reached. */
export interface RemoteMedia {
  download(
    server: ServerName,
    mediaId: string,
    bounds: { readonly timeoutMs: number; readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<MediaContent>
}
