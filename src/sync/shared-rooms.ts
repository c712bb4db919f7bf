import type { Room, RoomStore } from '../rooms/room-store.ts'
import { type RoomId, stateKeyOf, type UserId } from '../spec/event.ts'

/** The rooms a user is joined to, for questions about who shares one. */
export class SharedRooms {
  readonly #store: RoomStore
  readonly #rooms: readonly Room[]

  private constructor(store: RoomStore, rooms: readonly Room[]) {
    this.#store = store
    this.#rooms = rooms
  }

  static async of(store: RoomStore, roomIds: Iterable<RoomId>): Promise<SharedRooms> {
    const rooms = await Promise.all(Array.from(roomIds, (roomId) => store.room(roomId)))
    return new SharedRooms(
      store,
      rooms.filter((room) => room !== undefined),
    )
  }

  /** Those of the users who are joined to any of the rooms. */
  async among(userIds: Iterable<UserId>): Promise<Set<UserId>> {
    const sharing = new Set<UserId>()
    for (const userId of new Set(userIds)) if (await this.#shares(userId)) sharing.add(userId)
    return sharing
  }

  /** The rooms that a user is joined to as well. */
  async sharedWith(userId: UserId): Promise<RoomId[]> {
    const key = stateKeyOf('m.room.member', userId)
    const records = await this.#store.events(this.#rooms.flatMap(({ state }) => state.get(key) ?? []))
    return [...records.values()].filter(({ event }) => event.content.membership === 'join').map(({ event }) => event.roomId)
  }

  async #shares(userId: UserId): Promise<boolean> {
    return (await this.sharedWith(userId)).length > 0
  }
}
