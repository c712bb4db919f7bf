import type { Authenticator } from '../http/router.ts'
import type { Clock } from '../ports/clock.ts'
import { unauthorized } from '../spec/errors.ts'
import type { ServerName } from '../spec/event.ts'
import { signingBytes } from '../spec/signing.ts'
import { parseXMatrix, requestSigningObject } from '../spec/x-matrix.ts'
import type { SignatureChecker } from './signature-checker.ts'

/** Signatures of a request that are tried. */
const mostHeaders = 10

/**
 * Establishes which server signed a request (Server-Server API, "Request Authentication"): a request may carry a header for
 * each of the server's keys, of which one valid signature is enough. Throws `M_UNAUTHORIZED`.
 */
export function createServerAuthentication(deps: {
  readonly serverName: ServerName
  readonly checker: SignatureChecker
  readonly clock: Clock
  /** Told whenever a server has spoken to us: it can be reached again. */
  readonly heard: (server: ServerName) => void
}): Authenticator['server'] {
  return async ({ method, uri, authorization, content }) => {
    if (authorization.length === 0) throw unauthorized('The request carries no X-Matrix signature')
    const headers = authorization.slice(0, mostHeaders).flatMap((header) => parseXMatrix(header) ?? [])
    const [first] = headers
    if (first === undefined) throw unauthorized('The Authorization header is malformed')
    const { origin } = first
    if (headers.some((header) => header.origin !== origin)) throw unauthorized('The request claims several origins')
    if (origin === deps.serverName) throw unauthorized('The request claims to come from this server itself')
    if (headers.some(({ destination }) => destination !== undefined && destination !== deps.serverName)) {
      throw unauthorized('The request is meant for another server')
    }
    const signed = { method, uri, origin, destination: deps.serverName, ...(content === undefined ? {} : { content }) }
    const message = signingBytes(requestSigningObject(signed))
    const at = deps.clock.now()
    const findings = await deps.checker.check(
      headers.map(({ keyId, signature }) => ({ server: origin, keyId, signature, message, at, enforceValidity: true })),
    )
    if (!findings.includes('valid')) {
      throw unauthorized(
        findings.includes('invalid') ? `The signature of ${origin} is not valid` : `No key of ${origin} that signed is known`,
      )
    }
    deps.heard(origin)
    return origin
  }
}
