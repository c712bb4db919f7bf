/** What an invite link says: which room, through whom, and over which relay. */
export interface JoinLink {
  /** A room id or an alias. */
  readonly room: string
  readonly via: readonly string[]
  /** Where a homeserver without a relay finds one that reaches `via`. */
  readonly relay?: string
}

const roomPattern = /^[!#][^\s]{1,254}$/
const serverPattern = /^[a-zA-Z0-9.:[\]-]{1,255}$/

/** Reads `#/join/<room>?via=…&relay=…`; `undefined` if the fragment is something else. */
export function joinLinkOf(hash: string): JoinLink | undefined {
  const match = /^#\/join\/([^?]+)(?:\?(.*))?$/.exec(hash)
  const room = decoded(match?.[1])
  if (room === undefined || !roomPattern.test(room)) return undefined
  const query = new URLSearchParams(match?.[2])
  const relay = query.get('relay') ?? undefined
  return { room, via: query.getAll('via').filter((server) => serverPattern.test(server)), ...(relay === undefined ? {} : { relay }) }
}

/** The fragment that {@link joinLinkOf} reads. */
export function joinHash({ room, via, relay }: JoinLink): string {
  const query = new URLSearchParams(via.map((server) => ['via', server]))
  if (relay !== undefined) query.set('relay', relay)
  return `#/join/${encodeURIComponent(room)}?${query}`
}

/**
 * What someone typed or pasted where a room's address is due: an alias, a room id, a link of Yurt or of matrix.to. A room
 * id alone says nothing of the servers that know it; its own domain is tried.
 */
export function joinTargetOf(text: string): JoinLink | undefined {
  const trimmed = text.trim()
  const hash = trimmed.indexOf('#/')
  if (hash >= 0) return joinLinkOf(trimmed.slice(hash)) ?? joinLinkOf(trimmed.slice(hash).replace('#/', '#/join/'))
  if (!roomPattern.test(trimmed)) return undefined
  const server = trimmed.includes(':') ? trimmed.slice(trimmed.indexOf(':') + 1) : undefined
  return { room: trimmed, via: server !== undefined && serverPattern.test(server) ? [server] : [] }
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    return undefined
  }
}
