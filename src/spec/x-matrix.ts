import { decodeBase64, encodeBase64 } from './base64.ts'
import type { ServerName } from './event.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { isServerName } from './server-name.ts'

/** What the `Authorization` header of a federation request says (Server-Server API, "Request Authentication"). */
export interface XMatrix {
  readonly origin: ServerName
  /** Older servers leave it out; where it is given it must be our own name. */
  readonly destination: ServerName | undefined
  readonly keyId: string
  readonly signature: Uint8Array<ArrayBuffer>
}

/** A federation request as its signature covers it. */
export interface SignedRequest {
  readonly method: string
  /** Path and query: `/_matrix/federation/…`, as on the request line. */
  readonly uri: string
  readonly origin: ServerName
  readonly destination: ServerName
  /** The parsed body, if there is one. */
  readonly content?: JsonValue
}

const maxHeaderLength = 4096
const scheme = /^X-Matrix +/i
/** One parameter and what ends it. Unquoted values may hold more than tokens, colons above all, as older servers send them. */
const parameter = /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))[ \t]*(?:,|$)/y
const separators = /[ \t,]*/y

/** Reads an `Authorization` header; `undefined` if it is no X-Matrix header or lacks what one needs. */
export function parseXMatrix(header: string): XMatrix | undefined {
  const start = scheme.exec(header)
  if (start === null || header.length > maxHeaderLength) return undefined
  const parameters = readParameters(header.slice(start[0].length))
  const origin = parameters?.get('origin')
  const destination = parameters?.get('destination')
  const keyId = parameters?.get('key')
  const signature = decodeBase64(parameters?.get('sig') ?? parameters?.get('signature') ?? '')
  if (origin === undefined || !isServerName(origin) || !keyId?.startsWith('ed25519:') || signature?.length !== 64) return undefined
  if (destination !== undefined && !isServerName(destination)) return undefined
  return { origin, destination, keyId, signature }
}

/** The parameters by lower-case name; `undefined` if one is malformed or comes twice. */
function readParameters(text: string): Map<string, string> | undefined {
  const parameters = new Map<string, string>()
  let index = skipSeparators(text, 0)
  while (index < text.length) {
    parameter.lastIndex = index
    const match = parameter.exec(text)
    if (match === null) return undefined
    const [, name = '', quoted, token = ''] = match
    if (parameters.has(name.toLowerCase())) return undefined
    parameters.set(name.toLowerCase(), quoted === undefined ? token : quoted.replace(/\\(.)/g, '$1'))
    index = skipSeparators(text, parameter.lastIndex)
  }
  return parameters
}

function skipSeparators(text: string, index: number): number {
  separators.lastIndex = index
  return index + (separators.exec(text)?.[0].length ?? 0)
}

/** The header of a request of ours, in the form that older servers understand too. `destination` is always sent. */
export function formatXMatrix(header: XMatrix & { readonly destination: ServerName }): string {
  const { origin, destination, keyId, signature } = header
  const parameters = { origin, destination, key: keyId, sig: encodeBase64(signature) }
  return `X-Matrix ${Object.entries(parameters)
    .map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
    .join(',')}`
}

/** The object that is signed for a request; `signingBytes` makes the bytes of it. */
export function requestSigningObject({ method, uri, origin, destination, content }: SignedRequest): JsonObject {
  return { method, uri, origin, destination, ...(content === undefined ? {} : { content }) }
}
