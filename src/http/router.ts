import type { Logger } from '../ports/logger.ts'
import type { Write } from '../ports/storage.ts'
import { invalidParam, MatrixError, unknownError } from '../spec/errors.ts'
import type { ServerName } from '../spec/event.ts'
import type { JsonValue } from '../spec/json.ts'
import { assertStanding } from './account-standing.ts'
import type { Caller, Endpoint, RequestOrigin, Session } from './endpoint.ts'
import { parseJson, readBytes } from './json-body.ts'
import { type LaterEndpoints, Routes } from './routes.ts'

/** Answers HTTP requests: the one surface that service worker, headless, relay and tests speak. */
export type Handler = (request: Request, origin: RequestOrigin) => Promise<Response>

/** How the router learns who asks. Both throw `MatrixError` for a caller they refuse. */
export interface Authenticator {
  /** The session of an access token. */
  user(token: string, origin: RequestOrigin): Promise<Session>
  /** The server that signed a federation request. */
  server(signed: {
    readonly method: string
    readonly uri: string
    readonly authorization: readonly string[]
    readonly content?: JsonValue
  }): Promise<ServerName>
}

/** Called before an endpoint runs; throws `M_LIMIT_EXCEEDED`. */
export type RateLimit = (endpoint: Endpoint, caller: Caller, origin: RequestOrigin) => void

/** What an API stands behind. */
export interface Edge {
  readonly authenticator: Authenticator
  readonly logger: Logger
  readonly rateLimit: RateLimit
}

/** The endpoints of an API, and what serves them. */
export interface Api {
  /** All of them as data: loads those that no request needed yet. */
  endpoints(): Promise<readonly Endpoint[]>
  readonly handle: Handler
}

/** What `v3` was called before Matrix 1.1: clients that still ask for it, such as Hydrogen, are answered. */
const formerVersion = /^\/_matrix\/(client|media)\/r0\//

const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS, PATCH',
  'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization, If-Match, If-None-Match',
}

/** An API of `endpoints`, and of those that are loaded when they are first asked for: see {@link createHandler}. */
export function createApi(endpoints: readonly Endpoint[], later: readonly LaterEndpoints[], edge: Edge): Api {
  const routes = new Routes(endpoints, later)
  return { endpoints: () => routes.all(), handle: handlerOf(routes, edge) }
}

/** Makes the handler that serves `endpoints`. Everything else answers `404 M_UNRECOGNIZED`, another method `405`. */
export function createHandler(endpoints: readonly Endpoint[], edge: Edge): Handler {
  return handlerOf(new Routes(endpoints), edge)
}

function handlerOf(routes: Routes, edge: Edge): Handler {
  const dispatch = async (request: Request, origin: RequestOrigin): Promise<Response> => {
    const url = new URL(request.url)
    const path = url.pathname.replace(formerVersion, '/_matrix/$1/v3/')
    const [endpoint, rawParams] = await routes.find(request.method === 'HEAD' ? 'GET' : request.method, path)
    const params = decodeParams(rawParams)
    const caller = endpoint.access === 'server' ? {} : await authenticate(endpoint, request, origin)
    if (endpoint.access !== 'server') edge.rateLimit(endpoint, caller, origin)
    const body = endpoint.body ? parseJson(await readBytes(request.body, endpoint.bodyLimit ?? 1 << 20), endpoint.nestingLimit) : undefined
    const known = endpoint.access === 'server' ? await authenticateServer(request, origin, body) : caller
    if (endpoint.access === 'server') edge.rateLimit(endpoint, known, origin)
    const query = readQuery(url.searchParams, endpoint.repeated ?? [])
    const answer = await endpoint.run(
      { params, query, body, request, origin, signal: request.signal, keep: origin.keep ?? keepNothing },
      known,
    )
    return answer instanceof Response ? answer : json(answer, 200)
  }

  const authenticate = async (endpoint: Endpoint, request: Request, origin: RequestOrigin): Promise<Caller> => {
    if (endpoint.access === 'public') return {}
    const token = bearerToken(request)
    if (token === undefined && endpoint.access === 'optional-user') return {}
    const session = await edge.authenticator.user(token ?? '', origin)
    assertStanding(endpoint, session)
    return { session }
  }

  const authenticateServer = async (request: Request, origin: RequestOrigin, body: JsonValue | undefined): Promise<Caller> => {
    const url = new URL(request.url)
    const authorization = request.headers.get('authorization')
    const server = await edge.authenticator.server({
      method: request.method,
      uri: origin.uri ?? url.pathname + url.search,
      // Fetch joins repeated headers with a comma; each scheme name starts a header of its own.
      authorization: authorization === null ? [] : authorization.split(/,\s*(?=X-Matrix\s)/i),
      ...(request.method !== 'GET' && body !== undefined ? { content: body } : {}),
    })
    return { server }
  }

  return async (request, origin) => {
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: corsHeaders })
    const response = await dispatch(request, origin).catch((failure: unknown) => failed(failure, request, edge.logger))
    for (const [name, value] of Object.entries(corsHeaders)) response.headers.set(name, value)
    return response
  }
}

const keepNothing = (): readonly Write[] => []

/** A JSON response. */
export function json(value: JsonValue, status: number): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json' } })
}

function failed(failure: unknown, request: Request, logger: Logger): Response {
  if (failure instanceof MatrixError) {
    const response = json(failure.body(), failure.status)
    const { retry_after_ms: retryAfterMs } = failure.fields
    if (typeof retryAfterMs === 'number') response.headers.set('retry-after', String(Math.ceil(retryAfterMs / 1000)))
    return response
  }
  const { name, message, stack } = failure instanceof Error ? failure : new Error(String(failure))
  logger.log('error', 'request failed', { method: request.method, path: new URL(request.url).pathname, name, message, stack })
  return json(unknownError().body(), 500)
}

function bearerToken(request: Request): string | undefined {
  const match = /^Bearer\s+(\S+)$/i.exec(request.headers.get('authorization') ?? '')
  return match?.[1] ?? new URL(request.url).searchParams.get('access_token') ?? undefined
}

function decodeParams(raw: Readonly<Record<string, string | number>>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, decodeURIComponent(String(value))]))
  } catch {
    throw invalidParam('The path is not valid percent-encoding')
  }
}

function readQuery(search: URLSearchParams, repeated: readonly string[]): Record<string, string | string[]> {
  return Object.fromEntries(
    [...new Set(search.keys())].map((name) => [name, repeated.includes(name) ? search.getAll(name) : (search.get(name) ?? '')]),
  )
}
