import type { RoomMembers } from '../ports/room-members.ts'
import { last, put, remove, removeRange, type Storage, type Write } from '../ports/storage.ts'
import type { Edu } from '../spec/edu.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { outgoingEdus } from '../storage/tables/federation.ts'
import {
  claimedKeys,
  dehydratedDevices,
  deviceKeys,
  deviceListLog,
  deviceLists,
  fallbackKeys,
  keySignatures,
  oneTimeKeys,
  type StoredDeviceList,
  toDeviceInbox,
  toDeviceTransactions,
  userSignatureLog,
} from '../storage/tables/keys.ts'
import { devices } from '../storage/tables/users.ts'
import { ChangeMarks } from '../streams/change-marks.ts'
import type { Position, Stream } from '../streams/stream.ts'
import type { OneTimeKeys } from './one-time-keys.ts'
import { type DeviceListChange, ShownDevices } from './shown-devices.ts'

/** What a change takes to be committed beside what caused it: see {@link Stream.commit}. */
export interface PreparedChange {
  readonly count: number
  readonly writes: (first: Position) => readonly Write[]
  readonly published: (first: Position) => void
}

const anything = 'anything'
/** Positions stay below this: with the incarnation above it, stream ids grow through every restore. */
const incarnationStep = 2 ** 36

/**
 * Who changed their devices or cross-signing keys, for clients here (`device_lists` of `/sync`) and for servers that share
 * rooms (Server-Server API, "Device Management").
 */
export class DeviceLists {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #members: RoomMembers
  readonly #serverName: ServerName
  readonly #incarnation: number
  readonly #oneTimeKeys: OneTimeKeys
  readonly #wake: (servers: Iterable<ServerName>) => void
  readonly #marks: ChangeMarks
  /** Where lists stand that were loaded: read and moved in the same step as positions are allocated. */
  readonly #lists = new Map<UserId, StoredDeviceList>()
  readonly #shown: ShownDevices

  constructor(deps: {
    storage: Storage
    stream: Stream
    members: RoomMembers
    serverName: ServerName
    incarnation: number
    oneTimeKeys: OneTimeKeys
    /** Told of servers for whom EDUs were committed. */
    wake: (servers: Iterable<ServerName>) => void
  }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#members = deps.members
    this.#serverName = deps.serverName
    this.#incarnation = deps.incarnation
    this.#oneTimeKeys = deps.oneTimeKeys
    this.#wake = deps.wake
    this.#marks = new ChangeMarks(deps.stream.current)
    this.#shown = new ShownDevices(deps.storage)
  }

  /** A change of a local user's devices. A deleted one takes its keys and waiting messages with it. */
  async prepare(userId: UserId, changes: readonly DeviceListChange[]): Promise<PreparedChange> {
    const deviceIds = changes.map(({ deviceId }) => deviceId)
    const [stored, servers] = await Promise.all([this.#shown.stored(userId, deviceIds), this.#serversOf(userId), this.#load(userId)])
    const deleted = changes.filter((change) => change.deleted)
    const newest = Math.max(0, changes.length - 1)
    return {
      count: newest + 1,
      writes: (first) => [
        ...deleted.flatMap(({ deviceId }) => removalOfKeys(userId, deviceId)),
        ...changes.flatMap((change, index) => {
          const described = this.#shown.describe(userId, change, stored[index])
          return this.#updateEdus(userId, described, { servers, position: first + index })
        }),
        ...this.#logged(userId, first + newest),
      ],
      published: (first) => {
        this.#marks.note(anything, first + newest)
        for (const { deviceId } of deleted) this.#oneTimeKeys.forget(userId, deviceId)
        this.#wake(servers)
      },
    }
  }

  /** A change of a local user's cross-signing keys that others may see. */
  async prepareSigningKeys(userId: UserId, keys: { masterKey?: JsonObject; selfSigningKey?: JsonObject }): Promise<PreparedChange> {
    const servers = await this.#serversOf(userId)
    const content: JsonObject = {
      user_id: userId,
      ...(keys.masterKey === undefined ? {} : { master_key: keys.masterKey }),
      ...(keys.selfSigningKey === undefined ? {} : { self_signing_key: keys.selfSigningKey }),
    }
    const change = await this.prepareSeen(userId)
    const edu = { edu_type: 'm.signing_key_update', content }
    return {
      count: change.count,
      writes: (first) => [...change.writes(first), ...servers.map((server) => put(outgoingEdus, [server, first], edu))],
      published: (first) => {
        change.published(first)
        this.#wake(servers)
      },
    }
  }

  /** A change of any user's list that clients here are to see, and nobody else to be told of. */
  async prepareSeen(userId: UserId): Promise<PreparedChange> {
    await this.#load(userId)
    return {
      count: 1,
      writes: (first) => this.#logged(userId, first),
      published: (first) => this.#marks.note(anything, first),
    }
  }

  /** `signer` signed keys of other users, which only `signer` sees. */
  prepareSignatures(signer: UserId, signed: readonly UserId[]): PreparedChange {
    return {
      count: Math.max(1, signed.length),
      writes: (first) => signed.map((userId, index) => put(userSignatureLog, [signer, first + index], userId)),
      published: (first) => this.#marks.note(signer, first + Math.max(0, signed.length - 1)),
    }
  }

  /**
   * Users who share a room with `userId`, itself included, whose keys changed after `since` and up to `upTo`; and those whom
   * `userId` signed then. Who only came to share a room, or ceased to, is not among them.
   */
  async changedSince(userId: UserId, since: Position, upTo: Position): Promise<UserId[]> {
    const [lists, signatures] = [this.#marks.changedAfter(anything, since), this.#marks.changedAfter(userId, since)]
    if (!lists && !signatures) return []
    const { changed, signed } = await this.#storage.read([deviceListLog, userSignatureLog], async (tx) => ({
      changed: (await tx.range(deviceListLog, { after: since, to: upTo })).map(([, user]) => user),
      signed: (await tx.range(userSignatureLog, { after: [userId, since], to: [userId, upTo] })).map(([, user]) => user),
    }))
    const visible = changed.length === 0 ? new Set<UserId>() : await this.sharing(userId)
    return [...new Set([...changed.filter((user) => visible.has(user)), ...signed])]
  }

