import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'
import { put, remove, type Storage } from '../../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../../spec/base64.ts'
import { limitExceeded } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import { deviceGrants, type StoredDeviceGrant } from '../../storage/tables/users.ts'
import { hashOf } from '../tokens.ts'
import type { OAuthGrants, Redeeming } from './grants.ts'
import { OAuthError } from './oauth-error.ts'

const lifetimeMs = 30 * 60_000
const intervalMs = 5000
/** Devices without a browser that wait to be let in. */
const grantLimit = 1000
/** Consonants without the easily confused: no words come out of them (RFC 8628, section 6.1). */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'

/** Logging a device in that has no browser (RFC 8628; Client-Server API, "Device authorisation flow"). */
export class DeviceGrants {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #random: Random
  readonly #grants: OAuthGrants
  readonly #polledTs = new Map<string, number>()

  constructor(deps: { storage: Storage; clock: Clock; random: Random; grants: OAuthGrants }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#random = deps.random
    this.#grants = deps.grants
  }

  /** Begins: a code for the device to ask with, and one for the user to type. */
  async begin(clientId: string, scope: string): Promise<{ deviceCode: string; userCode: string; expiresIn: number; interval: number }> {
    const now = this.#clock.now()
    const all = await this.#all()
    const expired = all.filter(([, { expiresTs }]) => expiresTs <= now)
    if (all.length - expired.length >= grantLimit) throw limitExceeded(intervalMs)
    for (const [hash] of expired) this.#polledTs.delete(hash)
    const deviceCode = encodeUrlSafeBase64(this.#random.bytes(32))
    const letters = [...this.#random.bytes(8)].map((byte) => alphabet.charAt(byte % alphabet.length)).join('')
    const grant: StoredDeviceGrant = { userCode: hashOf(letters), clientId, scope, expiresTs: now + lifetimeMs }
    await this.#storage.commit(
      [...expired.map(([hash]) => remove(deviceGrants, hash)), put(deviceGrants, hashOf(deviceCode), grant)],
      'strict',
    )
    const userCode = `${letters.slice(0, 4)}-${letters.slice(4)}`
    return { deviceCode, userCode, expiresIn: lifetimeMs / 1000, interval: intervalMs / 1000 }
  }

  /** What a user's code asks for, while nobody has decided about it. */
  async pending(userCode: string): Promise<StoredDeviceGrant | undefined> {
    return (await this.#find(userCode))?.[1]
  }

  /** Lets the device in as `userId`, or turns it away. `false` where the code is not, or no longer, pending. */
  async decide(userCode: string, userId: UserId | undefined): Promise<boolean> {
    const found = await this.#find(userCode)
    if (!found) return false
    const [hash, grant] = found
    await this.#storage.commit([put(deviceGrants, hash, { ...grant, decision: userId ?? 'denied' })], 'strict')
    return true
  }

  /** Tokens once the user let the device in. Throws what RFC 8628, section 3.5, says until then. */
  async redeem(deviceCode: string, clientId: string, how: Redeeming): Promise<JsonObject> {
    const hash = hashOf(deviceCode)
    const grant = await this.#storage.read([deviceGrants], (tx) => tx.get(deviceGrants, hash))
    if (grant?.clientId !== clientId) throw new OAuthError('invalid_grant', 'The device code is unknown, or of another client')
    const now = this.#clock.now()
    if (grant.expiresTs <= now) throw new OAuthError('expired_token', 'The device code has expired')
    const sinceLastMs = now - (this.#polledTs.get(hash) ?? 0)
    this.#polledTs.set(hash, now)
    if (grant.decision === undefined) {
      if (sinceLastMs < intervalMs) throw new OAuthError('slow_down', 'Ask less often')
      throw new OAuthError('authorization_pending', 'The user has not decided yet')
    }
    this.#polledTs.delete(hash)
    if (grant.decision === 'denied') throw new OAuthError('access_denied', 'The user turned the device away')
    const alongside = [remove(deviceGrants, hash)]
    return this.#grants.login({ userId: grant.decision, clientId, scope: grant.scope }, { ...how, alongside })
  }

  async #find(userCode: string): Promise<[string, StoredDeviceGrant] | undefined> {
    const hash = hashOf(userCode.toUpperCase().replace(/[^A-Z]/g, ''))
    const now = this.#clock.now()
    return (await this.#all()).find(([, grant]) => grant.userCode === hash && grant.decision === undefined && grant.expiresTs > now)
  }

  #all(): Promise<[string, StoredDeviceGrant][]> {
    return this.#storage.read([deviceGrants], (tx) => tx.range(deviceGrants, {}))
  }
}
