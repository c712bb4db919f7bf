import type { RelayAddress } from './libp2p-relay-link.ts'

/** The relay that whoever serves these pages runs for them. */
export interface RelayOfPages extends RelayAddress {
  /** Below it ordinary Matrix servers find homeservers; without it they cannot. */
  readonly domain?: string
}

const timeoutMs = 5000

/** Reads /relay.json; `undefined` where the pages come without a relay, or the network is off. */
export async function relayOfPages(): Promise<RelayOfPages | undefined> {
  const answer = fetch('/relay.json', { cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) })
  const relay: unknown = await answer.then((response) => (response.ok ? response.json() : undefined)).catch(() => undefined)
  if (typeof relay !== 'object' || relay === null) return undefined
  const address = 'address' in relay ? relay.address : undefined
  if (typeof address !== 'string') return undefined
  const token = 'token' in relay && typeof relay.token === 'string' ? { token: relay.token } : {}
  const domain = 'domain' in relay && typeof relay.domain === 'string' ? { domain: relay.domain } : {}
  return { address, ...token, ...domain }
}
