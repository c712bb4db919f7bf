import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { type Label, labelOfPublicKey } from '../src/spec/self-certifying.ts'
import type { RelayConfig } from './config.ts'
import { writeSecret } from './secret-file.ts'

const minuteMs = 60_000

/** The relay's libp2p node, not started: WebSockets, and circuits from and to those that are admitted. */
export async function createRelayNode(config: RelayConfig, isAdmitted: (label: Label) => boolean): Promise<Libp2p> {
  const { libp2p, limits } = config
  const { host, port, tls, announce } = libp2p
  const https = tls === undefined ? {} : { https: { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) } }
  return createLibp2p({
    privateKey: await ownKey(config.dataDir),
    start: false,
    addresses: { listen: [`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}${tls === undefined ? '' : '/tls'}/ws`], announce },
    transports: [webSockets(https)],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: {
      // The relay is dialled, and never dials.
      denyDialMultiaddr: () => true,
      denyInboundRelayReservation: (source) => !isAdmitted(labelOfPeer(source) ?? ''),
      denyOutboundRelayedConnection: (source) => !isAdmitted(labelOfPeer(source) ?? ''),
    },
    connectionManager: {
      maxConnections: limits.connections,
      inboundConnectionThreshold: limits.connectionsPerAddressPerSecond,
      maxIncomingPendingConnections: 1000,
      reconnectRetries: 0,
    },
    services: {
      identify: identify(),
      ping: ping(),
      circuits: circuitRelayServer({
        maxInboundHopStreams: 64,
        maxOutboundStopStreams: limits.connections,
        reservations: {
          maxReservations: limits.reservations,
          reservationTtl: limits.reservationMinutes * minuteMs,
          defaultDurationLimit: limits.circuitMinutes * minuteMs,
          defaultDataLimit: BigInt(limits.circuitMegabytes) << 20n,
        },
      }),
    },
  })
}

/** The label of a peer; `undefined` for one with another kind of key, which is no homeserver. */
export function labelOfPeer(peer: PeerId): Label | undefined {
  return peer.type === 'Ed25519' ? labelOfPublicKey(peer.publicKey.raw) : undefined
}

/** The relay's own key, made at the first start: its address holds it. */
async function ownKey(dataDir: string): Promise<PrivateKey> {
  const file = join(dataDir, 'libp2p.key')
  if (existsSync(file)) return privateKeyFromProtobuf(readFileSync(file))
  const key = await generateKeyPair('Ed25519')
  writeSecret(file, privateKeyToProtobuf(key))
  return key
}
