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
  'POST /_matrix/client/v3/auth/:stage/fallback/web',
  'POST /_matrix/oauth2/account',
  'POST /_matrix/oauth2/authorize',
  'POST /_matrix/oauth2/link',
  'POST /_matrix/oauth2/token',
])

/**
 * What has a homeserver do more than look something up: rooms are made and entered, other servers asked, media kept, texts
 * searched. It counts both as this and as a request like any other.
 */
const costly: ReadonlySet<string> = new Set([
  'POST /_matrix/client/v3/createRoom',
  'POST /_matrix/client/v3/join/:roomIdOrAlias',
  'POST /_matrix/client/v3/knock/:roomIdOrAlias',
  'POST /_matrix/client/v3/rooms/:roomId/join',
  'POST /_matrix/client/v3/rooms/:roomId/invite',
  'POST /_matrix/client/v3/rooms/:roomId/upgrade',
  'POST /_matrix/client/v3/keys/claim',
  'POST /_matrix/client/v3/keys/query',
  'POST /_matrix/client/v3/keys/upload',
  'POST /_matrix/client/v3/search',
  'POST /_matrix/client/v3/user_directory/search',
  'POST /_matrix/client/v3/publicRooms',
  'POST /_matrix/media/v1/create',
  'POST /_matrix/media/v3/upload',
  'GET /_matrix/client/v1/media/preview_url',
  'GET /_matrix/client/v1/rooms/:roomId/hierarchy',
])

/** Requests that change rooms: every one of them goes to all servers of the room. */
const sending: ReadonlySet<string> = new Set([
  'PUT /_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId',
  'PUT /_matrix/client/v3/rooms/:roomId/redact/:eventId/:txnId',
  'PUT /_matrix/client/v3/rooms/:roomId/state/:eventType/:stateKey',
])

/** Requests at once, and how many more come to be allowed each second. */
const allowances = {
  guess: { burst: 20, perSecond: 0.5 },
  costly: { burst: 100, perSecond: 5 },
  sending: { burst: 200, perSecond: 10 },
  user: { burst: 500, perSecond: 50 },
  address: { burst: 300, perSecond: 30 },
  server: { burst: 500, perSecond: 100 },
} satisfies Record<string, Allowance>
/** How much more the page of this origin may do: its user is the homeserver's owner, whose own machine it is. */
const ownPageFactor = 10

/** Users, addresses and servers that are counted at once. */
const bucketLimit = 10_000

/**
 * Limits how often a user, a server or an address may ask: a token bucket for each. What can be guessed is counted by
 * address and more strictly; what costs more, and what is sent to rooms, has an allowance of its own besides. With `enabled`
 * false it lets everything through.
 */
export function createRateLimit({ clock, enabled }: { clock: Clock; enabled: boolean }): RateLimit {
  const buckets = new Map<string, Bucket>()
  return (endpoint, { session, server }, origin) => {
    if (!enabled) return
    const now = clock.now()
    if (isOneOf(guessable, endpoint)) return take(buckets, `guess ${origin.address}`, { allowance: allowances.guess, now })
    const who = session?.userId ?? server ?? origin.address
    const factor = origin.trusted ? ownPageFactor : 1
    const takeAs = (as: keyof typeof allowances) => take(buckets, `${as} ${who}`, { allowance: times(allowances[as], factor), now })
    if (isOneOf(costly, endpoint)) takeAs('costly')
    if (isOneOf(sending, endpoint)) takeAs('sending')
    takeAs(session ? 'user' : server !== undefined ? 'server' : 'address')
  }
}

function isOneOf(names: ReadonlySet<string>, { method, path }: Endpoint): boolean {
  return (typeof path === 'string' ? [path] : path).some((each) => names.has(`${method} ${each}`))
}

function times({ burst, perSecond }: Allowance, factor: number): Allowance {
  return { burst: burst * factor, perSecond: perSecond * factor }
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
