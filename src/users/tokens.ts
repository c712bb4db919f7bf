import { sha256 } from '@noble/hashes/sha2.js'
import type { AccountStanding } from '../http/endpoint.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { last, put, type ReadTx, remove, type Storage, type Write } from '../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import { userLocked } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'
import {
  accessTokens,
  accounts,
  deviceTokens,
  refreshTokens,
  type StoredAccessToken,
  type StoredAccount,
  type StoredRefreshToken,
  tokenFamilies,
} from '../storage/tables/users.ts'

/** How long an access token of a client that can refresh it lives. */
const lifetimeMs = 60 * 60 * 1000

/** Characters of a refresh token by which it is known for one of its session: 128 random bits. */
const familyLength = 22

/** A device's tokens, newly made: what the client is told, and what is stored. */
export interface IssuedTokens {
  readonly answer: { access_token: string; refresh_token?: string; expires_in_ms?: number }
  readonly writes: readonly Write[]
}

/** How tokens are refreshed. */
interface Refreshing {
  /** Absent for the legacy API. */
  readonly oauthClientId?: string
  /** Written in the same commit. */
  readonly alongside: (answer: IssuedTokens['answer']) => readonly Write[]
}

/** An access token as it is looked up for each request. */
export interface KnownToken extends StoredAccessToken {
  readonly hash: string
  readonly standing: AccountStanding
}

interface DeviceTokens {
  readonly access: ReadonlyMap<string, StoredAccessToken>
  readonly refresh: ReadonlyMap<string, StoredRefreshToken>
}

/**
 * Access and refresh tokens: 256 random bits each, stored as their SHA-256 (Client-Server API, "Refreshing access tokens").
 * A refresh token stays valid until one of the tokens got with it is used, so that a lost answer can be asked for again. All of a
 * session begin alike: one that is over is still known for what it was.
 */
export class Tokens {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #random: Random
  readonly #cache = new Lru<string, KnownToken>(10_000)
  /** Counts revocations: a look-up that began before one must not cache what it found. */
  #revocations = 0

  constructor(deps: { storage: Storage; clock: Clock; random: Random }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#random = deps.random
  }