  /** Users of any server who share a room with `userId`, itself included. */
  async sharing(userId: UserId): Promise<ReadonlySet<UserId>> {
    const rooms = await this.#members.joinedRooms(userId)
    const members = await Promise.all(rooms.map((roomId) => this.#members.joinedUsers(roomId)))
    return new Set([userId, ...members.flat()])
  }

  /** Tells servers that did not get a local user's updates so far of all the user's devices: to be called when they come to share a room. */
  async announce(userId: UserId, servers: Iterable<ServerName>): Promise<void> {
    const destinations = [...new Set(servers)].filter((server) => server !== this.#serverName)
    const rows = await this.#storage.read([devices], (tx) => tx.range(devices, { from: [userId, ''], to: [userId, last] }))
    if (destinations.length === 0 || rows.length === 0) return
    const deviceIds = rows.map(([[, deviceId]]) => deviceId)
    const stored = await this.#shown.stored(userId, deviceIds)
    await this.#stream.commit(deviceIds.length, (first) =>
      deviceIds.flatMap((deviceId, index) => {
        const described = this.#shown.describe(userId, { deviceId }, stored[index])
        const content = { ...described, user_id: userId, stream_id: this.#streamId(first + index), prev_id: [] }
        return destinations.map((server) => put(outgoingEdus, [server, first + index], { edu_type: 'm.device_list_update', content }))
      }),
    )
    this.#wake(destinations)
  }

  #updateEdus(userId: UserId, change: JsonObject, to: { servers: readonly ServerName[]; position: Position }): Write[] {
    const before = this.#lists.get(userId)?.streamId ?? 0
    const streamId = this.#streamId(to.position)
    this.#lists.set(userId, { position: this.#lists.get(userId)?.position ?? 0, streamId })
    const content = { ...change, user_id: userId, stream_id: streamId, prev_id: before === 0 ? [] : [before] }
    const edu: Edu = { edu_type: 'm.device_list_update', content }
    return to.servers.map((server) => put(outgoingEdus, [server, to.position], edu))
  }

  #logged(userId: UserId, position: Position): Write[] {
    const list = this.#lists.get(userId) ?? { position: 0, streamId: 0 }
    const moved = { ...list, position }
    this.#lists.set(userId, moved)
    return [remove(deviceListLog, list.position), put(deviceListLog, position, userId), put(deviceLists, userId, moved)]
  }

  async #load(userId: UserId): Promise<StoredDeviceList> {
    const known = this.#lists.get(userId)
    if (known) return known
    const stored = await this.#storage.read([deviceLists], (tx) => tx.get(deviceLists, userId))
    const list = this.#lists.get(userId) ?? stored ?? { position: 0, streamId: 0 }
    this.#lists.set(userId, list)
    return list
  }

  async #serversOf(userId: UserId): Promise<ServerName[]> {
    const rooms = await this.#members.joinedRooms(userId)
    const servers = await Promise.all(rooms.map((roomId) => this.#members.servers(roomId)))
    const all = new Set(servers.flatMap((each) => [...each]))
    all.delete(this.#serverName)
    return [...all]
  }

  #streamId(position: Position): number {
    return this.#incarnation * incarnationStep + position
  }
}

function removalOfKeys(userId: UserId, deviceId: string): Write[] {
  const most = Number.MAX_SAFE_INTEGER
  return [
    remove(deviceKeys, [userId, deviceId]),
    remove(dehydratedDevices, [userId, deviceId]),
    removeRange(oneTimeKeys, { from: [userId, deviceId, '', 0, 0], to: [userId, deviceId, last, most, most] }),
    removeRange(claimedKeys, { from: [userId, deviceId, ''], to: [userId, deviceId, last] }),
    removeRange(fallbackKeys, { from: [userId, deviceId, ''], to: [userId, deviceId, last] }),
    removeRange(keySignatures, { from: [userId, deviceId, '', ''], to: [userId, deviceId, last, last] }),
    removeRange(toDeviceInbox, { from: [userId, deviceId, 0], to: [userId, deviceId, most] }),
    removeRange(toDeviceTransactions, { from: [userId, deviceId, ''], to: [userId, deviceId, last] }),
  ]
}
