import { parseJson, readBytes } from '../http/json-body.ts'
import { JsonLists, type ListPart } from '../http/json-lists.ts'
import type { Clock } from '../ports/clock.ts'
import type { FederationTransport, WireResponse } from '../ports/federation-transport.ts'
import type { Random } from '../ports/random.ts'
import type { Signer } from '../ports/signer.ts'
import { canonicalBytes } from '../spec/canonical-json.ts'
import { MatrixError, unknownError } from '../spec/errors.ts'
import type { ServerName } from '../spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { signingBytes } from '../spec/signing.ts'
import { formatXMatrix, requestSigningObject } from '../spec/x-matrix.ts'
import { withDeadline } from './deadline.ts'

/** A request to another homeserver. */
export interface RemoteRequest {
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Path segments after `/_matrix/`, not yet percent-encoded. */
  readonly path: readonly string[]
  readonly query?: readonly (readonly [string, string])[]
  readonly body?: JsonObject
  /** For the whole call, repeats included; 10 s unless told. */
  readonly timeoutMs?: number
  /** Bytes of body accepted; 1 MiB unless told. */
  readonly maxBytes?: number
  /** How deep the answer may nest; 100 unless told. */
  readonly maxNesting?: number
  /** Left out for the few endpoints that need no authentication. */
  readonly unsigned?: true
  /** A failure that may pass is tried once more: for requests that may be repeated harmlessly. GET is, unless this says no. */
  readonly repeatable?: boolean
  readonly signal?: AbortSignal
}

/** An answer of status 200. */
interface RemoteAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Lists of an answer that are read while they arrive. */
interface LongLists {
  /** The keys under which they are. */
  readonly names: readonly string[]
  /** Makes what takes their parts, in order, one at a time: the next is read once it has resolved. */
  readonly reader: () => (part: ListPart) => void | Promise<void>
}

/** Reads an answer of status 200. */
type Read<T> = (response: WireResponse, signal: AbortSignal) => Promise<T>

interface Way<T> {
  readonly signal: AbortSignal
  readonly read: Read<T>
}

const defaultTimeoutMs = 10_000
/** How deep an answer may nest, unless more was expected. */
const defaultMaxNesting = 100
/** Bytes of an answer that is there whole which are looked at in one go. */
const pieceBytes = 128 * 1024
/** Bytes that the answer of another server may have, unless more was expected. */
const defaultMaxBytes = 1 << 20
/** The longest pause before a request to another server is repeated. */
const longestPauseMs = 2_000

/**
 * Signed requests to other homeservers, over whatever route the transport has (Server-Server API, "Request Authentication").
 *
 * Every call ends in bounded time and with a bounded answer. What a remote server answers as an error is thrown as a
 * `MatrixError` of that status and code; that it cannot be reached, or speaks nonsense, as a 502 or 504.
 */
export class FederationClient {
  readonly #deps: {
    readonly transport: FederationTransport
    readonly signer: Signer
    readonly clock: Clock
    readonly random: Random
  }

  constructor(deps: {
    readonly transport: FederationTransport
    readonly signer: Signer
    readonly clock: Clock
    readonly random: Random
  }) {
    this.#deps = deps
  }

  /** The JSON object answered. */
  async json(to: ServerName, request: RemoteRequest): Promise<JsonObject> {
    const { bytes } = await this.answer(to, request)
    const value = parsed(bytes, request.maxNesting)
    if (!isObject(value)) throw nonsense(to)
    return value
  }

  /**
   * The JSON object answered, its long lists handed to a reader while they arrive; they are empty in what this resolves with. A call
   * that is repeated takes a new reader. Rejects, as well, when the reader does: then the rest of the answer is not waited for.
   */
  async lists(to: ServerName, request: RemoteRequest, { names, reader }: LongLists): Promise<JsonObject> {
    const value = await this.#call(to, request, async ({ body }, signal) => {
      const lists = new JsonLists(names, request.maxNesting ?? defaultMaxNesting)
      const take = reader()
      const limit = request.maxBytes ?? defaultMaxBytes
      let length = 0
      await eachPiece(body, signal, async (piece) => {
        length += piece.byteLength
        if (length > limit) throw tooLong(to, limit)
        for (const part of orNonsense(to, () => lists.push(piece))) await take(part)
      })
      return orNonsense(to, () => lists.end())
    })
    if (!isObject(value)) throw nonsense(to)
    return value
  }

  /** The answer as it came. */
  async answer(to: ServerName, request: RemoteRequest): Promise<RemoteAnswer> {
    const limit = request.maxBytes ?? defaultMaxBytes
    return this.#call(to, request, async (response) => ({ headers: response.headers, bytes: await bytesOf(response, { to, limit }) }))
  }

  async #call<T>(to: ServerName, request: RemoteRequest, read: Read<T>): Promise<T> {
    const { clock, signer } = this.#deps
    if (to === signer.serverName) throw new Error('a homeserver does not federate with itself')
    const bound = { clock, timeoutMs: request.timeoutMs ?? defaultTimeoutMs, ...(request.signal ? { signal: request.signal } : {}) }
    try {
      return await withDeadline(bound, (signal) => this.#persist(to, request, { signal, read }))
    } catch (failure) {
      throw failure instanceof MatrixError ? failure : unreachable(to, failure)
    }
  }

  async #persist<T>(to: ServerName, request: RemoteRequest, way: Way<T>): Promise<T> {
    const { signal } = way
    try {
      return await this.#once(to, request, way)
    } catch (failure) {
      const pauseMs = this.#pauseBeforeRepeat(request, failure)
      if (pauseMs === undefined || signal.aborted) throw failure
      await this.#deps.clock.sleep(pauseMs, signal)
      return this.#once(to, request, way)
    }
  }

  #pauseBeforeRepeat(request: RemoteRequest, failure: unknown): number | undefined {
    if (!(request.repeatable ?? request.method === 'GET')) return undefined
    const jitterMs = 100 + (this.#deps.random.bytes(1)[0] ?? 0)
    if (!(failure instanceof MatrixError)) return jitterMs
    const { retry_after_ms: retryAfterMs } = failure.fields
    if (failure.status === 429) return Math.min(typeof retryAfterMs === 'number' ? retryAfterMs : longestPauseMs, longestPauseMs) + jitterMs
    return failure.status === 503 ? jitterMs : undefined
  }

  async #once<T>(to: ServerName, request: RemoteRequest, { signal, read }: Way<T>): Promise<T> {
    const { method, body } = request
    const uri = uriOf(request)
    const response = await this.#deps.transport.request(
      to,
      {
        method,
        uri,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(request.unsigned ? {} : { authorization: await this.#authorization(to, { method, uri, body }) }),
        },
        ...(body === undefined ? {} : { body: canonicalBytes(body) }),
      },
      signal,
    )
    if (response.status === 200) return read(response, signal)
    throw refusal(to, response, await bytesOf(response, { to, limit: request.maxBytes ?? defaultMaxBytes }))
  }

  async #authorization(to: ServerName, request: { method: string; uri: string; body: JsonObject | undefined }): Promise<string> {
    const { serverName: origin, keyId } = this.#deps.signer
    const { method, uri, body } = request
    const object = requestSigningObject({
      method,
      uri,
      origin,
      destination: to,
      ...(body === undefined ? {} : { content: body }),
    })
    const signature = await this.#deps.signer.sign(signingBytes(object))
    return formatXMatrix({ origin, destination: to, keyId, signature })
  }
}

