import type { ServerName } from '../src/spec/event.ts'
import { parseServerName } from '../src/spec/server-name.ts'
import { createWellKnownCache, type WellKnownResponse } from './well-known.ts'

/** Where a server is reached, and as whom it must show itself. */
export interface Destination {
  /** A name to be looked up, or an IP literal without brackets. */
  readonly host: string
  readonly port: number
  /** The `Host` header. */
  readonly hostHeader: string
  /** What its certificate must be valid for: a name, or an IP literal without brackets. */
  readonly certificateName: string
}

export interface SrvRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** What discovery asks of the network. */
export interface DiscoveryNetwork {
  /** `GET https://hostname/.well-known/matrix/server`, redirects followed; `undefined` when nothing answered. */
  wellKnown(hostname: string): Promise<WellKnownResponse | undefined>
  /** The SRV records of `name`; none where there are none. Rejects when DNS does not answer. */
  srv(name: string): Promise<readonly SrvRecord[]>
  now(): number
}

export interface DiscoveryOptions extends DiscoveryNetwork {
  /** Host names for which nobody is asked: where they are, whoever connects knows. */
  readonly known?: ReadonlySet<string>
}

export interface Discovery {
  /** Where to try `server`, in this order (Server-Server API, "Resolving server names"). Rejects if it is no server name. */
  destinations(server: ServerName): Promise<readonly Destination[]>
}

const defaultPort = 8448
const srvServices = ['_matrix-fed._tcp', '_matrix._tcp']
const maxSrvTargets = 10

/** Server discovery. Well-known answers are remembered; DNS has its own cache. */
export function createDiscovery({ wellKnown, srv, now, known = new Set() }: DiscoveryOptions): Discovery {
  const delegations = createWellKnownCache({ fetch: wellKnown, now })

  /** Steps 1 and 2 of the spec, which are also 3.1 and 3.2: an address, or a name with a port, is where it says. */
  const explicit = (server: ServerName): Destination | undefined => {
    const parsed = parseServerName(server)
    if (parsed === undefined) throw new Error(`${server} is not a server name`)
    const { host, port, kind } = parsed
    if (kind === 'dns' && port === undefined) return undefined
    const bare = withoutBrackets(host)
    return { host: bare, port: port ?? defaultPort, hostHeader: server, certificateName: bare }
  }

  /** Steps 4 to 6, which are also 3.3 to 3.5: SRV records by either service name, else port 8448. */
  const byDns = async (hostname: string): Promise<readonly Destination[]> => {
    const as = { hostHeader: hostname, certificateName: hostname }
    for (const service of known.has(hostname) ? [] : srvServices) {
      const records = await srv(`${service}.${hostname}`).catch(() => [])
      if (records.length > 0) return inOrder(records).map(({ name, port }) => ({ host: name, port, ...as }))
    }
    return [{ host: hostname, port: defaultPort, ...as }]
  }

  return {
    destinations: async (server) => {
      const direct = explicit(server)
      if (direct !== undefined) return [direct]
      if (known.has(server)) return byDns(server)
      const delegated = await delegations.get(server)
      if (delegated === undefined) return byDns(server)
      const explicitly = explicit(delegated)
      return explicitly === undefined ? byDns(delegated) : [explicitly]
    },
  }
}

/** Lowest priority first; among equals heavier ones first, which spreads load less evenly than chance but is the same each time. */
function inOrder(records: readonly SrvRecord[]): SrvRecord[] {
  return records.toSorted((left, right) => left.priority - right.priority || right.weight - left.weight).slice(0, maxSrvTargets)
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}
