import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import type { ByteBudget } from '../src/http/byte-budget.ts'
import { isPlainUri } from '../src/http/wire-head.ts'
import { wireError, wireJson } from '../src/http/wire-response.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { badJson, limitExceeded, MatrixError, notFound, tooLarge, unknownError, unrecognized } from '../src/spec/errors.ts'
import { isServerName } from '../src/spec/server-name.ts'
import type { RelayConfig } from './config.ts'
import type { Inbound } from './inbound.ts'
import { xMatrixOf } from './request-signature.ts'

export interface FederationListener {
  readonly port: number
  close(): Promise<void>
}

export interface FederationListenerOptions {
  readonly config: RelayConfig
  readonly inbound: Inbound
  readonly budget: ByteBudget
  readonly health: () => Record<string, number | string>
  readonly logger: Logger
}

const headerTimeoutMs = 10_000
const maxHeaderBytes = 32 * 1024
const passedOn = ['content-type', 'accept', 'user-agent']

/** Listens for ordinary homeservers: HTTPS with the certificate of the configuration, or HTTP where a proxy has one. */
export async function listenForServers(options: FederationListenerOptions): Promise<FederationListener> {
  const { host, port, tls } = options.config.federation
  const bounds = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headerTimeoutMs,
    requestTimeout: options.config.limits.requestSeconds * 1000,
    keepAliveTimeout: 30_000,
  }
  const server =
    tls === undefined
      ? createHttpServer(bounds)
      : createHttpsServer({ ...bounds, cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile), minVersion: 'TLSv1.2' })
  server.maxConnections = options.config.limits.connections
  server.on(
    'request',
    (request: IncomingMessage, response: ServerResponse) =>
      void serve({ ...options, publicPort: () => publicPort(options.config, server) }, request, response),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return { port: portOf(server), close: () => close(server) }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

function publicPort(config: RelayConfig, server: Server): number {
  return config.federation.publicPort ?? portOf(server)
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), 2000).unref()
  })
}

type ServeOptions = FederationListenerOptions & { readonly publicPort: () => number }

async function serve(options: ServeOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort(new Error('The connection was closed')))
  try {
    await write(response, await respond(options, request, gone.signal), request.method === 'HEAD')
  } catch (error) {
    if (!gone.signal.aborted) options.logger.error({ error: String(error), path: request.url?.split('?', 1)[0] }, 'a request failed')
    if (response.headersSent) response.destroy()
    else await write(response, wireError(unknownError()), false).catch(() => response.destroy())
  }
}

async function respond(options: ServeOptions, request: IncomingMessage, signal: AbortSignal): Promise<WireResponse> {
  const { config, inbound, health, budget } = options
  const uri = request.url ?? '/'
  const path = uri.split('?', 1)[0]
  try {
    if (path === '/health') return wireJson(health())
    const to = request.headers.host ?? ''
    if (!isServerName(to) || !isPlainUri(uri)) throw badJson('The request names no server, or no path')
    // Who comes by a delegation names the port where there is none in the server name, and the other way round.
    const host = to.replace(/:\d+$/, '')
    const name = [to, host, `${host}:${options.publicPort()}`].find((candidate) => inbound.owner(candidate) !== undefined)
    const owner = name === undefined ? undefined : inbound.owner(name)
    if (name === undefined || owner === undefined) throw notFound('There is no such homeserver here')
    if (path === '/.well-known/matrix/server' && request.method === 'GET')
      return wireJson({ 'm.server': `${host}:${options.publicPort()}` })
    if (!uri.startsWith('/_matrix/federation/') && !uri.startsWith('/_matrix/key/')) throw unrecognized()
    const body = await readBody(request, config.limits.requestMegabytes << 20, budget)
    try {
      const wire = wireRequest(request, uri, body)
      // Behind a delegation the Host header holds another name than the one that was signed for.
      const signedFor = xMatrixOf(wire).find(({ destination = '' }) => inbound.owner(destination) === owner)?.destination
      return await inbound.answer(owner, { to: signedFor ?? name, request: wire, signal })
    } finally {
      budget.give(body?.byteLength ?? 0)
    }
  } catch (error) {
    if (error instanceof MatrixError) return wireError(error)
    throw error
  }
}

function wireRequest(request: IncomingMessage, uri: string, body: Uint8Array<ArrayBuffer> | undefined): WireRequest {
  const headers: Record<string, string> = { 'x-forwarded-for': request.socket.remoteAddress ?? 'unknown' }
  for (const name of passedOn) {
    const value = request.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  // A server with several keys signs once with each, in a header of its own.
  const authorization = request.headersDistinct.authorization
  if (authorization !== undefined) headers.authorization = authorization.join(', ')
  return { method: request.method ?? 'GET', uri, headers, ...(body === undefined ? {} : { body }) }
}

/** The body, taken from the budget; `undefined` if there is none. Throws `M_TOO_LARGE`, or `M_LIMIT_EXCEEDED` while there is no memory for it. */
async function readBody(request: IncomingMessage, limit: number, budget: ByteBudget): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(`The body exceeds ${limit} bytes`)
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of request) {
      if (length + piece.length > limit) throw tooLarge(`The body exceeds ${limit} bytes`)
      if (!budget.take(piece.length)) throw limitExceeded(1000)
      length += piece.length
      pieces.push(piece)
    }
  } catch (error) {
    budget.give(length)
    throw error
  }
  return length === 0 ? undefined : Uint8Array.from(Buffer.concat(pieces))
}

async function write(response: ServerResponse, { status, headers, body }: WireResponse, headOnly: boolean): Promise<void> {
  if (body instanceof Uint8Array) {
    // The rest of a body that is too large is not read.
    response.writeHead(status, {
      ...headers,
      'content-length': body.byteLength,
      ...(status === 413 || status === 429 ? { connection: 'close' } : {}),
    })
    response.end(headOnly ? undefined : body)
    return
  }
  response.writeHead(status, headers)
  await pipeline(body, response)
}
