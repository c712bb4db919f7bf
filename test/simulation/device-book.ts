import type { UserId } from '../../src/spec/event.ts'
import { isObject, type JsonValue } from '../../src/spec/json.ts'

/**
 * What a client knows of users' devices, kept as real clients keep it: looked up once, and anew only after `/sync` told that
 * they changed, or that nobody tells of changes any more (Client-Server API, "Tracking the device list for a user").
 */
export class DeviceBook {
  readonly #known = new Map<UserId, string>()
  readonly #told = new Map<UserId, number>()

  /** To be called before a look-up: whether its answer is still good is seen by it. */
  begin(userId: UserId): number {
    return this.#told.get(userId) ?? 0
  }

  /** The answer to a look-up that began at `begun`. */
  keep(userId: UserId, devices: string, begun: number): void {
    if (this.begin(userId) === begun) this.#known.set(userId, devices)
  }

  /** `device_lists` of an answer to `/sync`. */
  synced(section: JsonValue | undefined): void {
    const { changed, left } = isObject(section) ? section : {}
    for (const userId of [changed ?? [], left ?? []].flat()) {
      if (typeof userId !== 'string') continue
      this.#known.delete(userId)
      this.#told.set(userId, this.begin(userId) + 1)
    }
  }

  /** The devices of a user as the client would encrypt for them; `undefined` where it would look them up first. */
  of(userId: UserId): string | undefined {
    return this.#known.get(userId)
  }
}
