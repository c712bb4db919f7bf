import type { RoomMembers } from '../ports/room-members.ts'
import { put, remove, type Storage } from '../ports/storage.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { remoteDevices, type StoredRemoteDevices } from '../storage/tables/keys.ts'
import type { EduHandler } from '../streams/edu.ts'
import type { Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import type { DeviceLists } from './device-lists.ts'

/** A list as another server answered it. */
export type FetchedDevices = Pick<StoredRemoteDevices, 'devices' | 'masterKey' | 'selfSigningKey'>

/** Devices one user may have before we stop keeping them. */
const deviceLimit = 1000

/** An `m.device_list_update`, its shape checked. */
interface Update {
  readonly userId: UserId
  readonly deviceId: string
  readonly streamId: number
  readonly previous: readonly number[]
  /** Absent where the device was deleted, or has no keys. */
  readonly keys: JsonObject | undefined
}

/**
 * What is known of the devices of users of other servers, kept up to date by their EDUs; only of users who share a room with
 * someone here. A list that missed an update, or that nobody asked for so far, is stale, and asked for anew when it is next needed.
 */
export class RemoteDeviceLists {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #deviceLists: DeviceLists
  readonly #members: RoomMembers
  readonly #serverName: ServerName
  readonly #turns = new Turns()
  /** Counts updates of each list since it was asked for: an answer that was overtaken is stale at once. */
  readonly #fetching = new Map<UserId, { count: number; updated: boolean }>()

  constructor(deps: { storage: Storage; stream: Stream; deviceLists: DeviceLists; members: RoomMembers; serverName: ServerName }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#deviceLists = deps.deviceLists
    this.#members = deps.members
    this.#serverName = deps.serverName
  }

  /** Lists that are fresh. */
  async fresh(userIds: readonly UserId[]): Promise<Map<UserId, StoredRemoteDevices>> {
    const rows = await this.#storage.read([remoteDevices], (tx) => tx.getMany(remoteDevices, userIds))
    return new Map(
      userIds.flatMap((userId, index) => {
        const row = rows[index]
        return row && !row.stale ? [[userId, row]] : []
      }),
    )
  }

  /**
   * Runs `fetch` for the list of `userIds`, and keeps what it finds of each; those it does not find are kept as stale, so that
   * their next update reaches clients here.
   */
  async refresh(
    userIds: readonly UserId[],
    fetch: () => Promise<ReadonlyMap<UserId, FetchedDevices>>,
  ): Promise<ReadonlyMap<UserId, FetchedDevices>> {
    for (const userId of userIds) this.#began(userId)
    let found: ReadonlyMap<UserId, FetchedDevices> = new Map()
    try {
      found = await fetch()
      return found
    } finally {
      await Promise.all(userIds.map((userId) => this.#keep(userId, found.get(userId))))
    }
  }

  /** Those of the users of whose devices anything is kept, or being asked for. */
  async kept(userIds: readonly UserId[]): Promise<UserId[]> {
    const rows = await this.#storage.read([remoteDevices], (tx) => tx.getMany(remoteDevices, userIds))
    return userIds.filter((userId, index) => rows[index] !== undefined || this.#fetching.has(userId))
  }

  /** A user of another server shares no room with us any more: nobody tells us of changes, nor of what is being asked for. */
  async unsubscribed(userId: UserId): Promise<void> {
    const fetch = this.#fetching.get(userId)
    if (fetch) fetch.updated = true
    await this.#turns.take(userId, () => this.#storage.commit([remove(remoteDevices, userId)], 'strict'))
  }

  /** Takes an `m.device_list_update` EDU. */
  readonly receiveDeviceList: EduHandler = async (origin, content) => {
    const update = parseUpdate(content)
    if (update && serverNameOf(update.userId) === origin) await this.#change(update.userId, (list) => updated(list, update))
  }

  /** Takes an `m.signing_key_update` EDU. */
  readonly receiveSigningKeys: EduHandler = async (origin: ServerName, content: JsonObject) => {
    const { user_id: userId, master_key: master, self_signing_key: selfSigning } = content
    if (typeof userId !== 'string' || serverNameOf(userId) !== origin) return
    await this.#change(userId, (list) => ({
      ...list,
      ...(isKeyOf(userId, master) ? { masterKey: master } : {}),
      ...(isKeyOf(userId, selfSigning) ? { selfSigningKey: selfSigning } : {}),
    }))
  }

  async #change(userId: UserId, change: (list: StoredRemoteDevices) => StoredRemoteDevices): Promise<void> {
    const fetch = this.#fetching.get(userId)
    if (fetch) fetch.updated = true
    await this.#turns.take(userId, async () => {
      const list = await this.#storage.read([remoteDevices], (tx) => tx.get(remoteDevices, userId))
      // Clients are told of everyone who shares a room with them, whether or not anybody asked for that list.
      if (!list && !(await this.#members.sharesRoom(userId, this.#serverName))) return
      const changed = list ? change(list) : { devices: {}, stale: true as const }
      if (changed === list) return
      const seen = await this.#deviceLists.prepareSeen(userId)
      const { published } = seen
      await this.#stream.commit(seen.count, (first) => [put(remoteDevices, userId, changed), ...seen.writes(first)], { published })
    })
  }

  #began(userId: UserId): void {
    const fetch = this.#fetching.get(userId) ?? { count: 0, updated: false }
    fetch.count++
    this.#fetching.set(userId, fetch)
  }

  async #keep(userId: UserId, found: FetchedDevices | undefined): Promise<void> {
    const fetch = this.#fetching.get(userId)
    const overtaken = fetch?.updated === true
    if (fetch && --fetch.count === 0) this.#fetching.delete(userId)
    await this.#turns.take(userId, async () => {
      const list: StoredRemoteDevices = found && !overtaken ? found : { devices: {}, ...found, stale: true }
      const row = put(remoteDevices, userId, list)
      // Strict: whom a crash made us forget, clients that were answered would never be told of again.
      if (!overtaken) return this.#storage.commit([row], 'strict')
      const seen = await this.#deviceLists.prepareSeen(userId)
      const { published } = seen
      await this.#stream.commit(seen.count, (first) => [row, ...seen.writes(first)], { published })
    })
  }
}

