import type { RoomId, ServerName, UserId } from '../spec/event.ts'

/** Who is in which room, as domains that know nothing of events need it. Answers come from the current state. */
export interface RoomMembers {
  /** Rooms in which `userId` (of this server) is joined. */
  joinedRooms(userId: UserId): Promise<readonly RoomId[]>
  /** Users joined to the room, of any server; empty for a room we are not in. */
  joinedUsers(roomId: RoomId): Promise<readonly UserId[]>
  /** Servers with a joined user in the room, our own included. */
  servers(roomId: RoomId): Promise<ReadonlySet<ServerName>>
  /** Whether a user of any server is joined to a room in which someone of `server` is as well. Looks at all rooms. */
  sharesRoom(userId: UserId, server: ServerName): Promise<boolean>
}
