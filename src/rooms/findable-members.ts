import type { RoomId, UserId } from '../spec/event.ts'
import { currentContent } from './current-content.ts'
import type { MemberLists } from './member-lists.ts'
import type { Room, RoomStore } from './room-store.ts'

/** A member as the user directory shows them. */
interface FindableMember {
  readonly userId: UserId
  readonly displayName?: string
  readonly avatarUrl?: string
}

/** Whom a user may find because of rooms (Client-Server API, "User Directory"). */
export class FindableMembers {
  readonly #store: RoomStore
  readonly #members: MemberLists

  constructor(deps: { readonly store: RoomStore; readonly members: MemberLists }) {
    this.#store = deps.store
    this.#members = deps.members
  }

  /** Rooms that `userId` is in, and all that anyone may join or read. */
  async rooms(userId: UserId): Promise<Iterable<RoomId>> {
    const open: RoomId[] = []
    for (const roomId of await this.#store.roomIds()) {
      const room = await this.#store.room(roomId)
      if (room && (await this.#isOpen(room))) open.push(roomId)
    }
    return new Set([...(await this.#store.joinedRooms(userId)), ...open])
  }

  /** Joined members with their profile in the room. */
  async members(roomId: RoomId): Promise<Iterable<FindableMember>> {
    const room = await this.#store.room(roomId)
    if (!room) return []
    const members = [...(await this.#members.of(roomId, room.state))]
    return members.flatMap(([userId, { membership, record }]) => {
      if (membership !== 'join') return []
      const { displayname, avatar_url: avatarUrl } = currentContent(record)
      const named = typeof displayname === 'string' ? { displayName: displayname } : {}
      return [{ userId, ...named, ...(typeof avatarUrl === 'string' ? { avatarUrl } : {}) }]
    })
  }

  async #isOpen(room: Room): Promise<boolean> {
    const [joinRules, visibility] = await Promise.all([
      this.#store.stateEvent(room.state, 'm.room.join_rules', ''),
      this.#store.stateEvent(room.state, 'm.room.history_visibility', ''),
    ])
    return joinRules?.content.join_rule === 'public' || visibility?.content.history_visibility === 'world_readable'
  }
}
