import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { ByteBudget } from '../src/http/byte-budget.ts'
import { FrameChannel } from '../src/http/frame-channel.ts'
import { protocols } from '../src/http/relay-protocol.ts'
import { serveExchanges } from '../src/http/wire-exchange.ts'
import { wireError } from '../src/http/wire-response.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { unrecognized } from '../src/spec/errors.ts'
import type { ServerName } from '../src/spec/event.ts'
import { type Label, labelOf } from '../src/spec/self-certifying.ts'
import { parseXMatrix } from '../src/spec/x-matrix.ts'
import type { HomeserverLink } from './federation-bridge.ts'
import type { MailReader } from './libp2p-mail.ts'
import { labelOfPeer } from './libp2p-peer.ts'

export interface InboundOptions {
  readonly homeserver: Pick<HomeserverLink, 'handle'>
  /** Whether the peer is a relay of ours, which says for whom it asks. */
  readonly isRelay: (peer: PeerId) => boolean
  /** A peer was met under this name. */
  readonly met: (name: ServerName) => void
  /** A peer was taken into a room of ours. */
  readonly joined: (label: Label) => void
}

/** A transaction has at most 50 PDUs of 64 KiB and 100 EDUs. */
const maxBodyBytes = 16 << 20
const maxStreamsOfPeer = 64
/** For all peers together. */
const maxBufferedBytes = 64 << 20
const joins = /^\/_matrix\/federation\/v[12]\/send_join\//
const paths = /^\/_matrix\/(?:federation|key)\//

/** Has the homeserver answer what peers and relays ask over libp2p. */
export async function serveFederation(node: Libp2p, { homeserver, isRelay, met, joined }: InboundOptions): Promise<void> {
  const answer = async (connection: Connection, request: WireRequest, signal: AbortSignal): Promise<WireResponse> => {
    if (!paths.test(request.uri)) return wireError(unrecognized())
    const origin = parseXMatrix(request.headers.authorization ?? '')?.origin
    const label = origin === undefined ? undefined : labelOf(origin)
    const isPeer = label !== undefined && label === labelOfPeer(connection.remotePeer)
    if (origin !== undefined && isPeer) met(origin)
    const forwardedFor = isRelay(connection.remotePeer) ? request.headers['x-forwarded-for'] : undefined
    const inbound = { surface: 'federation', address: forwardedFor ?? String(connection.remotePeer), request } as const
    const response = await homeserver.handle(inbound, signal)
    if (isPeer && response.status === 200 && joins.test(request.uri)) joined(label)
    return response
  }
  const budget = new ByteBudget(maxBufferedBytes)
  await node.handle(
    protocols.federation,
    (stream, connection) => {
      void serveExchanges(new FrameChannel(stream), {
        maxBodyBytes,
        budget,
        handle: (_to, request, signal) => answer(connection, request, signal),
      })
    },
    { runOnLimitedConnection: true, maxInboundStreams: maxStreamsOfPeer, maxOutboundStreams: maxStreamsOfPeer },
  )
}

/** Gives the homeserver a transaction from the mailbox as if it had just come. */
export function createMailReader({ handle }: Pick<HomeserverLink, 'handle'>): MailReader {
  return async ({ origin, method, uri, headers, body }, signal) => {
    if (!paths.test(uri)) return wireError(unrecognized())
    return handle(
      { surface: 'federation', address: `mail:${origin}`, request: { method, uri, headers, body: new TextEncoder().encode(body) } },
      signal,
    )
  }
}
