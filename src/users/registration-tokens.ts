import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { put, remove, type Storage } from '../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import { registrationTokens, type StoredRegistrationToken } from '../storage/tables/users.ts'
import { Turns } from '../streams/turns.ts'

/** Tokens that let their holders register (Client-Server API, "Token-authenticated registration"). */
export class RegistrationTokens {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #random: Random
  /** Accounts being made with a token now. */
  readonly #pending = new Map<string, number>()
  readonly #turns = new Turns()

  constructor(deps: { storage: Storage; clock: Clock; random: Random }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
    this.#random = deps.random
  }

  list(): Promise<[string, StoredRegistrationToken][]> {
    return this.#storage.read([registrationTokens], (tx) => tx.range(registrationTokens, {}))
  }

  /** Makes a token, `wanted` or a random one; `undefined` where there is one of this name. */
  async create(wanted: string | undefined, bounds: Omit<StoredRegistrationToken, 'completed'>): Promise<string | undefined> {
    const token = wanted ?? encodeUrlSafeBase64(this.#random.bytes(12))
    if (await this.#get(token)) return undefined
    await this.#storage.commit([put(registrationTokens, token, { ...bounds, completed: 0 })], 'strict')
    return token
  }

  /** Ends a token; `false` if there is none. */
  async delete(token: string): Promise<boolean> {
    if (!(await this.#get(token))) return false
    await this.#storage.commit([remove(registrationTokens, token)], 'strict')
    return true
  }

  /** Whether any token would let someone register now. */
  async areAny(): Promise<boolean> {
    return (await this.list()).some(([token, stored]) => this.#isValid(token, stored))
  }

  async isValid(token: string): Promise<boolean> {
    const stored = await this.#get(token)
    return stored !== undefined && this.#isValid(token, stored)
  }

  /** Runs `register`, and counts it if it succeeds. Resolves with `undefined` where the token has no use left. */
  async use<T>(token: string, register: () => Promise<T>): Promise<T | undefined> {
    const before = await this.#get(token)
    if (!before || !this.#isValid(token, before)) return undefined
    this.#pending.set(token, (this.#pending.get(token) ?? 0) + 1)
    try {
      const made = await register()
      await this.#turns.take(token, async () => {
        const stored = await this.#get(token)
        if (stored) await this.#storage.commit([put(registrationTokens, token, { ...stored, completed: stored.completed + 1 })], 'strict')
      })
      return made
    } finally {
      this.#pending.set(token, (this.#pending.get(token) ?? 1) - 1)
    }
  }

  #get(token: string): Promise<StoredRegistrationToken | undefined> {
    return this.#storage.read([registrationTokens], (tx) => tx.get(registrationTokens, token))
  }

  #isValid(token: string, { usesAllowed, completed, expiresTs }: StoredRegistrationToken): boolean {
    const used = completed + (this.#pending.get(token) ?? 0)
    return (usesAllowed === undefined || used < usesAllowed) && (expiresTs === undefined || expiresTs > this.#clock.now())
  }
}
