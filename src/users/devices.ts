import { last, put, remove, removeRange, type Storage, type Write } from '../ports/storage.ts'
import type { UserId } from '../spec/event.ts'
import {
  accountData,
  accountDataLog,
  accounts,
  devices,
  filters,
  profiles,
  type StoredDevice,
  threadSubscriptions,
} from '../storage/tables/users.ts'
import type { Position, Stream } from '../streams/stream.ts'
import type { DeviceChange, DeviceChanges } from './device-changes.ts'
import type { Pushers } from './pushers.ts'
import type { Tokens } from './tokens.ts'

/** A device that comes without a login. */
interface AddedDevice {
  readonly change: DeviceChange
  readonly writes: (first: Position) => readonly Write[]
}

/** Devices that a user may be logged in on. */
const deviceLimit = 500

/** The devices of local users (Client-Server API, "Device Management"). */
export class Devices {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #tokens: Tokens
  readonly #deviceChanges: DeviceChanges
  readonly #pushers: Pushers

  constructor(deps: { storage: Storage; stream: Stream; tokens: Tokens; deviceChanges: DeviceChanges; pushers: Pushers }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#tokens = deps.tokens
    this.#deviceChanges = deps.deviceChanges
    this.#pushers = deps.pushers
  }

  async list(userId: UserId): Promise<{ deviceId: string; device: StoredDevice }[]> {
    const rows = await this.#storage.read([devices], (tx) => tx.range(devices, { from: [userId, ''], to: [userId, last] }))
    return rows.map(([[, deviceId], device]) => ({ deviceId, device }))
  }

  get(userId: UserId, deviceId: string): Promise<StoredDevice | undefined> {
    return this.#storage.read([devices], (tx) => tx.get(devices, [userId, deviceId]))
  }

  /** Names a device; `false` if the user has none of that id. */
  async rename(userId: UserId, deviceId: string, displayName: string): Promise<boolean> {
    const device = await this.get(userId, deviceId)
    if (!device) return false
    await this.#commit(userId, [{ deviceId, displayName }], [put(devices, [userId, deviceId], { ...device, displayName })])
    return true
  }

  /** Removes devices with their tokens, keys, pushers and waiting messages; ids of no device are passed over. */
  async remove(userId: UserId, deviceIds: readonly string[], alongside: readonly Write[] = []): Promise<void> {
    await this.#remove(userId, deviceIds, alongside)
  }

  /** Removes devices like {@link remove}, and adds one in the same commit; ids of no device are passed over. */
  async replace(userId: UserId, deviceIds: readonly string[], added: AddedDevice, alongside: readonly Write[] = []): Promise<void> {
    await this.#remove(userId, deviceIds, alongside, added)
  }

  /** Logs out those devices that were not seen for longest, as far as a further one would be too many. */
  async makeRoom(userId: UserId): Promise<void> {
    const all = await this.list(userId)
    const excess = Math.max(0, all.length + 1 - deviceLimit)
    const unseen = all.sort((a, b) => a.device.lastSeenTs - b.device.lastSeenTs).slice(0, excess)
    await this.remove(
      userId,
      unseen.map(({ deviceId }) => deviceId),
    )
  }

  /** Removes all devices, but for `keptDeviceId`. */
  async removeAll(userId: UserId, options: { readonly keptDeviceId?: string; readonly alongside?: readonly Write[] } = {}): Promise<void> {
    const all = (await this.list(userId)).map(({ deviceId }) => deviceId)
    const removed = all.filter((deviceId) => deviceId !== options.keptDeviceId)
    await this.remove(userId, removed, options.alongside)
  }

  /**
   * Closes an account for good: nobody can log in any more, all devices go; with `erase` the user's account data and profile
   * as well. Leaving the user's rooms is not done here.
   */
  async deactivate(userId: UserId, erase: boolean, alongside: readonly Write[] = []): Promise<void> {
    const account = await this.#storage.read([accounts], (tx) => tx.get(accounts, userId))
    if (!account) return
    const { passwordHash: _, ...kept } = account
    const all = (await this.list(userId)).map(({ deviceId }) => deviceId)
    await this.#remove(userId, all, [
      put(accounts, userId, { ...kept, deactivated: true }),
      removeRange(threadSubscriptions, { from: [userId, '', ''], to: [userId, last, last] }),
      ...(erase ? erasure(userId) : []),
      ...alongside,
    ])
  }

  async #remove(userId: UserId, deviceIds: readonly string[], alongside: readonly Write[], added?: AddedDevice): Promise<void> {
    const existing = (await this.list(userId)).filter(({ deviceId }) => deviceIds.includes(deviceId))
    const revocations = await Promise.all(existing.map(({ deviceId }) => this.#tokens.revocation(userId, deviceId)))
    const pushers = await this.#pushers.removalOf(userId, deviceIds)
    const writes = [
      ...alongside,
      ...pushers.writes,
      ...revocations.flatMap((revocation) => revocation.writes),
      ...existing.map(({ deviceId }) => remove(devices, [userId, deviceId])),
    ]
    const changes = existing.map(({ deviceId }) => ({ deviceId, deleted: true }))
    await this.#commit(userId, added ? [...changes, added.change] : changes, writes, added?.writes)
    this.#tokens.forget(revocations.flatMap(({ hashes }) => hashes))
    pushers.removed()
  }

  async #commit(
    userId: UserId,
    changes: readonly DeviceChange[],
    writes: readonly Write[],
    added: AddedDevice['writes'] = () => [],
  ): Promise<void> {
    if (changes.length === 0) {
      if (writes.length > 0) await this.#storage.commit(writes, 'strict')
      return
    }
    const change = await this.#deviceChanges.prepare(userId, changes)
    const { published } = change
    await this.#stream.commit(change.count, (first) => [...writes, ...change.writes(first), ...added(first)], { published })
  }
}

function erasure(userId: UserId): Write[] {
  return [
    put(profiles, userId, {}),
    removeRange(accountData, { from: [userId, '', ''], to: [userId, last, last] }),
    removeRange(accountDataLog, { from: [userId, 0], to: [userId, Number.MAX_SAFE_INTEGER] }),
    removeRange(filters, { from: [userId, ''], to: [userId, last] }),
  ]
}
