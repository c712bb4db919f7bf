import { parseJson, readBytes } from '../src/http/json-body.ts'
import type { WireRequest } from '../src/ports/federation-transport.ts'
import type { ServerName } from '../src/spec/event.ts'
import type { JsonValue } from '../src/spec/json.ts'
import { labelOf } from '../src/spec/self-certifying.ts'
import { parseServerKeys, type ServerKeys, selfSignatures, verifyKeyAt } from '../src/spec/server-keys.ts'
import { signingBytes } from '../src/spec/signing.ts'
import { parseXMatrix, requestSigningObject, type XMatrix } from '../src/spec/x-matrix.ts'
import { verifies, verifiesWithLabel } from './homeservers.ts'
import type { Outbound } from './outbound.ts'

/** Checks who signed a request. */
export interface SignatureCheck {
  /** The server that signed `request` for `to`; `undefined` if none did, or its keys cannot be had. */
  signer(request: WireRequest, to: ServerName, signal: AbortSignal): Promise<ServerName | undefined>
}

/** The X-Matrix headers of a request, which is sent one for each key of the origin. */
export function xMatrixOf(request: WireRequest): XMatrix[] {
  const { authorization = '' } = request.headers
  return authorization.split(/,\s*(?=X-Matrix\s)/i).flatMap((header) => parseXMatrix(header) ?? [])
}

const maxSignatures = 10
const maxServers = 10_000
const keysLifeMs = 3600_000
const failureLifeMs = 60_000
const maxKeyDocumentBytes = 256 * 1024

/** Checks signatures with the key in a self-certifying name, or with the keys that the origin publishes. */
export function createSignatureCheck(outbound: Pick<Outbound, 'send'>, now: () => number): SignatureCheck {
  const fetched = new Map<ServerName, { readonly keys: ServerKeys | undefined; readonly at: number }>()

  const keysOf = async (server: ServerName, signal: AbortSignal): Promise<{ keys: ServerKeys | undefined; at: number }> => {
    const known = fetched.get(server)
    if (known !== undefined && now() - known.at < (known.keys === undefined ? failureLifeMs : keysLifeMs)) return known
    const entry = { keys: await fetchKeys(outbound, server, signal).catch(() => undefined), at: now() }
    fetched.delete(server)
    fetched.set(server, entry)
    const [oldest] = fetched.keys()
    if (fetched.size > maxServers && oldest !== undefined) fetched.delete(oldest)
    return entry
  }

  const isSigned = async ({ origin, keyId, signature }: XMatrix, message: Uint8Array, signal: AbortSignal): Promise<boolean> => {
    const label = labelOf(origin)
    if (label !== undefined) return verifiesWithLabel(label, message, signature)
    const { keys, at } = await keysOf(origin, signal)
    const key = keys === undefined ? undefined : verifyKeyAt(keys, keyId, { at: now(), fetchedAt: at, enforceValidity: true })
    return key !== undefined && verifies(key, message, signature)
  }

  return {
    signer: async (request, to, signal) => {
      const content = contentOf(request)
      if (content === 'malformed') return undefined
      for (const header of xMatrixOf(request).slice(0, maxSignatures)) {
        if (header.destination !== undefined && header.destination !== to) continue
        const { method, uri } = request
        const covered = { method, uri, origin: header.origin, destination: to, ...(content === undefined ? {} : { content }) }
        if (await isSigned(header, signingBytes(requestSigningObject(covered)), signal)) return header.origin
      }
      return undefined
    },
  }
}

function contentOf({ body }: WireRequest): JsonValue | 'malformed' | undefined {
  if (body === undefined) return undefined
  try {
    return parseJson(body)
  } catch {
    return 'malformed'
  }
}

async function fetchKeys(outbound: Pick<Outbound, 'send'>, server: ServerName, signal: AbortSignal): Promise<ServerKeys | undefined> {
  const { status, body } = await outbound.send(server, { method: 'GET', uri: '/_matrix/key/v2/server', headers: {} }, signal)
  if (status !== 200) return undefined
  const bytes = body instanceof Uint8Array ? body : await readBytes(body, maxKeyDocumentBytes)
  const keys = parseServerKeys(parseJson(bytes))
  if (keys?.serverName !== server) return undefined
  const signatures = selfSignatures(keys)
  const isGenuine =
    signatures.length > 0 && signatures.every(({ message, signature, publicKey }) => verifies(publicKey, message, signature))
  return isGenuine ? keys : undefined
}
