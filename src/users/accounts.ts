import type { Clock } from '../ports/clock.ts'
import type { PasswordHasher } from '../ports/password-hasher.ts'
import type { Random } from '../ports/random.ts'
import { put, type Storage, type Write } from '../ports/storage.ts'
import { invalidUsername, userInUse, weakPassword } from '../spec/errors.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { fitsBytes, isNewLocalpart } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import { accounts, profiles, type StoredAccount } from '../storage/tables/users.ts'

/** Characters that a password may have. */
const passwordLimit = 512
const generatedAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789'

/** What a new account starts with. */
export interface NewAccount {
  /** As the client wrote it; a localpart is made up where there is none. */
  readonly username?: string
  readonly password?: string
  readonly admin?: boolean
  readonly displayName?: string
  readonly guest?: true
}

/** The accounts of this homeserver and their passwords. */
export class Accounts {
  readonly #storage: Storage
  readonly #hasher: PasswordHasher
  readonly #clock: Clock
  readonly #random: Random
  readonly #serverName: ServerName
  readonly #standingChanged: () => void
  /** Names of accounts being made now, oldest first: nobody else may take them. */
  readonly #creating = new Set<UserId>()

  constructor(deps: {
    storage: Storage
    hasher: PasswordHasher
    clock: Clock
    random: Random
    serverName: ServerName
    /** Told that what an account may do has changed. */
    standingChanged: () => void
  }) {
    this.#storage = deps.storage
    this.#hasher = deps.hasher
    this.#clock = deps.clock
    this.#random = deps.random
    this.#serverName = deps.serverName
    this.#standingChanged = deps.standingChanged
  }

  get(userId: UserId): Promise<StoredAccount | undefined> {
    return this.#storage.read([accounts], (tx) => tx.get(accounts, userId))
  }

  /** The administrators. */
  async admins(): Promise<UserId[]> {
    const rows = await this.#storage.read([accounts], (tx) => tx.range(accounts, {}))
    return rows.flatMap(([userId, { admin, deactivated }]) => (admin && !deactivated ? [userId] : []))
  }

  /** Every account that is not deactivated. */
  async all(): Promise<UserId[]> {
    const rows = await this.#storage.read([accounts], (tx) => tx.range(accounts, {}))
    return rows.flatMap(([userId, account]) => (account.deactivated ? [] : [userId]))
  }

  /** The user id that `username`, a localpart or a whole user id, stands for at login; it need not exist. */
  userIdOf(username: string): UserId {
    return username.startsWith('@') ? lowerCase(username) : `@${lowerCase(username)}:${this.#serverName}`
  }

  /** The user id a new account with this name would get. Throws `M_INVALID_USERNAME` or `M_USER_IN_USE`. */
  async available(username: string): Promise<UserId> {
    const localpart = lowerCase(username)
    const userId = `@${localpart}:${this.#serverName}`
    if (!isNewLocalpart(localpart)) throw invalidUsername('User names consist of a-z, 0-9 and ._=-/+ alone')
    if (!fitsBytes(userId)) throw invalidUsername('The user name is too long')
    if (this.#creating.has(userId) || (await this.get(userId))) throw userInUse()
    return userId
  }

  /**
   * Makes an account; the very first one is an administrator. Throws `M_INVALID_USERNAME`, `M_USER_IN_USE` or
   * `M_WEAK_PASSWORD`.
   */
  create(account: NewAccount, alongside: (userId: UserId) => readonly Write[] = () => []): Promise<UserId> {
    return this.createBy(account, async (userId, writes) => {
      await this.#storage.commit([...writes, ...alongside(userId)], 'strict')
      return userId
    })
  }

  /** The same, by `commit`, which writes more in the same step. */
  async createBy<T>(account: NewAccount, commit: (userId: UserId, writes: readonly Write[]) => Promise<T>): Promise<T> {
    if (account.password !== undefined) checkPassword(account.password)
    const userId = await this.available(account.username ?? this.#madeUpLocalpart())
    if (this.#creating.has(userId)) throw userInUse()
    this.#creating.add(userId)
    try {
      const admin = account.admin ?? (!account.guest && (await this.#isFirst(userId)))
      const guest = account.guest ? { guest: true as const } : {}
      const passwordHash = account.password === undefined ? {} : { passwordHash: await this.#hasher.hash(account.password) }
      const profile: JsonObject = account.displayName === undefined ? {} : { displayname: account.displayName }
      return await commit(userId, [
        put(accounts, userId, { ...passwordHash, ...guest, admin, createdTs: this.#clock.now() }),
        put(profiles, userId, profile),
      ])
    } finally {
      this.#creating.delete(userId)
    }
  }

  /** Whether `password` is that of the account; `false` too for an account that has none or does not exist. */
  async hasPassword(userId: UserId, password: string): Promise<boolean> {
    const account = await this.get(userId)
    if (!account?.passwordHash || account.deactivated || password.length > passwordLimit) return false
    return this.#hasher.verify(password, account.passwordHash)
  }

  /** Throws `M_WEAK_PASSWORD`. */
  async setPassword(userId: UserId, password: string, alongside: readonly Write[] = []): Promise<void> {
    checkPassword(password)
    const passwordHash = await this.#hasher.hash(password)
    const account = await this.get(userId)
    if (account && !account.deactivated) {
      await this.#storage.commit([put(accounts, userId, { ...account, passwordHash }), ...alongside], 'strict')
    }
  }

  /** Makes a guest's account an ordinary one. Throws `M_WEAK_PASSWORD`. */
  async upgradeGuest(userId: UserId, password: string): Promise<void> {
    await this.setPassword(userId, password)
    const known = await this.get(userId)
    if (!known) return
    const { guest: _, ...account } = known
    await this.#storage.commit([put(accounts, userId, account)], 'strict')
    this.#standingChanged()
  }

  /** How an account of this server stands; `undefined` for one that does not exist or was deactivated. */
  async moderation(userId: UserId): Promise<{ admin: boolean; locked: boolean; suspended: boolean } | undefined> {
    const account = await this.get(userId)
    if (!account || account.deactivated) return undefined
    return { admin: account.admin, locked: account.locked ?? false, suspended: account.suspended ?? false }
  }

  /** Locks or suspends an account, or lifts that. */
  async moderate(userId: UserId, what: 'locked' | 'suspended', on: boolean): Promise<void> {
    const account = await this.get(userId)
    if (!account) return
    const { [what]: _, ...rest } = account
    await this.#storage.commit([put(accounts, userId, on ? { ...rest, [what]: true } : rest)], 'strict')
    this.#standingChanged()
  }

  async #isFirst(userId: UserId): Promise<boolean> {
    const existing = await this.#storage.read([accounts], (tx) => tx.range(accounts, {}))
    return existing.every(([, { guest }]) => guest) && [...this.#creating][0] === userId
  }

  #madeUpLocalpart(): string {
    return [...this.#random.bytes(12)].map((byte) => generatedAlphabet.charAt(byte & 31)).join('')
  }
}

function checkPassword(password: string): void {
  if (password === '') throw weakPassword('The password is empty')
  if (password.length > passwordLimit) throw weakPassword(`The password exceeds ${passwordLimit} characters`)
}

// ASCII alone: other letters have no lower case that the grammar of user ids allows, and some would become ASCII.
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
