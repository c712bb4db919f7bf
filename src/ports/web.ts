import type { JsonObject, JsonValue } from '../spec/json.ts'

/** The web, which a browser does not let pages ask freely: reached through a relay. */
export interface Web {
  /** Posts a notification to a push gateway. Rejects when that cannot be reached. */
  notify(url: string, body: JsonObject, signal: AbortSignal): Promise<{ readonly status: number; readonly body: JsonValue | undefined }>
  /** What a page says of itself, as OpenGraph properties. Rejects with a `MatrixError`. */
  preview(url: string, language: string | undefined, signal: AbortSignal): Promise<Readonly<Record<string, string>>>
  /** An image. Rejects with a `MatrixError`. */
  image(url: string, signal: AbortSignal): Promise<{ readonly contentType: string; readonly bytes: Uint8Array<ArrayBuffer> }>
}
