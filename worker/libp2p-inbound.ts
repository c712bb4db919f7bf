import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { FrameChannel } from '../src/http/frame-channel.ts'
import { protocols } from '../src/http/relay-protocol.ts'
import { serveExchanges } from '../src/http/wire-exchange.ts'
import { wireError } from '../src/http/wire-response.ts'
import type { WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import { unrecognized } from '../src/spec/errors.ts'
import type { ServerName } from '../src/spec/event.ts'
import { labelOf } from '../src/spec/self-certifying.ts'
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
}

/** A transaction has at most 50 PDUs of 64 KiB and 100 EDUs. */
const maxBodyBytes = 16 << 20
const maxStreamsOfPeer = 64
const paths = /^\/_matrix\/(?:federation|key)\//

/** Has the homeserver answer what peers and relays ask over libp2p. */
export async function serveFederation(node: Libp2p, { homeserver, isRelay, met }: InboundOptions): Promise<void> {
  const answer = async (connection: Connection, request: WireRequest, signal: AbortSignal): Promise<WireResponse> => {
    if (!paths.test(request.uri)) return wireError(unrecognized())
    const origin = parseXMatrix(request.headers.authorization ?? '')?.origin
    if (origin !== undefined && labelOf(origin) !== undefined && labelOf(origin) === labelOfPeer(connection.remotePeer)) met(origin)
    const forwardedFor = isRelay(connection.remotePeer) ? request.headers['x-forwarded-for'] : undefined
    return homeserver.handle({ surface: 'federation', address: forwardedFor ?? String(connection.remotePeer), request }, signal)
  }
  await node.handle(
    protocols.federation,
    (stream, connection) => {
      void serveExchanges(new FrameChannel(stream), { maxBodyBytes, handle: (_to, request, signal) => answer(connection, request, signal) })
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
