import type { Connection, Libp2p } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { ExchangePool } from '../src/http/exchange-pool.ts'
import { protocols } from '../src/http/relay-protocol.ts'
import type { Label } from '../src/spec/self-certifying.ts'
import type { DirectPeers } from './libp2p-direct.ts'
import { peerIdOf } from './libp2p-peer.ts'
import { streamPool } from './libp2p-relay-link.ts'

export interface PeerConnections {
  /** Requests to `label` over an open connection, or over one that is made now; `undefined` when there is no way to it. */
  reach(label: Label, signal: AbortSignal): Promise<ExchangePool | undefined>
  /** `direct` or `relayed` while a connection is open. */
  kind(label: Label): 'direct' | 'relayed' | undefined
}

export interface PeerConnectionsOptions {
  readonly node: Libp2p
  /** The addresses of the relays that are connected now. */
  readonly relays: () => readonly Multiaddr[]
  /** Whether relayed connections are upgraded to direct ones over WebRTC. */
  readonly rtc: boolean
  readonly direct: DirectPeers
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

const circuitTimeoutMs = 10_000
const webRtcTimeoutMs = 15_000
/** Some attempts hang or fail where the next one succeeds; and the other side may take us for a stranger at first. */
const webRtcPausesMs = [0, 500, 1500, 4000, 10_000]
/** As long as requests go over a relay, a direct connection is tried for again. */
const upgradeIntervalMs = 60_000
/** After a failed dial the peer is left alone for this long: requests take the way over the relay at once. */
const failedDialPauseMs = 15_000
/** What is under way on a relayed connection may end there after a direct one has opened. */
const lingerMs = 30_000
const maxRemembered = 1000

/** The connections to other homeservers: direct where there is one, over a relay's circuit otherwise. */
export function createPeerConnections({ node, relays, rtc, direct, log }: PeerConnectionsOptions): PeerConnections {
  const pools = new Map<string, ExchangePool>()
  const dials = new Map<Label, Promise<Connection | undefined>>()
  const failedAt = new Map<Label, number>()
  const upgradedAt = new Map<Label, number>()

  node.addEventListener('connection:close', ({ detail }) => {
    pools.get(detail.id)?.close()
    pools.delete(detail.id)
  })

  const best = (label: Label): Connection | undefined => {
    const open = node.getConnections(peerIdOf(label)).filter(({ status }) => status === 'open')
    return open.find((connection) => connection.direct) ?? open[0]
  }

  const poolOf = (connection: Connection): ExchangePool => {
    const pool = pools.get(connection.id) ?? streamPool(connection, protocols.federation)
    pools.set(connection.id, pool)
    return pool
  }

  const dial = async (label: Label): Promise<Connection | undefined> => {
    if (performance.now() - (failedAt.get(label) ?? Number.NEGATIVE_INFINITY) < failedDialPauseMs) return undefined
    const addresses = relays().map((relay) => circuit(relay, label))
    if (addresses.length === 0) return undefined
    try {
      const connection = await node.dial(addresses, { signal: AbortSignal.timeout(circuitTimeoutMs) })
      failedAt.delete(label)
      return connection
    } catch (error) {
      log('a peer could not be dialled', { peer: label, error: String(error) })
      if (failedAt.size >= maxRemembered) failedAt.clear()
      failedAt.set(label, performance.now())
      return undefined
    }
  }

  /** Dials over WebRTC, signalled through the relay. */
  const upgrade = async (label: Label): Promise<void> => {
    for (const [attempt, pauseMs] of webRtcPausesMs.entries()) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      const current = best(label)
      if (current === undefined || current.direct) return
      try {
        const addresses = relays().map((relay) => circuit(relay, label, '/webrtc'))
        await node.dial(addresses, { signal: AbortSignal.timeout(webRtcTimeoutMs), force: true })
        return log('a direct connection is open', { peer: label, attempt })
      } catch (error) {
        log('no direct connection yet', { peer: label, attempt, error: String(error) })
      }
    }
  }

  const upgradeNowAndThen = (label: Label): void => {
    if (!rtc || performance.now() - (upgradedAt.get(label) ?? Number.NEGATIVE_INFINITY) < upgradeIntervalMs) return
    if (upgradedAt.size >= maxRemembered) upgradedAt.clear()
    upgradedAt.set(label, performance.now())
    void upgrade(label)
  }

  const connect = (label: Label): Promise<Connection | undefined> => {
    const dialling = dials.get(label) ?? dial(label).finally(() => dials.delete(label))
    dials.set(label, dialling)
    return dialling
  }

  node.addEventListener('connection:open', ({ detail: opened }) => {
    if (!opened.direct) return
    for (const relayed of node.getConnections(opened.remotePeer).filter((connection) => !connection.direct)) {
      pools.get(relayed.id)?.close()
      pools.delete(relayed.id)
      setTimeout(() => opened.status === 'open' && relayed.close().catch(() => undefined), lingerMs)
    }
  })

  return {
    reach: async (label, signal) => {
      direct.approve(label)
      const connection = best(label) ?? (await connect(label))
      signal.throwIfAborted()
      if (connection === undefined) return undefined
      if (!connection.direct) upgradeNowAndThen(label)
      return poolOf(connection)
    },
    kind: (label) => {
      const open = best(label)
      return open === undefined ? undefined : open.direct ? 'direct' : 'relayed'
    },
  }
}

function circuit(relay: Multiaddr, label: Label, over: '' | '/webrtc' = ''): Multiaddr {
  return multiaddr(`${relay}/p2p-circuit${over}/p2p/${peerIdOf(label)}`)
}
