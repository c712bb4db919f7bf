import type { ServerName } from '../spec/event.ts'

/** A federation request as it goes over any transport: HTTP semantics, already signed (X-Matrix in `headers`). */
export interface WireRequest {
  readonly method: string
  /** Path and query: what the signature covers. */
  readonly uri: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array<ArrayBuffer>
}

export interface WireResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>
}

/** How another homeserver is reached now: over its own connection, through a relay, over HTTPS, or not. */
export type Route = 'direct' | 'relayed' | 'https' | 'queued'

export interface FederationTransport {
  /** Sends one request. Rejects when the server cannot be reached; any HTTP status is an answer. */
  request(to: ServerName, request: WireRequest, signal: AbortSignal): Promise<WireResponse>
  /** Calls `listener` whenever a server becomes reachable. Returns the way to stop. */
  onReachable(listener: (server: ServerName) => void): () => void
  /** For people: the route a request would take now. */
  route(to: ServerName): Route
}
