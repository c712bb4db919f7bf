import type { Libp2p, PeerId } from '@libp2p/interface'
import { labelOfPublicKey } from '../src/spec/self-certifying.ts'
import { connectHomeserver } from './federation-bridge.ts'
import { createPeerConnections } from './libp2p-connections.ts'
import { createNode, followPeers } from './libp2p-create.ts'
import { createDirectPeers, guardSignalling } from './libp2p-direct.ts'
import { createMailReader, serveFederation } from './libp2p-inbound.ts'
import { createHello, isOvertaken } from './libp2p-incarnation.ts'
import { remotePrivateKey } from './libp2p-key.ts'
import { labelOfPeer } from './libp2p-peer.ts'
import { keepRelayLink, type RelayAddress, type RelayLink, type RelayState } from './libp2p-relay-link.ts'
import { createReservations } from './libp2p-reservations.ts'
import { createRoutes, type Routes } from './libp2p-routes.ts'
import type { NodeIdentity } from './protocol.ts'

export interface Libp2pOptions {
  readonly identity: NodeIdentity
  /** One end of the federation port; the homeserver worker has the other, in `connectFederation`. */
  readonly port: MessagePort
  readonly relays: readonly RelayAddress[]
  /** Asked at every introduction to a relay: tokens change. `undefined` leaves it at the one in {@link relays}. */
  readonly freshToken?: (address: string) => Promise<string | undefined>
  /** Whether direct connections over WebRTC are made and taken. Needs a window. */
  readonly rtc: boolean
  /** STUN and TURN servers; none unless configured. */
  readonly iceServers?: readonly RTCIceServer[]
  readonly log?: (message: string, fields: Record<string, unknown>) => void
}

/** For people: how this homeserver is connected. */
export interface Libp2pStatus {
  readonly peerId: string
  readonly relays: readonly { readonly address: string; readonly state: RelayState; readonly domain: string | undefined }[]
  readonly peers: readonly { readonly label: string; readonly direct: boolean }[]
}

export interface RunningLibp2p {
  status(): Libp2pStatus
  stop(): Promise<void>
}

/**
 * Starts the libp2p node of the leader's window. Resolves once it runs, connected or not: it dials its relays for as long as
 * it runs, and whenever a connection is lost.
 */
export async function startLibp2p(options: Libp2pOptions): Promise<RunningLibp2p> {
  const { identity, rtc, log = () => undefined } = options
  const started = Promise.withResolvers<Routes>()
  const homeserver = connectHomeserver(options.port, {
    request: async (to, request, signal) => (await started.promise).request(to, request, signal),
  })
  const privateKey = remotePrivateKey(identity.publicKey, homeserver.sign)
  const reservations = createReservations()
  const relayAddresses = options.relays.map(({ address }) => address)
  const node = await createNode({ privateKey, reservations, relayAddresses, rtc, iceServers: options.iceServers ?? [] })
  const links: RelayLink[] = []
  const direct = createDirectPeers()
  const relays = () => links.filter(({ state }) => state === 'admitted').map(({ address }) => address)
  const routes = createRoutes({ peers: createPeerConnections({ node, relays, rtc, direct, log }), links: () => links, homeserver })
  followPeers(node, routes)
  const isRelay = (peer: PeerId): boolean => links.some((link) => link.peer.equals(peer))
  await serveFederation(node, { homeserver, isRelay, met: routes.met, joined: direct.approve })
  await node.start()
  if (rtc) await guardSignalling(node, direct)

  const own = { key: privateKey.publicKey, label: labelOfPublicKey(identity.publicKey), incarnation: identity.incarnation }
  const linkOptions = {
    node,
    reservations,
    hello: createHello(identity, homeserver),
    freshToken: options.freshToken ?? (async () => undefined),
    mail: createMailReader(homeserver),
    changed: routes.relaysChanged,
    overtaken: async (proof: { incarnation: number; signature: string }) => {
      if (await isOvertaken(proof, own)) homeserver.superseded(proof.incarnation)
    },
    log,
  }
  links.push(...options.relays.map((relay) => keepRelayLink(relay, linkOptions)))
  started.resolve(routes)
  return {
    status: () => statusOf(node, links),
    stop: async () => {
      for (const link of links) link.stop()
      await node.stop()
    },
  }
}

function statusOf(node: Libp2p, links: readonly RelayLink[]): Libp2pStatus {
  const peers = new Map<string, boolean>()
  for (const { remotePeer, direct } of node.getConnections()) {
    const label = links.some(({ peer }) => peer.equals(remotePeer)) ? undefined : labelOfPeer(remotePeer)
    if (label !== undefined) peers.set(label, direct || peers.get(label) === true)
  }
  return {
    peerId: String(node.peerId),
    relays: links.map(({ address, state, domain }) => ({ address: String(address), state, domain })),
    peers: [...peers].map(([label, direct]) => ({ label, direct })),
  }
}
