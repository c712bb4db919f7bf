import type { Room, RoomMember } from 'matrix-js-sdk'

function serverOf(userId: string): string {
  return userId.slice(userId.indexOf(':') + 1)
}

/** The room's members and those invited, by homeserver: the own one first, the others by the number of their members. */
export function membersByServer(room: Room, own: string): [string, RoomMember[]][] {
  const members = [...room.getMembersWithMembership('join'), ...room.getMembersWithMembership('invite')]
  const servers = Map.groupBy(members, ({ userId }) => serverOf(userId))
  const rank = (server: string): number => (server === own ? Number.POSITIVE_INFINITY : (servers.get(server)?.length ?? 0))
  return [...servers].sort(([left], [right]) => (rank(right) === rank(left) ? (left < right ? -1 : 1) : rank(right) - rank(left)))
}
