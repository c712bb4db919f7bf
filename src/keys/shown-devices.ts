import { last, type ReadTx, type Storage } from '../ports/storage.ts'
import type { UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import { deviceKeys, keySignatures } from '../storage/tables/keys.ts'
import { devices } from '../storage/tables/users.ts'
import { isSameKey, signaturesBy, withSignatures } from './signed-keys.ts'

/** A change of one device of a local user. */
export interface DeviceListChange {
  readonly deviceId: string
  readonly deleted?: boolean
  readonly displayName?: string
  /** The device keys, where they are new or newly signed. */
  readonly keys?: JsonObject
}

/** A device as other servers are told of it. */
interface ShownDevice {
  readonly displayName?: string
  readonly keys?: JsonObject
}

/** Local users' devices as other servers are shown them: each update replaces all that they knew of the device. */
export class ShownDevices {
  readonly #storage: Storage
  /** As the newest updates showed them: a change prepared before one of these must not take it back. */
  readonly #newest = new Lru<string, ShownDevice>(1000)

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** The devices as they are stored, in the same order. */
  stored(userId: UserId, deviceIds: readonly string[]): Promise<ShownDevice[]> {
    return this.#storage.read([devices, deviceKeys, keySignatures], (tx) =>
      Promise.all(
        deviceIds.map(async (deviceId) => {
          const [device, keys] = await Promise.all([tx.get(devices, [userId, deviceId]), signedDeviceKeys(tx, userId, deviceId)])
          return { ...(device?.displayName === undefined ? {} : { displayName: device.displayName }), ...(keys ? { keys } : {}) }
        }),
      ),
    )
  }

  /**
   * What an update says of a device beside its place in the sequence. To be called as the update is committed; `stored` may be
   * older than changes that are under way.
   */
  describe(userId: UserId, change: DeviceListChange, stored: ShownDevice | undefined): JsonObject {
    const { deviceId, deleted } = change
    const device = JSON.stringify([userId, deviceId])
    if (deleted) {
      this.#newest.delete(device)
      return { device_id: deviceId, deleted: true }
    }
    const before = this.#newest.get(device)
    const displayName = change.displayName ?? before?.displayName ?? stored?.displayName
    const keys = newestKeys(userId, newestKeys(userId, stored?.keys, before?.keys), change.keys)
    this.#newest.set(device, { ...(displayName === undefined ? {} : { displayName }), ...(keys ? { keys } : {}) })
    return { device_id: deviceId, ...(displayName === undefined ? {} : { device_display_name: displayName }), ...(keys ? { keys } : {}) }
  }
}

/** A local device's keys with the signatures its own user put on them later. */
async function signedDeviceKeys(tx: ReadTx, userId: UserId, deviceId: string): Promise<JsonObject | undefined> {
  const [keys, signatures] = await Promise.all([
    tx.get(deviceKeys, [userId, deviceId]),
    tx.range(keySignatures, { from: [userId, deviceId, userId, ''], to: [userId, deviceId, userId, last] }),
  ])
  const later = signatures.map(([[, , signer, keyId], signature]) => ({ signer, keyId, signature }))
  return keys && withSignatures(keys, later)
}

/** The newer of two of a device's keys; with the signatures of both where they are the same. */
function newestKeys(userId: UserId, older: JsonObject | undefined, newer: JsonObject | undefined): JsonObject | undefined {
  if (!older || !newer) return newer ?? older
  return isSameKey(older, newer) ? withSignatures(older, signaturesBy(newer, userId)) : newer
}
