import { last, put, type ReadTx, remove, type Storage, type Write } from '../ports/storage.ts'
import { tooLarge } from '../spec/errors.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import { accountData, accountDataLog } from '../storage/tables/users.ts'
import { ChangeMarks } from '../streams/change-marks.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'

/** One piece of account data as `/sync` delivers it. */
export interface AccountDataChange {
  /** `''` for global account data. */
  readonly roomId: RoomId
  readonly type: string
  readonly content: JsonObject
}

interface Datum {
  readonly type: string
  readonly content: JsonObject
  /** Written in the same commit. */
  readonly alongside?: readonly Write[]
}

/** A deleted piece whose deletion is told no more. */
interface Forgotten {
  readonly roomId: RoomId
  readonly type: string
  readonly position: Position
}

/** Pieces of account data that a user may keep, in all rooms together. Those deleted count as long as there is room to tell that they are. */
const datumLimit = 10_000

/**
 * Account data, global and by room (Client-Server API, "Client Config"). An empty object stands for what was deleted: devices that
 * follow are told of it, and nobody sees it otherwise (MSC3391, as Synapse's `storage/databases/main/account_data.py` does it).
 */
export class AccountData {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #implied: (userId: UserId) => Readonly<Record<string, JsonObject>>
  readonly #marks: ChangeMarks
  readonly #turns = new Turns()
  /** How many pieces users kept when that was last counted, and those added since. */
  readonly #counts = new Lru<UserId, number>(1000)
  readonly #ignored = new Lru<UserId, ReadonlySet<UserId>>(1000)
  readonly #blocking = new Lru<UserId, boolean>(1000)

  /** `implied` is the global account data that users have without having set it. */
  constructor(deps: { storage: Storage; stream: Stream; implied: (userId: UserId) => Readonly<Record<string, JsonObject>> }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#implied = deps.implied
    this.#marks = new ChangeMarks(deps.stream.current)
  }

