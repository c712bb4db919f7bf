import type { Route, WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import type { ServerName } from '../src/spec/event.ts'

/** A body as it crosses a port: whole, or as a stream that is transferred. */
export type PortBody = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | undefined

/** Service worker → homeserver worker: answer this HTTP request. */
export interface BridgeRequest {
  readonly type: 'request'
  readonly id: number
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: PortBody
  /** The page that asks. */
  readonly clientId: string
  /** Whether the page may be vouched for by its last authenticated request: an `<img>` cannot send a header. */
  readonly vouched: boolean
  /** The same for every repeat of one mutating request. */
  readonly requestId: string | undefined
}

/** Service worker → homeserver worker: whoever asked has gone. */
export interface BridgeAbort {
  readonly type: 'abort'
  readonly id: number
}

/** Homeserver worker → service worker. */
export interface BridgeResponse {
  readonly type: 'response'
  readonly id: number
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: PortBody
}

/** Homeserver worker → service worker: the first message on a port. Until it came, the port leads nowhere. */
export interface BridgeHello {
  readonly type: 'hello'
  readonly worker: string
  /** Of its leadership: a later leader has a higher one. */
  readonly epoch: number
}

export type ToHomeserver = BridgeRequest | BridgeAbort
export type FromHomeserver = BridgeHello | BridgeResponse

/** Page or tab host → service worker: take this page under control; here is a port to my homeserver worker. */
export type ToServiceWorker = { readonly type: 'claim' } | { readonly type: 'port' }

/** Service worker → tab hosts: whoever leads, send a port. */
export interface PortWanted {
  readonly type: 'port-wanted'
}

/** The Web Lock that a homeserver worker holds as long as it lives. */
export function lifeLock(worker: string): string {
  return `yurt-worker-${worker}`
}

/** What the leader's libp2p node must know of the identity; it signs through {@link FederationInbound.sign}. */
export interface NodeIdentity {
  readonly serverName: ServerName
  /** The raw 32-byte Ed25519 key, also the libp2p identity. */
  readonly publicKey: Uint8Array<ArrayBuffer>
  readonly incarnation: number
}

/** A request that reached the leader's window. */
export interface InboundRequest {
  /** Which API it is for: `client` only from the user's own tunnel. */
  readonly surface: 'federation' | 'client'
  /** What rate limits count by: a peer id or an address. */
  readonly address: string
  readonly request: WireRequest
}

/**
 * Answered by the homeserver worker on the federation port (comlink). Bodies that are streams, and buffers worth it, are
 * passed with `transfer`.
 */
export interface FederationInbound {
  /** Answers a request of another server. `call` names it for {@link abort}. */
  handle(call: number, inbound: InboundRequest): Promise<WireResponse>
  abort(call: number): void
  /** The 64-byte Ed25519 signature by the identity key. Rejects once the worker is fenced. */
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>
  /** A server can be reached now that could not before. */
  reachable(server: ServerName): void
  /** The route to a server changed; `*` stands for every server that has none of its own. */
  routeChanged(server: ServerName | '*', route: Route): void
  /** Someone proved, signed, that this name runs elsewhere with a higher incarnation: this instance stops. */
  superseded(incarnation: number): void
}

/** Answered by the leader's window on the same port (comlink). */
export interface FederationOutbound {
  /** Sends a request; rejects when the server cannot be reached. `call` names it for {@link abort}. */
  request(call: number, to: ServerName, request: WireRequest): Promise<WireResponse>
  abort(call: number): void
}