function uriOf({ path, query }: RemoteRequest): string {
  const search = query && query.length > 0 ? `?${query.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')}` : ''
  return `/_matrix/${path.map(encodeURIComponent).join('/')}${search}`
}

async function bytesOf({ body }: WireResponse, { to, limit }: { to: ServerName; limit: number }): Promise<Uint8Array<ArrayBuffer>> {
  const isStream = !(body instanceof Uint8Array)
  const bytes = isStream
    ? await readBytes(body, limit).catch((failure: unknown) => (isTooLarge(failure) ? undefined : Promise.reject(failure)))
    : body
  if (bytes === undefined || bytes.byteLength > limit) throw tooLong(to, limit)
  return bytes
}

function tooLong(to: ServerName, limit: number): MatrixError {
  return new MatrixError(502, 'M_TOO_LARGE', { message: `The answer of ${to} is larger than ${limit} bytes` })
}

async function eachPiece(
  body: WireResponse['body'],
  signal: AbortSignal,
  take: (piece: Uint8Array<ArrayBuffer>) => Promise<void>,
): Promise<void> {
  if (body instanceof Uint8Array) {
    for (let at = 0; at < body.byteLength; at += pieceBytes) await take(body.subarray(at, at + pieceBytes))
    return
  }
  const reader = body.getReader()
  signal.addEventListener('abort', () => reader.cancel().catch(() => undefined))
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) await take(part.value)
  } catch (failure) {
    // Nobody waits for the rest: whoever sends it may never be done.
    reader.cancel().catch(() => undefined)
    throw failure
  }
}

function orNonsense<T>(from: ServerName, read: () => T): T {
  try {
    return read()
  } catch {
    throw nonsense(from)
  }
}

function isTooLarge(failure: unknown): boolean {
  return failure instanceof MatrixError && failure.errcode === 'M_TOO_LARGE'
}

function parsed(bytes: Uint8Array, maxNesting?: number): JsonValue | undefined {
  try {
    return parseJson(bytes, maxNesting)
  } catch {
    return undefined
  }
}

/** What a remote answered instead of 200. */
function refusal(to: ServerName, { status, headers }: WireResponse, bytes: Uint8Array): MatrixError {
  const body = parsed(bytes)
  // A 401 speaks of our signature, and would log a client out if it were passed on.
  if (status < 400 || status === 401 || !isObject(body) || typeof body.errcode !== 'string') {
    // A plain 404 of something in front of a homeserver says nothing about the resource.
    return unknownError(`${to} answered with status ${status}`, status === 429 || status === 503 ? status : 502)
  }
  const { errcode, error, ...fields } = body
  const retryAfterS = Number(headers['retry-after'])
  return new MatrixError(status, errcode, {
    message: typeof error === 'string' ? error.slice(0, 1000) : `${to} refused`,
    fields: status === 429 && Number.isFinite(retryAfterS) ? { retry_after_ms: retryAfterS * 1000, ...fields } : fields,
  })
}

/** 502: the remote server answered something that it may not answer. */
export function nonsense(from: ServerName): MatrixError {
  return unknownError(`${from} gave an answer that makes no sense`, 502)
}

function unreachable(to: ServerName, failure: unknown): MatrixError {
  const reason = failure instanceof Error ? failure.message : String(failure)
  return unknownError(`${to} cannot be reached: ${reason}`.slice(0, 1000), 504)
}

/** Whether the remote server does not serve this endpoint at all (Server-Server API, "Unsupported endpoints"). */
export function isUnsupported(failure: unknown): boolean {
  return failure instanceof MatrixError && failure.errcode === 'M_UNRECOGNIZED'
}
