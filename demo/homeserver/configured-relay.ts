import type { RelayAddress } from './control.ts'

/** The relay that whoever serves these pages runs for them. */
export interface ConfiguredRelay extends RelayAddress {
  /** Below it ordinary Matrix servers find homeservers; without it they cannot. */
  readonly domain?: string
}

/** Reads /relay.json; `undefined` where the pages come without a relay, or the network is off. */
export async function configuredRelay(): Promise<ConfiguredRelay | undefined> {
  const response = await fetch('/relay.json', { cache: 'no-store' }).catch(() => undefined)
  const relay: unknown = response?.ok ? await response.json().catch(() => undefined) : undefined
  if (typeof relay !== 'object' || relay === null) return undefined
  const address = 'address' in relay ? relay.address : undefined
  if (typeof address !== 'string') return undefined
  const token = 'token' in relay && typeof relay.token === 'string' ? { token: relay.token } : {}
  const domain = 'domain' in relay && typeof relay.domain === 'string' ? { domain: relay.domain } : {}
  return { address, ...token, ...domain }
}
