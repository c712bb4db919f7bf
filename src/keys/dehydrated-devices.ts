import type { Clock } from '../ports/clock.ts'
import { last, put, type Storage, type Write } from '../ports/storage.ts'
import { forbidden, invalidParam, notFound } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { crossSigningKeys, dehydratedDevices, deviceKeys } from '../storage/tables/keys.ts'
import { devices } from '../storage/tables/users.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import type { DeviceKeys } from './device-keys.ts'
import type { OneTimeKeys } from './one-time-keys.ts'
import type { DeviceListChange } from './shown-devices.ts'
import type { ToDevice } from './to-device.ts'

/** A device as its user left it to be woken: only they can read its data. */
export interface DehydratedDevice {
  readonly deviceId: string
  readonly data: JsonObject
}

/** A dehydrated device with the keys by which others write to it. */
export interface NewDehydratedDevice extends DehydratedDevice {
  readonly displayName?: string
  readonly keys: JsonObject
  readonly oneTime: JsonObject
  readonly fallback: JsonObject
}

export interface DehydratedDevicesDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly clock: Clock
  readonly deviceKeys: DeviceKeys
  readonly oneTimeKeys: OneTimeKeys
  readonly toDevice: ToDevice
  readonly devices: {
    makeRoom(userId: UserId): Promise<void>
    remove(userId: UserId, deviceIds: readonly string[], alongside: readonly Write[]): Promise<void>
    replace(
      userId: UserId,
      deviceIds: readonly string[],
      added: { readonly change: DeviceListChange; readonly writes: (first: Position) => readonly Write[] },
      alongside: readonly Write[],
    ): Promise<void>
  }
}

/**
 * Devices without anyone at them, one for each user, which take the keys that others send while the user is logged in nowhere
 * (MSC3814, as Synapse's `handlers/device.py` and `handlers/devicemessage.py` have it).
 */
export class DehydratedDevices {
  readonly #deps: DehydratedDevicesDeps
  readonly #turns = new Turns()

  constructor(deps: DehydratedDevicesDeps) {
    this.#deps = deps
  }

  /** Throws `M_NOT_FOUND` where the user has none. */
  async get(userId: UserId): Promise<DehydratedDevice> {
    const device = await this.#find(userId)
    if (!device) throw notFound('You have no dehydrated device')
    return device
  }

  /**
   * Leaves a device in the place of the one before, in one commit. Throws `M_INVALID_PARAM` and `M_INVALID_SIGNATURE` for keys that
   * are not the device's, or an id that a device of the user's has which is not dehydrated; `M_FORBIDDEN` for that of a
   * cross-signing key.
   */
  put(userId: UserId, device: NewDehydratedDevice, alongside: readonly Write[]): Promise<void> {
    const { deviceId, data, displayName } = device
    const { unsigned: _, ...keys } = device.keys
    return this.#turns.take(userId, async () => {
      await this.#deps.deviceKeys.requireSigned(userId, deviceId, keys)
      const stock = this.#deps.oneTimeKeys.firstOf(userId, deviceId, device)
      const before = await this.#find(userId)
      if (before?.deviceId !== deviceId) await this.#requireUnused(userId, deviceId)
      await this.#deps.devices.makeRoom(userId)
      const now = this.#deps.clock.now()
      const named = displayName === undefined ? {} : { displayName }
      const writes = (first: Position) => [
        put(devices, [userId, deviceId], { ...named, createdTs: now, lastSeenTs: now, lastSeenAddress: '' }),
        put(deviceKeys, [userId, deviceId], keys),
        put(dehydratedDevices, [userId, deviceId], data),
        ...stock(first),
      ]
      const added = { change: { deviceId, keys, ...named }, writes }
      await this.#deps.devices.replace(userId, before ? [before.deviceId] : [], added, alongside)
    })
  }

  /** Removes the user's dehydrated device with what waits for it: its id. Throws `M_NOT_FOUND`. */
  delete(userId: UserId, alongside: (deviceId: string) => readonly Write[]): Promise<string> {
    return this.#turns.take(userId, async () => {
      const { deviceId } = await this.get(userId)
      await this.#deps.devices.remove(userId, [deviceId], alongside(deviceId))
      return deviceId
    })
  }

  /**
   * Messages to the user's dehydrated device after `since`; they stay until the device goes. `through` is up to where that goes, and
   * `isAll` whether there are no more. Throws `M_FORBIDDEN` where the device is none such.
   */
  async messages(
    userId: UserId,
    deviceId: string,
    { since, limit }: { readonly since: Position; readonly limit: number },
  ): Promise<{ events: JsonObject[]; through: Position; isAll: boolean }> {
    if ((await this.#find(userId))?.deviceId !== deviceId) throw forbidden('You have no such dehydrated device')
    const upTo = this.#deps.stream.current
    const { events, through } = await this.#deps.toDevice.pending(userId, deviceId, { since, upTo, limit })
    return { events, through, isAll: through === upTo }
  }

  async #find(userId: UserId): Promise<DehydratedDevice | undefined> {
    const range = { from: [userId, ''], to: [userId, last], limit: 1 } as const
    const [row] = await this.#deps.storage.read([dehydratedDevices], (tx) => tx.range(dehydratedDevices, range))
    return row && { deviceId: row[0][1], data: row[1] }
  }

  async #requireUnused(userId: UserId, deviceId: string): Promise<void> {
    const { known, signing } = await this.#deps.storage.read([devices, crossSigningKeys], async (tx) => ({
      known: await tx.get(devices, [userId, deviceId]),
      signing: await tx.range(crossSigningKeys, { from: [userId, ''], to: [userId, last] }),
    }))
    if (known) throw invalidParam('You have a device of this id')
    if (signing.some(([, key]) => Object.values(key.keys ?? {}).includes(deviceId)))
      throw forbidden('The id is that of a cross-signing key')
  }
}
