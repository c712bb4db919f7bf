import type { ServerName } from './event.ts'

/** A server name taken apart: an IPv6 host keeps its square brackets. */
export interface ServerAddress {
  readonly host: string
  readonly port: number | undefined
  readonly kind: 'dns' | 'ipv4' | 'ipv6'
}

const grammar = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9A-Za-z.-]{1,255}))(?::([0-9]{1,5}))?$/
const fourNumbers = /^\d{1,3}(?:\.\d{1,3}){3}$/
const ipv6Group = /^[0-9A-Fa-f]{1,4}$/

/** `name` taken apart, or `undefined` if it is no server name (Appendices, "Server Name"). */
export function parseServerName(name: string): ServerAddress | undefined {
  const match = grammar.exec(name)
  if (match === null) return undefined
  const [, ipv6, other = '', digits] = match
  const port = digits === undefined ? undefined : Number(digits)
  if (ipv6 !== undefined) return isIpv6(ipv6) ? { host: `[${ipv6}]`, port, kind: 'ipv6' } : undefined
  if (!fourNumbers.test(other)) return { host: other, port, kind: 'dns' }
  return isIpv4(other) ? { host: other, port, kind: 'ipv4' } : undefined
}

/** Whether `name` is a server name: a DNS name, an IPv4 literal or an IPv6 literal in brackets, with or without a port. */
export function isServerName(name: string): name is ServerName {
  return parseServerName(name) !== undefined
}

function isIpv4(text: string): boolean {
  return fourNumbers.test(text) && text.split('.').every((number) => Number(number) <= 255)
}

/** RFC 3513 §2.2: eight groups, of which one `::` may stand for some, and an IPv4 address for the last two. */
function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  const last = groups.at(-1)
  const endsAsIpv4 = last !== undefined && isIpv4(last) && text.endsWith(last)
  const hexadecimal = endsAsIpv4 ? groups.slice(0, -1) : groups
  const count = hexadecimal.length + (endsAsIpv4 ? 2 : 0)
  return hexadecimal.every((group) => ipv6Group.test(group)) && (halves.length === 2 ? count <= 7 : count === 8)
}
