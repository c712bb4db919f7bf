import { labelOf } from '../../src/spec/self-certifying.ts'
import type { HostStatus } from './control.ts'

/** How another homeserver is reached now. `own` is this one; `asleep` is reached when it wakes or a route opens. */
export type RouteKind = 'own' | 'direct' | 'relayed' | 'https' | 'asleep'

export interface ServerRoute {
  readonly kind: RouteKind
  /** Events that wait for it, counted up to a thousand. */
  readonly queued: number
}

/** How `server` is reached, and what waits for it. */
export function routeTo(server: string, status: HostStatus): ServerRoute {
  const queued = status.queues.find((queue) => queue.server === server)?.queued ?? 0
  return { kind: kindOf(server, status), queued }
}

function kindOf(server: string, { server_name: own, connections }: HostStatus): RouteKind {
  if (server === own) return 'own'
  const label = labelOf(server)
  const peer = label === undefined ? undefined : connections?.peers.find((candidate) => candidate.label === label)
  if (peer) return peer.direct ? 'direct' : 'relayed'
  const isRelayed = connections?.relays.some(({ state }) => state === 'admitted') ?? false
  return label === undefined && isRelayed ? 'https' : 'asleep'
}

/** What a route is called on screen. */
export const routeNames: Readonly<Record<RouteKind, string>> = {
  own: 'this tab',
  direct: 'direct',
  relayed: 'relayed',
  https: 'HTTPS',
  asleep: 'not connected',
}

/** What a route means, for people. */
export const routeMeanings: Readonly<Record<RouteKind, string>> = {
  own: 'Your own homeserver, in this browser',
  direct: 'Connected from browser to browser',
  relayed: 'Connected through the relay, which cannot read or change what passes',
  https: 'An ordinary Matrix server, reached through the relay',
  asleep: 'Messages wait here until it can be reached',
}
