import { put, remove, type Storage } from '../ports/storage.ts'
import { canonicalJson, fitsUtf8 } from '../spec/canonical-json.ts'
import { MatrixError } from '../spec/errors.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { type JsonObject, type JsonValue, ownValue } from '../spec/json.ts'
import { accounts, profileChanges, profileLog, profiles } from '../storage/tables/users.ts'
import { ChangeMarks } from '../streams/change-marks.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'

/** Bytes that a profile may have (Client-Server API, "Profiles"). */
const profileByteLimit = 64 * 1024
/** Fields that a profile does not have any more, but clients may be told so. */
const mostRemoved = 100
const anyone = 'anyone'

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
  readonly #stream: Stream
  readonly #marks: ChangeMarks
  readonly #turns = new Turns()

  constructor(deps: { storage: Storage; stream: Stream; serverName: ServerName; remote: RemoteProfiles }) {
    this.#storage = deps.storage
    this.#serverName = deps.serverName
    this.#remote = deps.remote
    this.#stream = deps.stream
    this.#marks = new ChangeMarks(deps.stream.current)
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
    await this.#write(userId, field, changed)
    return true
  }

  async #write(userId: UserId, field: string, profile: JsonObject): Promise<void> {
    const before = await this.#storage.read([profileChanges], (tx) => tx.get(profileChanges, userId))
    const writes = (position: Position) => {
      const fields = Object.entries({ ...before?.fields, [field]: position })
      const gone = fields.filter(([name]) => ownValue(profile, name) === undefined).sort(([, a], [, b]) => b - a)
      const forgotten = new Set(gone.slice(mostRemoved).map(([name]) => name))
      return [
        put(profiles, userId, profile),
        put(profileChanges, userId, { position, fields: Object.fromEntries(fields.filter(([name]) => !forgotten.has(name))) }),
        ...(before ? [remove(profileLog, before.position)] : []),
        put(profileLog, position, userId),
      ]
    }
    await this.#stream.commit(1, writes, { published: (position) => this.#marks.note(anyone, position) })
  }

  /** The fields of local users that changed after `since` and up to `upTo`. */
  async changedSince(since: Position, upTo: Position): Promise<Map<UserId, string[]>> {
    if (!this.#marks.changedAfter(anyone, since)) return new Map()
    return this.#storage.read([profileLog, profileChanges], async (tx) => {
      const users = (await tx.range(profileLog, { after: since, to: upTo })).map(([, userId]) => userId)
      const changes = await tx.getMany(profileChanges, users)
      const changedOf = (fields: Readonly<Record<string, Position>> = {}) =>
        Object.entries(fields).flatMap(([field, position]) => (position > since && position <= upTo ? [field] : []))
      return new Map(users.map((userId, index) => [userId, changedOf(changes[index]?.fields)]))
    })
  }

  /** The profiles of those who are users of this server, and the fields that they had and do not have any more. */
  async ofLocal(userIds: readonly UserId[]): Promise<Map<UserId, { readonly profile: JsonObject; readonly removed: Set<string> }>> {
    const local = userIds.filter((userId) => serverNameOf(userId) === this.#serverName)
    const [found, changes] = await this.#storage.read([profiles, profileChanges], (tx) =>
      Promise.all([tx.getMany(profiles, local), tx.getMany(profileChanges, local)]),
    )
    return new Map(
      local.map((userId, index) => {
        const profile = found[index] ?? {}
        const removed = Object.keys(changes[index]?.fields ?? {}).filter((field) => ownValue(profile, field) === undefined)
        return [userId, { profile, removed: new Set(removed) }]
      }),
    )
  }
}
