import type { Clock } from '../ports/clock.ts'
import { limitExceeded } from '../spec/errors.ts'
import type { Endpoint } from './endpoint.ts'
import type { RateLimit } from './router.ts'

interface Allowance {
  /** Requests that may come at once. */
  readonly burst: number
  readonly perSecond: number
}

interface Bucket {
  tokens: number
  filledTs: number
}

/** Requests where a password or a token can be guessed, and each costs a slow hash. */
const guessable: ReadonlySet<string> = new Set([
  'POST /_matrix/client/v3/login',
  'POST /_matrix/client/v3/register',
  'POST /_matrix/client/v3/refresh',
  'POST /_matrix/client/v3/account/password',
  'POST /_matrix/client/v3/account/deactivate',
  'POST /_matrix/client/v3/delete_devices',
  'DELETE /_matrix/client/v3/devices/:deviceId',
  'POST /_matrix/client/v3/keys/device_signing/upload',
  'GET /_matrix/client/v1/register/m.login.registration_token/validity',
  'POST /_matrix/client/v1/login/get_token',
  'POST /_matrix/oauth2/account',
  'POST /_matrix/oauth2/authorize',
  'POST /_matrix/oauth2/link',
  'POST /_matrix/oauth2/token',
])

const allowances: Readonly<Record<'guess' | 'user' | 'address' | 'server', Allowance>> = {
  guess: { burst: 20, perSecond: 0.5 },
  user: { burst: 500, perSecond: 50 },
  address: { burst: 300, perSecond: 30 },
  server: { burst: 500, perSecond: 100 },
}

const bucketLimit = 10_000

/**
 * Limits how often a user, a server or an address may ask: a token bucket for each. What can be guessed is counted by
 * address and more strictly. With `enabled` false it lets everything through.
 */
export function createRateLimit({ clock, enabled }: { clock: Clock; enabled: boolean }): RateLimit {
  const buckets = new Map<string, Bucket>()
  return (endpoint, { session, server }, origin) => {
    if (!enabled) return
    const guess = isGuessable(endpoint)
    const kind = guess ? 'guess' : session ? 'user' : server !== undefined ? 'server' : 'address'
    take(buckets, `${kind} ${guess ? origin.address : (session?.userId ?? server ?? origin.address)}`, {
      allowance: allowances[kind],
      now: clock.now(),
    })
  }
}

function isGuessable({ method, path }: Endpoint): boolean {
  return (typeof path === 'string' ? [path] : path).some((each) => guessable.has(`${method} ${each}`))
}

function take(buckets: Map<string, Bucket>, key: string, { allowance, now }: { allowance: Allowance; now: number }): void {
  const bucket = buckets.get(key) ?? { tokens: allowance.burst, filledTs: now }
  const tokens = Math.min(allowance.burst, bucket.tokens + (Math.max(0, now - bucket.filledTs) / 1000) * allowance.perSecond)
  const allowed = tokens >= 1
  // Newest last, so that the bucket dropped when there are too many is the one that had longest to fill.
  buckets.delete(key)
  buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, filledTs: now })
  const [oldest] = buckets.keys()
  if (buckets.size > bucketLimit && oldest !== undefined) buckets.delete(oldest)
  if (!allowed) throw limitExceeded(((1 - tokens) / allowance.perSecond) * 1000)
}
