import type { RoomMembers } from '../ports/room-members.ts'
import type { Storage } from '../ports/storage.ts'
import { forbidden, invalidParam } from '../spec/errors.ts'
import type { EventId, RoomId, UserId } from '../spec/event.ts'
import type { AccountData } from './account-data.ts'
import { readEvent } from './read-events.ts'

/** Fully read markers, kept as the room's account data `m.fully_read` (Client-Server API, "Fully read markers"). */
export class ReadMarkers {
  readonly #storage: Storage
  readonly #accountData: AccountData
  readonly #members: RoomMembers

  constructor(deps: { storage: Storage; accountData: AccountData; members: RoomMembers }) {
    this.#storage = deps.storage
    this.#accountData = deps.accountData
    this.#members = deps.members
  }

  /** Throws `M_FORBIDDEN` for a user who is not joined, `M_INVALID_PARAM` for an event that is not in the room. */
  async set(userId: UserId, roomId: RoomId, eventId: EventId): Promise<void> {
    if (!(await this.#members.joinedRooms(userId)).includes(roomId)) throw forbidden('You are not in this room')
    const event = await readEvent(this.#storage, eventId)
    if (event?.roomId !== roomId) throw invalidParam('The event is not in this room')
    await this.#accountData.set(userId, roomId, { type: 'm.fully_read', content: { event_id: eventId } })
  }
}
