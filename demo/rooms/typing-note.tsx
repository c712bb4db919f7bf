import { type EmittedEvents, type Room, RoomMemberEvent } from 'matrix-js-sdk'
import { useClient, useClientEvents } from '../session/client-context.ts'

const changes: readonly EmittedEvents[] = [RoomMemberEvent.Typing]

/** Who is writing. */
export function TypingNote({ room }: { room: Room }) {
  const client = useClient()
  useClientEvents(changes)
  const names = room
    .getMembers()
    .filter(({ typing, userId }) => typing && userId !== client.getSafeUserId())
    .map(({ name }) => name)
  return (
    <p className="typing-note" role="status">
      {names.length === 0 ? '' : names.length === 1 ? `${names[0]} is writing…` : `${names.slice(0, 3).join(', ')} are writing…`}
    </p>
  )
}