  /** `roomId` is `''` for global account data. */
  async get(userId: UserId, roomId: RoomId, type: string): Promise<JsonObject | undefined> {
    const stored = await this.#storage.read([accountData], (tx) => tx.get(accountData, [userId, roomId, type]))
    const content = stored?.content ?? (roomId === '' ? this.#impliedOf(userId, type) : undefined)
    return content && isDeleted(content) ? undefined : content
  }

  /** Empty content deletes it. Throws `M_TOO_LARGE` where the user keeps too many of them. */
  async set(userId: UserId, roomId: RoomId, datum: Datum): Promise<void> {
    await this.#turns.take(userId, () => this.#set(userId, roomId, datum))
  }

  async #set(userId: UserId, roomId: RoomId, datum: Datum): Promise<void> {
    const { type, content, alongside = [] } = datum
    const before = await this.#storage.read([accountData], (tx) => tx.get(accountData, [userId, roomId, type]))
    const gone = before ? undefined : await this.#requireRoom(userId)
    const writes = (position: Position): Write[] => [
      ...(before ? [remove(accountDataLog, [userId, before.position])] : []),
      put(accountData, [userId, roomId, type], { content, position }),
      put(accountDataLog, [userId, position], isDeleted(content) ? [roomId, type, 'deleted'] : [roomId, type]),
      ...(gone ? [remove(accountData, [userId, gone.roomId, gone.type]), remove(accountDataLog, [userId, gone.position])] : []),
      ...alongside,
    ]
    await this.#stream.commit(1, writes, {
      published: (position) => {
        this.#marks.note(userId, position)
        if (type === 'm.ignored_user_list') this.#ignored.delete(userId)
        if (type === invitePermissionType) this.#blocking.delete(userId)
      },
    })
  }

  /** What changed after `since` and up to `upTo`, as it is now. */
  async changedSince(userId: UserId, since: Position, upTo: Position): Promise<AccountDataChange[]> {
    if (!this.#marks.changedAfter(userId, since)) return []
    return this.#storage.read([accountData, accountDataLog], async (tx) => {
      const log = await tx.range(accountDataLog, { after: [userId, since], to: [userId, upTo] })
      const changed = new Map(log.map(([, [roomId, type]]) => [JSON.stringify([roomId, type]), [userId, roomId, type] as const]))
      return changes(tx, [...changed.values()])
    })
  }

  /** Whether anything of a user may have changed after a position; `false` is certain. */
  changedAfter(userId: UserId, since: Position): boolean {
    return this.#marks.changedAfter(userId, since)
  }

  /** Up to where it is known what changed. */
  get position(): Position {
    return this.#stream.current
  }

  /** All account data of a user that is not deleted. */
  async all(userId: UserId): Promise<AccountDataChange[]> {
    const rows = await this.#storage.read([accountData], (tx) =>
      tx.range(accountData, { from: [userId, '', ''], to: [userId, last, last] }),
    )
    const stored = rows.map(([[, roomId, type], { content }]) => ({ roomId, type, content }))
    const set = new Set(stored.flatMap(({ roomId, type }) => (roomId === '' ? [type] : [])))
    const implied = Object.entries(this.#implied(userId)).filter(([type]) => !set.has(type))
    return [...implied.map(([type, content]) => ({ roomId: '', type, content })), ...stored.filter(({ content }) => !isDeleted(content))]
  }

  /** Whom the user ignores (Client-Server API, "Ignoring Users"). */
  async ignoredUsers(userId: UserId): Promise<ReadonlySet<UserId>> {
    const cached = this.#ignored.get(userId)
    if (cached) return cached
    const began = this.#stream.current
    const list = await this.get(userId, '', 'm.ignored_user_list')
    const ignored = new Set(isObject(list?.ignored_users) ? Object.keys(list.ignored_users) : [])
    if (!this.#marks.changedAfter(userId, began)) this.#ignored.set(userId, ignored)
    return ignored
  }

  /** Whether the user takes no invitations (Client-Server API, "Invite permission"). */
  async blocksInvites(userId: UserId): Promise<boolean> {
    const cached = this.#blocking.get(userId)
    if (cached !== undefined) return cached
    const began = this.#stream.current
    const blocks = blocksInvites(await this.get(userId, '', invitePermissionType))
    if (!this.#marks.changedAfter(userId, began)) this.#blocking.set(userId, blocks)
    return blocks
  }

  /** The piece that gives way to a new one, if one must. Throws `M_TOO_LARGE` where none can. */
  async #requireRoom(userId: UserId): Promise<Forgotten | undefined> {
    const known = this.#counts.get(userId)
    const { count, oldestDeleted } = known === undefined || known >= datumLimit ? await this.#count(userId) : { count: known }
    // Others may have been added while it was counted.
    const now = known === undefined ? Math.max(count, this.#counts.get(userId) ?? 0) : count
    if (now < datumLimit) {
      this.#counts.set(userId, now + 1)
      return undefined
    }
    this.#counts.set(userId, now)
    if (!oldestDeleted) throw tooLarge(`A user may keep ${datumLimit} pieces of account data`)
    return oldestDeleted
  }

  /** Counted by the log, whose rows are small. */
  async #count(userId: UserId): Promise<{ readonly count: number; readonly oldestDeleted?: Forgotten }> {
    const range = { from: [userId, 0], to: [userId, Number.MAX_SAFE_INTEGER], limit: datumLimit } as const
    const log = await this.#storage.read([accountDataLog], (tx) => tx.range(accountDataLog, range))
    const [oldest] = log.flatMap(([[, position], [roomId, type, deleted]]) => (deleted ? [{ roomId, type, position }] : []))
    return { count: log.length, ...(oldest ? { oldestDeleted: oldest } : {}) }
  }

  #impliedOf(userId: UserId, type: string): JsonObject | undefined {
    const implied = this.#implied(userId)
    return Object.hasOwn(implied, type) ? implied[type] : undefined
  }
}

async function changes(tx: ReadTx, keys: readonly (readonly [UserId, RoomId, string])[]): Promise<AccountDataChange[]> {
  const values = await tx.getMany(accountData, keys)
  return keys.flatMap(([, roomId, type], index) => {
    const value = values[index]
    return value ? [{ roomId, type, content: value.content }] : []
  })
}

function isDeleted(content: JsonObject): boolean {
  return Object.keys(content).length === 0
}

/** The account data by which a user blocks invitations. */
export const invitePermissionType = 'm.invite_permission_config'

/** Whether that account data blocks them. */
export function blocksInvites(content: JsonObject | undefined): boolean {
  return content?.default_action === 'block'
}
