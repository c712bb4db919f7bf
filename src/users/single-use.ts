import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import type { JsonObject } from '../spec/json.ts'
import { singleUse } from '../storage/tables/users.ts'
import { hashOf } from './tokens.ts'

/** Secrets that work once and not for long: 256 random bits each, stored as their SHA-256. */
export class SingleUseSecrets {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #random: Random
  /** Being taken now: of two who come at once, one gets nothing. */
  readonly #taking = new Set<string>()

  constructor(deps: { storage: Storage; clock: Clock; random: Random }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#random = deps.random
  }

  /** Makes a secret, a random one unless told, that stands for `content` where it is taken for the same purpose. */
  async issue(
    purpose: string,
    content: JsonObject,
    options: {
      readonly lifetimeMs: number
      readonly secret?: string
      /** Written in the same commit. */
      readonly alongside?: (secret: string) => readonly Write[]
    },
  ): Promise<string> {
    const { lifetimeMs, secret = encodeUrlSafeBase64(this.#random.bytes(32)), alongside = () => [] } = options
    const now = this.#clock.now()
    const all = await this.#storage.read([singleUse], (tx) => tx.range(singleUse, {}))
    const expired = all.flatMap(([hash, { expiresTs }]) => (expiresTs <= now ? [remove(singleUse, hash)] : []))
    const row = put(singleUse, hashOf(secret), { purpose, content, expiresTs: now + lifetimeMs })
    await this.#storage.commit([...expired, row, ...alongside(secret)], 'strict')
    return secret
  }

  /** What a secret stands for, once; `undefined` for one that is not, or no longer, valid. */
  take(purpose: string, secret: string): Promise<JsonObject | undefined> {
    return this.use(purpose, secret, async (content, removal) => {
      await this.#storage.commit(removal, 'strict')
      return content
    })
  }

  /**
   * Runs `effect` with what a secret stands for, and with the removal of the secret, which belongs into the commit of that effect.
   * `undefined` for a secret that is not, or no longer, valid.
   */
  async use<T>(
    purpose: string,
    secret: string,
    effect: (content: JsonObject, removal: readonly Write[]) => Promise<T>,
  ): Promise<T | undefined> {
    const hash = hashOf(secret)
    if (this.#taking.has(hash)) return undefined
    this.#taking.add(hash)
    try {
      const stored = await this.#storage.read([singleUse], (tx) => tx.get(singleUse, hash))
      if (stored?.purpose !== purpose || stored.expiresTs <= this.#clock.now()) return undefined
      return await effect(stored.content, [remove(singleUse, hash)])
    } finally {
      this.#taking.delete(hash)
    }
  }
}
