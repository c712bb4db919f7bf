import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import type { UserId } from '../spec/event.ts'
import { openIdTokens } from '../storage/tables/users.ts'
import { hashOf } from './tokens.ts'

const lifetimeMs = 60 * 60 * 1000

interface IssuedOpenIdToken {
  readonly token: string
  readonly expiresInSeconds: number
}

/** Tokens by which a user proves to a third party who they are (Client-Server API, "OpenID"). */
export class OpenIdTokens {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #random: Random

  constructor(deps: { storage: Storage; clock: Clock; random: Random }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#random = deps.random
  }

  /** Makes a token; `alongside` is written in the same commit. */
  async issue(userId: UserId, alongside: (issued: IssuedOpenIdToken) => readonly Write[]): Promise<IssuedOpenIdToken> {
    const token = encodeUrlSafeBase64(this.#random.bytes(32))
    const now = this.#clock.now()
    const all = await this.#storage.read([openIdTokens], (tx) => tx.range(openIdTokens, {}))
    const expired = all.flatMap(([hash, { expiresTs }]) => (expiresTs <= now ? [remove(openIdTokens, hash)] : []))
    const issued = { token, expiresInSeconds: lifetimeMs / 1000 }
    const row = put(openIdTokens, hashOf(token), { userId, expiresTs: now + lifetimeMs })
    await this.#storage.commit([...expired, row, ...alongside(issued)], 'strict')
    return issued
  }

  /** Whose token this is, while it is valid. */
  async userOf(token: string): Promise<UserId | undefined> {
    const stored = await this.#storage.read([openIdTokens], (tx) => tx.get(openIdTokens, hashOf(token)))
    return stored && stored.expiresTs > this.#clock.now() ? stored.userId : undefined
  }
}