  /** What is known of an access token, expired or not. */
  async find(token: string): Promise<KnownToken | undefined> {
    const hash = hashOf(token)
    const cached = this.#cache.get(hash)
    if (cached) return cached
    const began = this.#revocations
    const known = await this.#storage.read([accessTokens, accounts], async (tx) => {
      const stored = await tx.get(accessTokens, hash)
      const account = stored && (await tx.get(accounts, stored.userId))
      return stored && account && !account.deactivated ? { ...stored, hash, standing: standingOf(account) } : undefined
    })
    if (known && began === this.#revocations) this.#cache.set(hash, known)
    return known
  }

  /** Makes tokens for a device; `replaces` is the hash of the refresh token they are got with, `family` how it begins. */
  issue(
    owner: { userId: UserId; deviceId: string; oauthClientId?: string | undefined },
    options: { refreshable: boolean; replaces?: string; family?: string },
  ): IssuedTokens {
    const { userId, deviceId, oauthClientId } = owner
    const client = oauthClientId === undefined ? {} : { oauthClientId }
    const origin = { ...client, ...(options.replaces === undefined ? {} : { replaces: options.replaces }) }
    const access = encodeUrlSafeBase64(this.#random.bytes(32))
    const expiry = options.refreshable ? { expiresTs: this.#clock.now() + lifetimeMs } : {}
    const writes: Write[] = [
      put(accessTokens, hashOf(access), { userId, deviceId, ...origin, ...expiry }),
      put(deviceTokens, [userId, deviceId, hashOf(access)], 'access'),
    ]
    if (!options.refreshable) return { answer: { access_token: access }, writes }
    const { family = encodeUrlSafeBase64(this.#random.bytes(16)) } = options
    const refresh = family + encodeUrlSafeBase64(this.#random.bytes(32))
    writes.push(
      put(tokenFamilies, hashOf(family), { userId, deviceId }),
      put(deviceTokens, [userId, deviceId, hashOf(family)], 'family'),
      put(refreshTokens, hashOf(refresh), { userId, deviceId, ...origin }),
      put(deviceTokens, [userId, deviceId, hashOf(refresh)], 'refresh'),
    )
    return { answer: { access_token: access, refresh_token: refresh, expires_in_ms: lifetimeMs }, writes }
  }

  /** Whose token this is, be it for access or for refreshing, expired or not. */
  async ownerOf(token: string): Promise<{ userId: UserId; deviceId: string } | undefined> {
    const hash = hashOf(token)
    return this.#storage.read(
      [accessTokens, refreshTokens],
      async (tx) => (await tx.get(accessTokens, hash)) ?? tx.get(refreshTokens, hash),
    )
  }

  /** Whose session it was for which a refresh token that is no longer valid was made. */
  async formerOwnerOf(token: string): Promise<{ userId: UserId; deviceId: string } | undefined> {
    return this.#storage.read([refreshTokens, tokenFamilies], async (tx) => {
      const [valid, family] = await Promise.all([
        tx.get(refreshTokens, hashOf(token)),
        tx.get(tokenFamilies, hashOf(token.slice(0, familyLength))),
      ])
      return valid ? undefined : family
    })
  }

  /**
   * New tokens for a refresh token of the OAuth client, or of the legacy API; `undefined` if it is not, or no longer, valid.
   * Throws `M_USER_LOCKED`.
   */
  async refresh(token: string, { oauthClientId, alongside }: Refreshing): Promise<IssuedTokens['answer'] | undefined> {
    const hash = hashOf(token)
    const stored = await this.#storage.read([refreshTokens, accounts], async (tx) => {
      const row = await tx.get(refreshTokens, hash)
      return row && { ...row, account: await tx.get(accounts, row.userId) }
    })
    if (stored?.oauthClientId !== oauthClientId || !stored) return undefined
    if (stored.account?.locked) throw userLocked()
    const tokens = await this.#ofDevice(stored.userId, stored.deviceId)
    // Tokens of an earlier refresh with the same token never reached the client.
    const lost = [...tokens.access, ...tokens.refresh].flatMap(([key, { replaces }]) => (replaces === hash ? [key] : []))
    const over = stored.replaces === undefined ? lost : [...lost, stored.replaces]
    const issued = this.issue(stored, { refreshable: true, replaces: hash, family: token.slice(0, familyLength) })
    const writes = [...over.flatMap((key) => tokenRemoval(stored, key)), ...issued.writes, ...alongside(issued.answer)]
    await this.#storage.commit(writes, 'strict')
    this.forget(over)
    return issued.answer
  }

  /** To be called when an access token is used: revokes the refresh token it was got with, and the device's older access tokens. */
  async used(known: KnownToken): Promise<void> {
    const { hash, standing, replaces, ...kept } = known
    if (replaces === undefined) return
    const tokens = await this.#ofDevice(known.userId, known.deviceId)
    const over = [replaces, ...[...tokens.access.keys()].filter((key) => key !== hash)]
    await this.#storage.commit([...over.flatMap((key) => tokenRemoval(known, key)), put(accessTokens, hash, kept)], 'strict')
    this.forget(over)
    this.#cache.set(hash, { ...kept, hash, standing })
  }

  /** What it takes to revoke every token of a device. Once committed, {@link forget} the `hashes`. */
  async revocation(userId: UserId, deviceId: string): Promise<{ hashes: readonly string[]; writes: readonly Write[] }> {
    const hashes = (await this.#storage.read([deviceTokens], (tx) => deviceRows(tx, userId, deviceId))).map(([[, , hash]]) => hash)
    return { hashes, writes: hashes.flatMap((hash) => tokenRemoval({ userId, deviceId }, hash)) }
  }

  /** Drops revoked tokens from memory. */
  forget(hashes: readonly string[]): void {
    this.#revocations++
    for (const hash of hashes) this.#cache.delete(hash)
  }

  /** Drops from memory how accounts stand, after one has changed. */
  forgetStandings(): void {
    this.#revocations++
    this.#cache.clear()
  }

  #ofDevice(userId: UserId, deviceId: string): Promise<DeviceTokens> {
    return this.#storage.read([deviceTokens, accessTokens, refreshTokens], async (tx) => {
      const rows = await deviceRows(tx, userId, deviceId)
      const hashes = rows.map(([[, , hash]]) => hash)
      const [access, refresh] = await Promise.all([tx.getMany(accessTokens, hashes), tx.getMany(refreshTokens, hashes)])
      return { access: found(hashes, access), refresh: found(hashes, refresh) }
    })
  }
}

function deviceRows(tx: ReadTx, userId: UserId, deviceId: string): Promise<[readonly [UserId, string, string], unknown][]> {
  return tx.range(deviceTokens, { from: [userId, deviceId, ''], to: [userId, deviceId, last] })
}

function found<V>(keys: readonly string[], values: readonly (V | undefined)[]): Map<string, V> {
  return new Map(keys.flatMap((key, index) => (values[index] === undefined ? [] : [[key, values[index]]])))
}

function tokenRemoval({ userId, deviceId }: { userId: UserId; deviceId: string }, hash: string): Write[] {
  const tables = [accessTokens, refreshTokens, tokenFamilies]
  return [...tables.map((table) => remove(table, hash)), remove(deviceTokens, [userId, deviceId, hash])]
}

function standingOf({ admin, guest, locked, suspended }: StoredAccount): AccountStanding {
  return { admin, guest: guest ?? false, locked: locked ?? false, suspended: suspended ?? false }
}

/** The SHA-256 by which a secret of ours is kept, in URL-safe base64. */
export function hashOf(token: string): string {
  return encodeUrlSafeBase64(sha256(new TextEncoder().encode(token)))
}
