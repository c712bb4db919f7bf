import { ClientEvent, type EmittedEvents, type MatrixClient, MatrixEventEvent, type Room, RoomEvent, RoomMemberEvent } from 'matrix-js-sdk'
import { useClient, useClientEvents } from '../session/client-context.ts'
import { RoomEntry } from './room-entry.tsx'

const changes: readonly EmittedEvents[] = [
  ClientEvent.Room,
  ClientEvent.DeleteRoom,
  RoomEvent.Name,
  RoomEvent.Timeline,
  RoomEvent.Receipt,
  RoomEvent.MyMembership,
  RoomEvent.LocalEchoUpdated,
  ClientEvent.Sync,
  RoomMemberEvent.Membership,
  MatrixEventEvent.Decrypted,
]
const listed = ['join', 'invite', 'knock']

/** Invitations first, then the rooms, the liveliest on top. */
export function RoomList({ openRoomId }: { openRoomId: string | undefined }) {
  const client = useClient()
  useClientEvents(changes)
  const rooms = sortedRooms(client)
  if (rooms.length === 0) return <p className="room-list-empty">No rooms yet.</p>
  return (
    <ul className="room-list">
      {rooms.map((room) => (
        <RoomEntry key={room.roomId} room={room} isOpen={room.roomId === openRoomId} />
      ))}
    </ul>
  )
}

function sortedRooms(client: MatrixClient): Room[] {
  const rank = (room: Room): number => (room.getMyMembership() === 'invite' ? 1 : 0)
  return client
    .getVisibleRooms()
    .filter((room) => listed.includes(room.getMyMembership()))
    .sort((left, right) => rank(right) - rank(left) || right.getLastActiveTimestamp() - left.getLastActiveTimestamp())
}
