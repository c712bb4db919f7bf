import { readBytes } from '../src/http/json-body.ts'
import { Unreachable } from '../src/http/wire-exchange.ts'
import { wireError, wireJson } from '../src/http/wire-response.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { limitExceeded, MatrixError, notFound, unauthorized, unrecognized } from '../src/spec/errors.ts'
import type { ServerName } from '../src/spec/event.ts'
import { type Label, labelOf } from '../src/spec/self-certifying.ts'
import type { Homeservers } from './homeservers.ts'
import type { Mailbox } from './mailbox.ts'
import type { SignatureCheck } from './request-signature.ts'
import type { Tabs } from './tabs.ts'

/** Requests of other servers, to the homeservers of this relay. */
export interface Inbound {
  /** Whether a homeserver of this name can be nowhere but here: labels alone, and those under our domain. */
  claims(server: ServerName): boolean
  /** The homeserver of this relay that `server` names, awake or not; `undefined` for one that never came here. */
  owner(server: ServerName): Label | undefined
  /** Answers for it: by itself when it is awake, else by what the relay may say and keep. Never rejects, never 5xx but when the mail is full. */
  answer(owner: Label, asked: InboundRequest): Promise<WireResponse>
}

export interface InboundRequest {
  readonly to: ServerName
  readonly request: WireRequest
  readonly signal: AbortSignal
}

export interface InboundOptions {
  readonly tabs: Tabs
  readonly homeservers: Homeservers
  readonly mailbox: Mailbox
  readonly signatures: SignatureCheck
  /** `label.domain` leads here. */
  readonly domain: string | undefined
  /** Other names of homeservers here. */
  readonly names: Readonly<Record<ServerName, Label>>
  readonly timeoutMs: number
}

const federationPath = /^\/_matrix\/(?:federation|key)\//
const sendPath = /^\/_matrix\/federation\/v1\/send\/[^/?]+$/
const keysPath = /^\/_matrix\/key\/v2\/server(?:\/[^/?]*)?$/
const maxKeyDocumentBytes = 64 * 1024

export function createInbound({ tabs, homeservers, mailbox, signatures, domain, names, timeoutMs }: InboundOptions): Inbound {
  const named = new Map(Object.entries(names))

  /** Asks the homeserver itself; `undefined` when it does not answer. */
  const ask = async (owner: Label, { to, request, signal }: InboundRequest): Promise<WireResponse | undefined> => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    try {
      const response = await tabs.request(owner, { to, request, signal: limit })
      return keysPath.test(request.uri) ? await rememberKeys(owner, response) : response
    } catch (error) {
      if (error instanceof Unreachable) return undefined
      throw error
    }
  }

  const rememberKeys = async (owner: Label, response: WireResponse): Promise<WireResponse> => {
    const body = response.body instanceof Uint8Array ? response.body : await readBytes(response.body, maxKeyDocumentBytes)
    if (response.status === 200 && body.byteLength <= maxKeyDocumentBytes) homeservers.keepKeys(owner, new TextDecoder().decode(body))
    return { ...response, body }
  }

  const keep = async (owner: Label, { to, request, signal }: InboundRequest): Promise<WireResponse> => {
    const origin = await signatures.signer(request, to, signal)
    if (origin === undefined) throw unauthorized('The signature of the request cannot be verified')
    const { authorization = '', 'content-type': type = 'application/json' } = request.headers
    const body = new TextDecoder().decode(request.body ?? new Uint8Array())
    const verdict = await mailbox.deposit({ owner, origin, to, uri: request.uri, headers: { authorization, 'content-type': type }, body })
    if (verdict === 'full') throw new MatrixError(503, 'M_RESOURCE_LIMIT_EXCEEDED', { message: 'The mailbox is full' })
    if (verdict === 'conflict') throw limitExceeded(60_000)
    return wireJson({ pdus: {} })
  }

  const forSleeper = async (owner: Label, asked: InboundRequest): Promise<WireResponse> => {
    const { method, uri } = asked.request
    if (method === 'PUT' && sendPath.test(uri)) return keep(owner, asked)
    const keys = method === 'GET' && keysPath.test(uri) ? homeservers.keys(owner) : undefined
    if (keys !== undefined) return { ...wireJson({}), body: new TextEncoder().encode(keys) }
    throw notFound('This homeserver sleeps: its tab is closed')
  }

  const claims = (server: ServerName): boolean => {
    const isUnderDomain = domain !== undefined && server.replace(/:\d+$/, '').endsWith(`.${domain}`)
    return named.has(server) || labelOf(server) === server || (isUnderDomain && labelOf(server) !== undefined)
  }

  return {
    claims,
    owner: (server) => {
      const label = claims(server) ? (named.get(server) ?? labelOf(server)) : undefined
      return label !== undefined && (tabs.isAwake(label) || homeservers.isKnown(label)) ? label : undefined
    },
    answer: async (owner, asked) => {
      try {
        if (!federationPath.test(asked.request.uri)) throw unrecognized()
        return (await ask(owner, asked)) ?? (await forSleeper(owner, asked))
      } catch (error) {
        if (error instanceof MatrixError) return wireError(error)
        throw error
      }
    },
  }
}
