import type { Connection, Libp2p } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { ByteBudget } from '../src/http/byte-budget.ts'
import { FrameChannel } from '../src/http/frame-channel.ts'
import { decodeJson, helloSchema, mailIdsSchema, protocols, relayName, type Welcome } from '../src/http/relay-protocol.ts'
import { type ExchangeServer, serveExchanges, Unreachable } from '../src/http/wire-exchange.ts'
import { wireError, wireJson } from '../src/http/wire-response.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { badJson, forbidden, limitExceeded, notFound } from '../src/spec/errors.ts'
import type { ServerName } from '../src/spec/event.ts'
import type { Label } from '../src/spec/self-certifying.ts'
import type { Admission } from './admission.ts'
import type { Homeservers } from './homeservers.ts'
import type { Inbound } from './inbound.ts'
import { labelOfPeer } from './libp2p.ts'
import type { Mailbox } from './mailbox.ts'
import type { Outbound } from './outbound.ts'
import type { OutboundRights } from './outbound-rights.ts'
import type { Tabs } from './tabs.ts'
import type { RateLimit } from './token-bucket.ts'
import type { Web } from './web.ts'

export interface StreamOptions {
  readonly admission: Admission
  readonly homeservers: Homeservers
  readonly tabs: Tabs
  readonly mailbox: Mailbox
  readonly inbound: Inbound
  readonly outbound: Outbound
  readonly web: Web
  readonly rights: OutboundRights
  readonly perPeer: RateLimit
  readonly inTotal: RateLimit
  readonly domain: string | undefined
  readonly maxBodyBytes: number
  readonly budget: ByteBudget
  readonly logger: Logger
}

const maxStreams = 64
const smallBodyBytes = 64 * 1024

/** Serves the homeservers that connect: hello, outbound requests, their mail. */
export async function serveHomeservers(node: Libp2p, options: StreamOptions): Promise<void> {
  const serve = (
    protocol: string,
    maxBodyBytes: number,
    handle: (peer: Peer, ...asked: Parameters<ExchangeServer['handle']>) => Promise<WireResponse>,
  ) =>
    node.handle(
      protocol,
      (stream, connection) => {
        const label = labelOfPeer(connection.remotePeer)
        if (label === undefined) return stream.abort(new Error('A homeserver has an Ed25519 key'))
        void serveExchanges(new FrameChannel(stream), {
          maxBodyBytes,
          budget: options.budget,
          handle: (to, request, signal) => handle({ label, connection }, to, request, signal),
        })
      },
      { maxInboundStreams: maxStreams },
    )
  await serve(protocols.hello, smallBodyBytes, async (peer, _to, request) => hello(peer, request, options))
  await serve(
    protocols.mailbox,
    smallBodyBytes,
    async (peer, _to, request) => forAdmitted(peer, options) ?? mail(peer.label, request, options.mailbox),
  )
  await serve(
    protocols.outbound,
    options.maxBodyBytes,
    async (peer, to, request, signal) => forAdmitted(peer, options) ?? sendOn(peer.label, { to, request, signal }, options),
  )
}

interface Peer {
  /** Proved by the connection. */
  readonly label: Label
  readonly connection: Connection
}

function hello(
  { label, connection }: Peer,
  request: WireRequest,
  { admission, homeservers, tabs, mailbox, domain, logger }: StreamOptions,
): WireResponse {
  const shown = decodeJson(helloSchema, request.body ?? new Uint8Array())
  if (shown === undefined) return wireError(badJson('That is no hello'))
  if (!admission.isAdmitted(label, shown.token)) {
    logger.info({ label }, 'a homeserver was not admitted')
    return wireError(forbidden('This relay does not serve this homeserver: it needs a token, or to be on the list'))
  }
  const known = homeservers.came(label, { incarnation: shown.incarnation, signature: shown.signature })
  if (known === false) return wireError(forbidden('The signature of the incarnation is wrong'))
  if (known !== true) return wireJson({ ...known }, 409)
  tabs.admit(label, connection)
  logger.info({ label, awake: tabs.size }, 'a homeserver came')
  const welcome: Welcome = { ...(domain === undefined ? {} : { domain }), mail: mailbox.count(label) }
  return wireJson({ ...welcome })
}

function forAdmitted({ label }: Peer, { tabs }: StreamOptions): WireResponse | undefined {
  return tabs.isAwake(label) ? undefined : wireError(forbidden('Say hello first'))
}

function mail(owner: Label, { method, uri, body }: WireRequest, mailbox: Mailbox): WireResponse {
  const after = /^\/mail\?after=(\d{1,15})$/.exec(uri)?.[1]
  if (method === 'GET' && after !== undefined)
    return wireJson({ mails: mailbox.read(owner, Number(after)).map((one) => ({ ...one, headers: { ...one.headers } })) })
  if (method !== 'DELETE' || uri !== '/mail') return wireError(notFound())
  const read = decodeJson(mailIdsSchema, body ?? new Uint8Array())
  if (read === undefined) return wireError(badJson('Mail is named by its ids'))
  mailbox.remove(owner, read.ids)
  return wireJson({})
}

interface Sending {
  readonly to: ServerName
  readonly request: WireRequest
  readonly signal: AbortSignal
}

async function sendOn(label: Label, { to, request, signal }: Sending, options: StreamOptions): Promise<WireResponse> {
  const { rights, inbound, outbound, web, perPeer, inTotal } = options
  if (!perPeer.take(label) || !inTotal.take('')) return wireError(limitExceeded(5000))
  if (to === relayName) return web.answer(request, signal)
  const refusal = await rights.refusal(label, to, request)
  if (refusal !== undefined) return wireError(refusal)
  const owner = inbound.owner(to)
  if (owner !== undefined) return inbound.answer(owner, { to, request, signal })
  if (inbound.claims(to)) throw new Unreachable('This relay does not know that homeserver')
  return outbound.send(to, request, signal)
}
