import { identify } from '@libp2p/identify'
import type { Ed25519PrivateKey, Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { protocols } from '../src/http/relay-protocol.ts'
import type { Label } from '../src/spec/self-certifying.ts'
import type { HandlerRegistry } from './libp2p-direct.ts'
import { labelOfPeer } from './libp2p-peer.ts'
import type { Reservations } from './libp2p-reservations.ts'

export interface NodeOptions {
  readonly privateKey: Ed25519PrivateKey
  readonly reservations: Reservations
  /** Nothing else is ever dialled: these addresses, and circuits over them. */
  readonly relayAddresses: readonly string[]
  readonly rtc: boolean
  readonly iceServers: readonly RTCIceServer[]
}

/** A libp2p node that is not started yet: WebSockets to relays, circuits over them, WebRTC where it is wanted. */
export async function createNode({
  privateKey,
  reservations,
  relayAddresses,
  rtc,
  iceServers,
}: NodeOptions): Promise<Libp2p<{ registry: HandlerRegistry }>> {
  const direct = rtc ? [(await import('@libp2p/webrtc')).webRTC({ rtcConfiguration: { iceServers: [...iceServers] } })] : []
  return createLibp2p({
    privateKey,
    start: false,
    addresses: { listen: [] },
    transports: [webSockets(), reservations.transport, ...direct],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: {
      denyDialMultiaddr: (address) =>
        !relayAddresses.some((relay) => address.toString() === relay || address.toString().startsWith(`${relay}/p2p-circuit/`)),
    },
    // The links redial their relays themselves.
    connectionManager: { reconnectRetries: 0 },
    services: {
      identify: identify({ runOnLimitedConnection: true }),
      ping: ping(),
      registry: ({ registrar }: { readonly registrar: HandlerRegistry }) => registrar,
    },
  })
}

export interface PeerListener {
  /** A peer that is a homeserver was connected and has identified itself. */
  peerCame(label: Label): void
  /** A connection to it was closed. */
  peerChanged(label: Label): void
}

/** Tells `listener` of the homeservers that come and go. */
export function followPeers(node: Libp2p, listener: PeerListener): void {
  node.addEventListener('peer:identify', ({ detail }) => {
    const label = detail.protocols.includes(protocols.federation) ? labelOfPeer(detail.peerId) : undefined
    if (label !== undefined) listener.peerCame(label)
  })
  node.addEventListener('connection:close', ({ detail }) => {
    const label = labelOfPeer(detail.remotePeer)
    if (label !== undefined) listener.peerChanged(label)
  })
}
