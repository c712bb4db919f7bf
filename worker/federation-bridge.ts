import { expose, type Remote, transfer, wrap } from 'comlink'
import type { FederationTransport, Route, WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import type { ServerName } from '../src/spec/event.ts'
import { labelOf } from '../src/spec/self-certifying.ts'
import type { FederationInbound, FederationOutbound, InboundRequest } from './protocol.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What the homeserver worker answers on the federation port. */
export interface HomeserverEnd {
  /** Answers a request of another server. `signal` aborts when whoever asked has gone. */
  handle(inbound: InboundRequest, signal: AbortSignal): Promise<WireResponse>
  /** The 64-byte Ed25519 signature by the identity key. */
  sign(message: Bytes): Promise<Bytes>
  /** This name runs elsewhere with a higher incarnation. */
  superseded(incarnation: number): void
}

/** What the leader's window answers on the federation port. */
export interface WindowEnd {
  /** Sends a request; rejects when the server cannot be reached. */
  request(to: ServerName, request: WireRequest, signal: AbortSignal): Promise<WireResponse>
}

/** The homeserver worker as the leader's window sees it. */
export interface HomeserverLink extends HomeserverEnd {
  reachable(server: ServerName): void
  routeChanged(server: ServerName | '*', route: Route): void
}

/** What libp2p has signed: its handshake, its peer record, and the incarnation shown to the relay. Never an event or a request. */
const signable = ['noise-libp2p-static-key:', '\x12libp2p-peer-record', 'yurt-incarnation:'].map((text) => new TextEncoder().encode(text))

/** The homeserver worker's end of the federation port: other servers, reached through the leader's window. */
export function connectFederation(port: MessagePort, homeserver: HomeserverEnd): FederationTransport {
  const routes = new Map<ServerName, Route>()
  const listeners = new Set<(server: ServerName) => void>()
  const inbound = runningCalls()
  const served: FederationInbound = {
    handle: async (call, request) => withTransfer(await inbound.run(call, (signal) => homeserver.handle(request, signal))),
    abort: inbound.abort,
    sign: async (message) => {
      if (!signable.some((start) => start.every((byte, index) => message[index] === byte)))
        throw new Error('libp2p has no such thing to sign')
      return homeserver.sign(message)
    },
    reachable: (server) => {
      for (const listener of listeners) listener(server)
    },
    routeChanged: (server, route) => {
      routes.set(server, route)
    },
    superseded: homeserver.superseded,
  }
  expose(served, port)
  const window: Remote<FederationOutbound> = wrap(port)
  const calls = callNumbers()
  return {
    request: (to, request, signal) =>
      calls.make(signal, { start: (call) => window.request(call, to, request), abort: (call) => window.abort(call) }),
    onReachable: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    route: (to) => routes.get(to) ?? (labelOf(to) === undefined ? (routes.get('*') ?? 'queued') : 'queued'),
  }
}

/** The leader window's end of the federation port. */
export function connectHomeserver(port: MessagePort, window: WindowEnd): HomeserverLink {
  const outbound = runningCalls()
  const served: FederationOutbound = {
    request: async (call, to, request) => withTransfer(await outbound.run(call, (signal) => window.request(to, request, signal))),
    abort: outbound.abort,
  }
  expose(served, port)
  const homeserver: Remote<FederationInbound> = wrap(port)
  const calls = callNumbers()
  const tell = (told: Promise<void>): void => {
    told.catch(() => undefined)
  }
  return {
    handle: (inbound, signal) =>
      calls.make(signal, { start: (call) => homeserver.handle(call, inbound), abort: (call) => homeserver.abort(call) }),
    sign: (message) => homeserver.sign(message),
    superseded: (incarnation) => tell(homeserver.superseded(incarnation)),
    reachable: (server) => tell(homeserver.reachable(server)),
    routeChanged: (server, route) => tell(homeserver.routeChanged(server, route)),
  }
}

/** Streams are transferred. Bytes are copied, which takes along all of the buffer that they are a part of. */
function withTransfer(response: WireResponse): WireResponse {
  const { body } = response
  if (!(body instanceof Uint8Array)) return transfer(response, [body])
  return body.byteLength === body.buffer.byteLength ? response : { ...response, body: body.slice() }
}

/** Calls that this side answers, each with a signal that its caller aborts by number. */
function runningCalls(): { run<T>(call: number, answer: (signal: AbortSignal) => Promise<T>): Promise<T>; abort(call: number): void } {
  const running = new Map<number, AbortController>()
  return {
    run: async (call, answer) => {
      const controller = new AbortController()
      running.set(call, controller)
      try {
        return await answer(controller.signal)
      } finally {
        running.delete(call)
      }
    },
    abort: (call) => running.get(call)?.abort(new Error('The caller gave up')),
  }
}

interface PortCall<T> {
  start(call: number): Promise<T>
  abort(call: number): Promise<void>
}

/** Calls that this side makes: numbered, and given up on both sides once the signal aborts. */
function callNumbers(): { make<T>(signal: AbortSignal, call: PortCall<T>): Promise<T> } {
  let last = 0
  return {
    make: (signal, { start, abort }) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted()
        const call = ++last
        const giveUp = (): void => {
          abort(call).catch(() => undefined)
          reject(signal.reason)
        }
        signal.addEventListener('abort', giveUp, { once: true })
        start(call)
          .then(resolve, reject)
          .finally(() => signal.removeEventListener('abort', giveUp))
      }),
  }
}
