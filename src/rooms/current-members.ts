import type { RoomMembers } from '../ports/room-members.ts'
import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { NodeHash } from '../spec/state-trie.ts'
import { Lru } from '../storage/lru.ts'
import type { MemberLists } from './member-lists.ts'
import type { RoomStore } from './room-store.ts'

interface Joined {
  readonly users: readonly UserId[]
  readonly servers: ReadonlySet<ServerName>
}

/** {@link RoomMembers} from the current state: worked out once for each state, for those who ask again and again. */
export class CurrentMembers implements RoomMembers {
  readonly #store: RoomStore
  readonly #members: MemberLists
  readonly #joined = new Lru<NodeHash, Joined>(200)

  constructor(deps: { readonly store: RoomStore; readonly members: MemberLists }) {
    this.#store = deps.store
    this.#members = deps.members
  }

  joinedRooms(userId: UserId): Promise<readonly RoomId[]> {
    return this.#store.joinedRooms(userId)
  }

  async joinedUsers(roomId: RoomId): Promise<readonly UserId[]> {
    return (await this.#of(roomId)).users
  }

  async servers(roomId: RoomId): Promise<ReadonlySet<ServerName>> {
    return (await this.#of(roomId)).servers
  }

  sharesRoom(userId: UserId, server: ServerName): Promise<boolean> {
    return this.#store.sharesRoom(userId, server)
  }

  async #of(roomId: RoomId): Promise<Joined> {
    const room = await this.#store.room(roomId)
    if (!room) return { users: [], servers: new Set() }
    const known = this.#joined.get(room.state.root)
    if (known) return known
    const members = await this.#members.of(roomId, room.state)
    const users = [...members].flatMap(([userId, { membership }]) => (membership === 'join' ? [userId] : []))
    const joined = { users, servers: new Set(users.flatMap((userId) => serverNameOf(userId) ?? [])) }
    this.#joined.set(room.state.root, joined)
    return joined
  }
}