/** `list` after `update`; the very same if it was applied before. */
function updated(list: StoredRemoteDevices, update: Update): StoredRemoteDevices {
  if (list.stale) return { ...list }
  if (list.streamId === update.streamId) return list
  const follows = list.streamId === undefined || (update.previous.length > 0 && update.previous.every((id) => id === list.streamId))
  const others = Object.entries(list.devices).filter(([deviceId]) => deviceId !== update.deviceId)
  if (!follows || others.length >= deviceLimit) return { ...list, stale: true }
  const devices = Object.fromEntries(update.keys ? [...others, [update.deviceId, update.keys]] : others)
  return { ...list, devices, streamId: update.streamId }
}

function parseUpdate(content: JsonObject): Update | undefined {
  const {
    user_id: userId,
    device_id: deviceId,
    stream_id: streamId,
    prev_id: previous = [],
    deleted,
    keys,
    device_display_name: name,
  } = content
  if (typeof userId !== 'string' || typeof deviceId !== 'string' || typeof streamId !== 'number' || !Array.isArray(previous))
    return undefined
  const unsigned: JsonObject = typeof name === 'string' ? { device_display_name: name } : {}
  const current = deleted !== true && isDeviceOf(userId, deviceId, keys) ? { ...keys, unsigned } : undefined
  return { userId, deviceId, streamId, previous: previous.filter((id) => typeof id === 'number'), keys: current }
}

/** Whether `keys` are device keys of that user's device. */
export function isDeviceOf(userId: UserId, deviceId: string, keys: JsonValue | undefined): keys is JsonObject {
  return isObject(keys) && keys.user_id === userId && keys.device_id === deviceId && isObject(keys.keys) && Array.isArray(keys.algorithms)
}

/** Whether `key` is a cross-signing key of that user. */
export function isKeyOf(userId: UserId, key: JsonValue | undefined): key is JsonObject {
  return isObject(key) && key.user_id === userId && isObject(key.keys) && Array.isArray(key.usage)
}
