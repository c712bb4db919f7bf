import type { ServerName } from './event.ts'
import { compileGlob, type Glob } from './glob.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { parseServerName } from './server-name.ts'

interface ServerAcl {
  readonly allowsIpLiterals: boolean
  readonly allow: readonly Glob[]
  readonly deny: readonly Glob[]
}

/** Every event of a room asks its ACL, which may list thousands of servers: read each list once. */
const read = new WeakMap<JsonObject, ServerAcl>()

/**
 * Whether the room's `m.room.server_acl` lets a server take part (Client-Server API, "Server Access Control Lists"): the
 * port does not count, `deny` goes before `allow`, and without `allow` nobody may. A room without one lets everybody.
 */
export function isAllowedByAcl(serverName: ServerName, aclContent: JsonObject | undefined): boolean {
  if (aclContent === undefined) return true
  const address = parseServerName(serverName)
  if (address === undefined) return false
  const acl = aclOf(aclContent)
  if (address.kind !== 'dns' && !acl.allowsIpLiterals) return false
  return !acl.deny.some((glob) => glob.matches(address.host)) && acl.allow.some((glob) => glob.matches(address.host))
}

function aclOf(content: JsonObject): ServerAcl {
  const known = read.get(content)
  if (known !== undefined) return known
  const acl = { allowsIpLiterals: content.allow_ip_literals !== false, allow: globsOf(content.allow), deny: globsOf(content.deny) }
  read.set(content, acl)
  return acl
}

function globsOf(patterns: JsonValue | undefined): Glob[] {
  return Array.isArray(patterns) ? patterns.filter((pattern) => typeof pattern === 'string').map(compileGlob) : []
}
