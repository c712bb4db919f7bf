import { put, type Storage } from '../ports/storage.ts'
import { canonicalJson, fitsUtf8 } from '../spec/canonical-json.ts'
import { MatrixError } from '../spec/errors.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { type JsonObject, type JsonValue, ownValue } from '../spec/json.ts'
import { accounts, profiles } from '../storage/tables/users.ts'
import { Turns } from '../streams/turns.ts'

/** Bytes that a profile may have (Client-Server API, "Profiles"). */
const profileByteLimit = 64 * 1024

/** Profiles of users of other servers. */
export interface RemoteProfiles {
  /** The whole profile, or what it has of one field. Rejects with the `MatrixError` to answer. */
  profile(userId: UserId, field?: string): Promise<JsonObject>
}

/** Profiles (Client-Server API, "Profiles"). */
export class Profiles {
  readonly #storage: Storage
  readonly #serverName: ServerName
  readonly #remote: RemoteProfiles
  readonly #turns = new Turns()

  constructor(deps: { storage: Storage; serverName: ServerName; remote: RemoteProfiles }) {
    this.#storage = deps.storage
    this.#serverName = deps.serverName
    this.#remote = deps.remote
  }

  /** The profile of any user, `undefined` where there is no such user. Rejects with what a remote server refuses it with. */
  async get(userId: UserId, field?: string): Promise<JsonObject | undefined> {
    return serverNameOf(userId) === this.#serverName ? this.local(userId) : this.#remote.profile(userId, field)
  }

  /** The profile of a local user; `undefined` where there is no such account. */
  async local(userId: UserId): Promise<JsonObject | undefined> {
    return this.#storage.read([accounts, profiles], async (tx) => {
      const [account, profile] = await Promise.all([tx.get(accounts, userId), tx.get(profiles, userId)])
      return account && (profile ?? {})
    })
  }

  /**
   * Sets a field of a local user, or removes it where `value` is `undefined`. Resolves with whether that changed anything;
   * throws `M_PROFILE_TOO_LARGE`.
   */
  async setField(userId: UserId, field: string, value: JsonValue | undefined): Promise<boolean> {
    return this.#turns.take(userId, () => this.#setField(userId, field, value))
  }

  async #setField(userId: UserId, field: string, value: JsonValue | undefined): Promise<boolean> {
    const profile = await this.local(userId)
    const current = profile && ownValue(profile, field)
    if (
      !profile ||
      (value === undefined ? current === undefined : current !== undefined && canonicalJson(current) === canonicalJson(value))
    ) {
      return false
    }
    const kept = Object.entries(profile).filter(([name]) => name !== field)
    const changed: JsonObject = Object.fromEntries(value === undefined ? kept : [...kept, [field, value]])
    if (!fitsUtf8(canonicalJson(changed), profileByteLimit)) {
      throw new MatrixError(400, 'M_PROFILE_TOO_LARGE', { message: 'The profile would exceed 64 KiB' })
    }
    await this.#storage.commit([put(profiles, userId, changed)], 'strict')
    return true
  }
}
