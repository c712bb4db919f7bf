import { promises as dns, type LookupAddress } from 'node:dns'
import { BlockList, isIP } from 'node:net'

/** IANA special-purpose ranges: private, shared, loopback, link-local, documentation, benchmarks, multicast, reserved. */
const specialIpv4: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]

/** Within global unicast: protocol assignments with Teredo, documentation, 6to4 (which holds an IPv4 address). */
const specialIpv6: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

const special = new BlockList()
for (const [network, prefix] of specialIpv4) special.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of specialIpv6) special.addSubnet(network, prefix, 'ipv6')
const globalUnicast = new BlockList()
globalUnicast.addSubnet('2000::', 3, 'ipv6')

/** Whether `address`, an IP literal without brackets, is one of the public internet. Mapped IPv4 addresses are not. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special.check(address, 'ipv4')
  return family === 6 && globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6')
}

/** A host has no address that may be connected to. */
export class AddressRefused extends Error {
  override name = 'AddressRefused'
}

/**
 * The addresses of `host`, a name or an IP literal without brackets, to connect to: those that were checked, and no others
 * however often the name is asked for. Rejects with {@link AddressRefused} when all are private and that is not allowed,
 * and as DNS does when there is none.
 */
export async function guardedAddresses(host: string, allowPrivate: boolean): Promise<LookupAddress[]> {
  const family = isIP(host)
  const addresses = family === 0 ? await dns.lookup(host, { all: true }) : [{ address: host, family }]
  const allowed = allowPrivate ? addresses : addresses.filter(({ address }) => isPublicAddress(address))
  if (allowed.length === 0) throw new AddressRefused(`${host} is not on the public internet`)
  return allowed
}
