import * as v from 'valibot'
import type { ServerName } from '../spec/event.ts'
import { isServerName } from '../spec/server-name.ts'
import { ProtocolError } from './wire-frame.ts'

/** The head of a request as it goes over a stream. */
export interface RequestHead {
  /** The server that is asked, by the name its signature covers. */
  readonly to: ServerName
  readonly method: string
  readonly uri: string
  readonly headers: Readonly<Record<string, string>>
}

/** The head of an answer: of a response, or why there is none. */
export type ResponseHead =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly unreachable: string }

/** Headers that a request or a response over a stream may have. */
const maxHeaders = 64
/** Characters that the target of a request over a stream may have. */
const maxUriLength = 16_384
const dotSegment = /^(?:\.|%2e){1,2}$/i

/**
 * Whether `uri` is a path with or without a query that means what it says: nothing in it is read differently once it has become a
 * URL, such as `/_matrix/federation/../client`.
 */
export function isPlainUri(uri: string): boolean {
  if (uri.length > maxUriLength || !/^\/(?!\/)[\x21-\x7e]*$/.test(uri) || uri.includes('#')) return false
  const path = uri.split('?', 1)[0] ?? ''
  return !path.includes('\\') && !path.split('/').some((segment) => dotSegment.test(segment))
}

const headers = v.pipe(
  v.record(v.pipe(v.string(), v.regex(/^[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/)), v.pipe(v.string(), v.maxLength(8192), v.regex(/^[^\0\r\n]*$/))),
  v.check((record) => Object.keys(record).length <= maxHeaders),
)

const requestHead: v.GenericSchema<unknown, RequestHead> = v.object({
  to: v.pipe(
    v.string(),
    v.check((name) => isServerName(name)),
  ),
  method: v.picklist(['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH']),
  uri: v.pipe(v.string(), v.check(isPlainUri)),
  headers,
})

const responseHead: v.GenericSchema<unknown, ResponseHead> = v.union([
  v.object({ status: v.pipe(v.number(), v.integer(), v.minValue(200), v.maxValue(599)), headers }),
  v.object({ unreachable: v.pipe(v.string(), v.maxLength(1000)) }),
])

/** A head as the payload of a frame. */
export function encodeHead(head: RequestHead | ResponseHead): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(head))
}

/** Throws {@link ProtocolError} if `payload` is no request head within the bounds. */
export function decodeRequestHead(payload: Uint8Array): RequestHead {
  return decode(requestHead, payload)
}

/** Throws {@link ProtocolError} if `payload` is no response head within the bounds. */
export function decodeResponseHead(payload: Uint8Array): ResponseHead {
  return decode(responseHead, payload)
}

function decode<T>(schema: v.GenericSchema<unknown, T>, payload: Uint8Array): T {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch {
    throw new ProtocolError('A head is not JSON')
  }
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (!result.success) throw new ProtocolError(`A head is malformed at ${v.getDotPath(result.issues[0]) ?? 'its root'}`)
  return result.output
}
