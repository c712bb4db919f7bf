import type { EventId, RoomId, UserId } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'
import type { Position } from '../streams/stream.ts'

interface Sent {
  readonly eventId: EventId
  /** The position in the `next_batch` that it was sent with. */
  readonly at: Position
}

/** Devices of which it is remembered whom they were told of. */
const deviceLimit = 100
/** Members that are remembered as told for one device. */
const memberLimit = 20_000

/**
 * Which membership events a device was given already, so that lazy loading does not repeat them (Client-Server API,
 * "Lazy-loading room members"). One counts as known only once a later `since` shows that its response arrived.
 */
export class LazyMembers {
  readonly #devices = new Lru<string, Lru<string, Sent>>(deviceLimit)

  /** What the device is known to have when it asks from `since`; nothing on an initial sync. */
  of(device: { readonly userId: UserId; readonly deviceId: string }, since: Position | undefined): DeviceMembers {
    const key = JSON.stringify([device.userId, device.deviceId])
    let sent = since === undefined ? undefined : this.#devices.get(key)
    if (!sent) {
      sent = new Lru<string, Sent>(memberLimit)
      this.#devices.set(key, sent)
    }
    return new DeviceMembers(sent, since ?? 0)
  }
}

/** The membership events that one device has. */
export class DeviceMembers {
  readonly #sent: Lru<string, Sent>
  readonly #since: Position

  constructor(sent: Lru<string, Sent>, since: Position) {
    this.#sent = sent
    this.#since = since
  }

  /** Whether the device has this very membership event. */
  has(roomId: RoomId, member: { readonly userId: UserId; readonly eventId: EventId }): boolean {
    const sent = this.#sent.get(`${roomId} ${member.userId}`)
    return sent?.eventId === member.eventId && sent.at <= this.#since
  }

  /** Notes that it is sent in the response whose `next_batch` is at `at`. */
  send(roomId: RoomId, member: { readonly userId: UserId; readonly eventId: EventId }, at: Position): void {
    const key = `${roomId} ${member.userId}`
    // What the device is known to have stays known, if a response that repeats it gets lost.
    if (!this.has(roomId, member)) this.#sent.set(key, { eventId: member.eventId, at })
  }
}
