import { promises as dns } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Unreachable } from '../src/http/wire-exchange.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import type { ServerName } from '../src/spec/event.ts'
import { createDiscovery, type Destination, type SrvRecord } from './discovery.ts'
import { createHttpsClient, type HttpsClient, type HttpsClientOptions } from './https-client.ts'
import type { WellKnownResponse } from './well-known.ts'

export interface OutboundOptions extends HttpsClientOptions {
  readonly maxResponseBytes?: number
  /** Until the head of a response is there; its body may take as long again after each piece. */
  readonly timeoutMs?: number
}

/** Sends federation requests to any server over HTTPS. */
export interface Outbound {
  /** Finds the server and sends it the request. Rejects with {@link Unreachable} when there is no response. */
  send(to: ServerName, request: WireRequest, signal: AbortSignal): Promise<WireResponse>
  /** Where `server` is to be found. */
  destinations(server: ServerName): Promise<readonly Destination[]>
  close(): void
}

const maxWellKnownBytes = 50 * 1024
const maxRedirects = 5
const wellKnownTimeoutMs = 10_000
const srvTimeoutMs = 5000
const requestHeaders = ['authorization', 'content-type', 'accept']
const responseHeaders = ['content-type', 'content-disposition', 'location', 'retry-after', 'cache-control']

/** The way to ordinary servers: discovery, the guard against private addresses, HTTPS with the certificate checked. */
export function createOutbound(options: OutboundOptions): Outbound {
  const { maxResponseBytes = 512 << 20, timeoutMs = 60_000 } = options
  const client = createHttpsClient(options)
  const discovery = createDiscovery({
    known: new Set(Object.keys(options.resolve ?? {})),
    wellKnown: (hostname) => fetchWellKnown(client, hostname),
    srv: lookUpSrv,
    now: Date.now,
  })

  const attempt = async ({ hostHeader, ...destination }: Destination, request: WireRequest, signal: AbortSignal): Promise<WireResponse> => {
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new Error('The server did not answer in time')), timeoutMs)
    try {
      const response = await client.send({
        ...destination,
        method: request.method,
        path: request.uri,
        headers: { ...picked(request.headers, requestHeaders), host: hostHeader, 'user-agent': 'Yurt' },
        ...(request.body === undefined ? {} : { body: request.body }),
        signal: AbortSignal.any([signal, controller.signal]),
      })
      response.setTimeout(timeoutMs, () => response.destroy(new Error('The server stopped sending')))
      return {
        status: response.statusCode ?? 502,
        headers: picked(headersOf(response), responseHeaders),
        body: bodyOf(response, maxResponseBytes),
      }
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    send: async (to, request, signal) => {
      let reason: unknown
      for (const destination of await discovery.destinations(to)) {
        try {
          return await attempt(destination, request, signal)
        } catch (error) {
          signal.throwIfAborted()
          reason = error
        }
      }
      throw new Unreachable(`${to} cannot be reached: ${reason instanceof Error ? reason.message : String(reason)}`)
    },
    destinations: discovery.destinations,
    close: client.close,
  }
}

async function fetchWellKnown(client: HttpsClient, hostname: string): Promise<WellKnownResponse | undefined> {
  const signal = AbortSignal.timeout(wellKnownTimeoutMs)
  let url = new URL(`https://${hostname}/.well-known/matrix/server`)
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const response = await client.send({
      host,
      port: url.port === '' ? 443 : Number(url.port),
      certificateName: host,
      method: 'GET',
      path: url.pathname + url.search,
      headers: { host: url.host, accept: 'application/json', 'user-agent': 'Yurt' },
      signal,
    })
    const { statusCode: status = 0 } = response
    const { location } = response.headers
    if (status < 300 || status > 399 || location === undefined)
      return { status, headers: headersOf(response), body: await textOf(response) }
    response.destroy()
    url = new URL(location, url)
    if (url.protocol !== 'https:') return undefined
  }
  return undefined
}

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response) {
    length += piece.length
    if (length > maxWellKnownBytes) throw new Error('The well-known document is too large')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

async function lookUpSrv(name: string): Promise<SrvRecord[]> {
  const late = sleep(srvTimeoutMs, [], { ref: false })
  return Promise.race([dns.resolveSrv(name), late])
}

function headersOf(response: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(response.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
}

function picked(headers: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name]
      return value === undefined || value.length > 8192 ? [] : [[name, value]]
    }),
  )
}

/** The body as a stream that is read no faster than it is wanted, and cut off with an error beyond `limit` bytes. */
function bodyOf(response: IncomingMessage, limit: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pieces = response[Symbol.asyncIterator]()
  let length = 0
  return new ReadableStream({
    pull: async (controller) => {
      const piece = await pieces.next()
      if (piece.done) return controller.close()
      length += piece.value.length
      if (length > limit) {
        response.destroy()
        throw new Error(`The response exceeds ${limit} bytes`)
      }
      controller.enqueue(Uint8Array.from(piece.value))
    },
    cancel: () => {
      response.destroy()
    },
  })
}
