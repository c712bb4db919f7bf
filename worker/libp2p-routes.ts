import { Unreachable } from '../src/http/wire-exchange.ts'
import type { Route, WireRequest, WireResponse } from '../src/ports/federation-transport.ts'
import type { ServerName } from '../src/spec/event.ts'
import { type Label, labelOf } from '../src/spec/self-certifying.ts'
import type { HomeserverLink } from './federation-bridge.ts'
import type { PeerConnections } from './libp2p-connections.ts'
import { createKnownNames } from './libp2p-known-names.ts'
import type { RelayLink } from './libp2p-relay-link.ts'

/** How requests find their way, and what the homeserver is told about it. */
export interface Routes {
  /** Sends a request by the best route there is. Rejects with {@link Unreachable} when there is none. */
  request(to: ServerName, request: WireRequest, signal: AbortSignal): Promise<WireResponse>
  /** A server was met under this name. */
  met(name: ServerName): void
  /** A connection to `label` was opened, and the peer has said that it is a homeserver. */
  peerCame(label: Label): void
  /** A connection to `label` was closed or replaced. */
  peerChanged(label: Label): void
  /** A relay was connected, or lost. */
  relaysChanged(): void
}

export interface RoutesOptions {
  readonly peers: PeerConnections
  readonly links: () => readonly RelayLink[]
  readonly homeserver: Pick<HomeserverLink, 'reachable' | 'routeChanged'>
}

const maxFailed = 10_000

/** Routes: an open connection, a dial by the relays' circuits, the relay itself; for ordinary servers only the last. */
export function createRoutes({ peers, links, homeserver }: RoutesOptions): Routes {
  const names = createKnownNames()
  /** Servers that a relay might have reached, had one been there. */
  const failed = new Set<ServerName>()
  let relayed: Route = 'queued'

  const admitted = (): RelayLink[] => links().filter(({ state }) => state === 'admitted')

  const tellRoute = (label: Label): void => {
    for (const name of names.of(label)) homeserver.routeChanged(name, peers.kind(label) ?? 'queued')
  }

  /** The relays in the order in which they are asked: that of the name first, which holds the mailbox. */
  const relaysFor = (to: ServerName): RelayLink[] => {
    const isNamed = ({ domain }: RelayLink): boolean => domain !== undefined && withoutPort(to).endsWith(`.${domain}`)
    return admitted().sort((left, right) => Number(isNamed(right)) - Number(isNamed(left)))
  }

  const viaRelay = async (to: ServerName, request: WireRequest, signal: AbortSignal): Promise<WireResponse> => {
    let reason = new Unreachable('No relay is connected')
    for (const link of relaysFor(to)) {
      try {
        return await link.request({ to, request, signal })
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        reason = error
      }
    }
    if (failed.size < maxFailed) failed.add(to)
    throw reason
  }

  return {
    request: async (to, request, signal) => {
      const label = labelOf(to)
      if (label === undefined) return viaRelay(to, request, signal)
      names.learn(to)
      const pool = await peers.reach(label, signal)
      if (pool === undefined) return viaRelay(to, request, signal)
      return pool.request({ to, request, signal })
    },
    met: names.learn,
    peerCame: (label) => {
      tellRoute(label)
      for (const name of names.of(label)) homeserver.reachable(name)
    },
    peerChanged: tellRoute,
    relaysChanged: () => {
      const now = admitted().length > 0 ? 'https' : 'queued'
      if (now === relayed) return
      relayed = now
      homeserver.routeChanged('*', now)
      if (now === 'queued') return
      const waiting = [...failed]
      failed.clear()
      for (const name of waiting) homeserver.reachable(name)
    },
  }
}

function withoutPort(server: ServerName): string {
  return server.replace(/:\d+$/, '')
}
