import { last, put, type ReadTx, removeRange, type Storage, type Write } from '../ports/storage.ts'
import { invalidParam, MatrixError, notFound } from '../spec/errors.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { backupSessions, backupVersions, type StoredBackupVersion } from '../storage/tables/keys.ts'
import { Turns } from '../streams/turns.ts'

/** A backed-up key, as far as the server reads it. */
export type BackedUpKey = JsonObject & {
  readonly is_verified: boolean
  readonly first_message_index: number
  readonly forwarded_count: number
}

/** Room → session → key. */
export type BackedUpKeys = ReadonlyMap<RoomId, ReadonlyMap<string, BackedUpKey>>

/** A part of a backup: all of it, a room's keys, or one session's. */
export interface BackupPart {
  readonly roomId?: RoomId
  readonly sessionId?: string
}

/** How a backup stands, as its `etag` and `count` say. */
export type BackupState = Pick<StoredBackupVersion, 'count' | 'etag'>

type SessionRow = readonly [UserId, number, RoomId, string]

/** Server-side key backups (Client-Server API, "Server-side key backups"). */
export class KeyBackup {
  readonly #storage: Storage
  readonly #turns = new Turns()

  constructor(deps: { storage: Storage }) {
    this.#storage = deps.storage
  }

  /** Makes a new backup, which replaces the current one for writing. Resolves with its version. */
  create(
    userId: UserId,
    backup: { readonly algorithm: string; readonly authData: JsonObject },
    alongside: (version: number) => readonly Write[] = () => [],
  ): Promise<number> {
    return this.#turns.take(userId, async () => {
      const version = ((await this.#versions(userId)).at(-1)?.[0] ?? 0) + 1
      await this.#storage.commit(
        [put(backupVersions, [userId, version], { ...backup, count: 0, etag: 0 }), ...alongside(version)],
        'strict',
      )
      return version
    })
  }

  /** A backup, or the current one. Throws `M_NOT_FOUND`. */
  async get(userId: UserId, version?: number): Promise<{ version: number; backup: StoredBackupVersion }> {
    const existing = (await this.#versions(userId)).filter(([, { deleted }]) => !deleted)
    const found = version === undefined ? existing.at(-1) : existing.find(([each]) => each === version)
    if (!found) throw notFound(version === undefined ? 'There is no current backup' : 'Unknown backup version')
    return { version: found[0], backup: found[1] }
  }

  /** Replaces a backup's `auth_data`. Throws `M_NOT_FOUND`, or `M_INVALID_PARAM` for another algorithm. */
  update(
    userId: UserId,
    version: number,
    { algorithm, authData }: { readonly algorithm: string; readonly authData: JsonObject },
  ): Promise<void> {
    return this.#turns.take(userId, async () => {
      const { backup } = await this.get(userId, version)
      if (backup.algorithm !== algorithm) throw invalidParam('Algorithm does not match')
      await this.#storage.commit([put(backupVersions, [userId, version], { ...backup, authData })], 'strict')
    })
  }

  /** Deletes a backup with its keys; does nothing if that was done before. Throws `M_NOT_FOUND`. */
  delete(userId: UserId, version: number): Promise<void> {
    return this.#turns.take(userId, async () => {
      const backup = await this.#storage.read([backupVersions], (tx) => tx.get(backupVersions, [userId, version]))
      if (!backup) throw notFound('Unknown backup version')
      const deleted: StoredBackupVersion = { ...backup, count: 0, deleted: true }
      await this.#storage.commit(
        [put(backupVersions, [userId, version], deleted), removeRange(backupSessions, rangeOf(userId, version, {}))],
        'strict',
      )
    })
  }

  /** The keys of a part of a backup. Throws `M_NOT_FOUND` where there is no such backup. */
  async keys(userId: UserId, version: number, part: BackupPart): Promise<Map<RoomId, Map<string, JsonObject>>> {
    await this.get(userId, version)
    const rows = await this.#storage.read([backupSessions], (tx) => tx.range(backupSessions, rangeOf(userId, version, part)))
    const rooms = new Map<RoomId, Map<string, JsonObject>>()
    for (const [[, , roomId, sessionId], key] of rows) {
      const room = rooms.get(roomId) ?? new Map<string, JsonObject>()
      rooms.set(roomId, room.set(sessionId, key))
    }
    return rooms
  }

  /**
   * Stores keys, but for those that are worse than what is there. Throws `M_NOT_FOUND` where there is no backup,
   * `M_WRONG_ROOM_KEYS_VERSION` where `version` is not the current one.
   */
  store(userId: UserId, version: number, keys: BackedUpKeys): Promise<BackupState> {
    return this.#turns.take(userId, async () => {
      const current = await this.get(userId)
      if (current.version !== version) throw wrongVersion(current.version)
      const rows = [...keys].flatMap(([roomId, sessions]) =>
        [...sessions].map(([sessionId, key]) => ({ row: [userId, version, roomId, sessionId] as const, key })),
      )
      const before = await this.#storage.read([backupSessions], (tx) =>
        tx.getMany(
          backupSessions,
          rows.map(({ row }) => row),
        ),
      )
      const better = rows.map((row, index) => ({ ...row, before: before[index] })).filter((each) => isBetter(each.key, each.before))
      const added = better.filter((each) => each.before === undefined).length
      const writes = better.map(({ row, key }) => put(backupSessions, row, key))
      return this.#changed(userId, current, { writes, added })
    })
  }

  /** Deletes the keys of a part of a backup. Throws `M_NOT_FOUND` where there is no such backup. */
  deleteKeys(userId: UserId, version: number, part: BackupPart): Promise<BackupState> {
    return this.#turns.take(userId, async () => {
      const found = await this.get(userId, version)
      const range = rangeOf(userId, version, part)
      const removed = await this.#storage.read([backupSessions], async (tx) => (await tx.range(backupSessions, range)).length)
      const writes = removed === 0 ? [] : [removeRange(backupSessions, range)]
      return this.#changed(userId, found, { writes, added: -removed })
    })
  }

  async #changed(
    userId: UserId,
    { version, backup }: { version: number; backup: StoredBackupVersion },
    change: { readonly writes: readonly Write[]; readonly added: number },
  ): Promise<BackupState> {
    if (change.writes.length === 0) return backup
    const changed = { ...backup, count: backup.count + change.added, etag: backup.etag + 1 }
    await this.#storage.commit([...change.writes, put(backupVersions, [userId, version], changed)], 'strict')
    return changed
  }

  async #versions(userId: UserId): Promise<[number, StoredBackupVersion][]> {
    const read = (tx: ReadTx) => tx.range(backupVersions, { from: [userId, 0], to: [userId, Number.MAX_SAFE_INTEGER] })
    return (await this.#storage.read([backupVersions], read)).map(([[, version], backup]) => [version, backup])
  }
}

function rangeOf(userId: UserId, version: number, { roomId, sessionId }: BackupPart): { from: SessionRow; to: SessionRow } {
  return {
    from: [userId, version, roomId ?? '', sessionId ?? ''],
    to: [userId, version, roomId ?? last, sessionId ?? last],
  }
}

function isBetter(key: BackedUpKey, before: JsonObject | undefined): boolean {
  if (!before) return true
  if (key.is_verified !== before.is_verified) return key.is_verified
  const [firstBefore, forwardedBefore] = [Number(before.first_message_index), Number(before.forwarded_count)]
  if (key.first_message_index !== firstBefore) return key.first_message_index < firstBefore
  return key.forwarded_count < forwardedBefore
}

function wrongVersion(current: number): MatrixError {
  return new MatrixError(403, 'M_WRONG_ROOM_KEYS_VERSION', {
    message: 'Wrong backup version.',
    fields: { current_version: String(current) },
  })
}
