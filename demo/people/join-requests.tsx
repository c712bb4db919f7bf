import { Avatar, Button } from '@vector-im/compound-web'
import type { Room, RoomMember } from 'matrix-js-sdk'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { useClient } from '../session/client-context.ts'

/** Those who ask to be let in. */
export function JoinRequests({ room }: { room: Room }) {
  const requests = room.getMembersWithMembership('knock')
  if (requests.length === 0) return null
  return (
    <section className="join-requests" aria-label="Asking to join">
      <h4>Asking to join</h4>
      <ul>
        {requests.map((member) => (
          <JoinRequest key={member.userId} room={room} member={member} />
        ))}
      </ul>
    </section>
  )
}

function JoinRequest({ room, member }: { room: Room; member: RoomMember }) {
  const client = useClient()
  const admit = useAction(async () => {
    await client.invite(room.roomId, member.userId)
  })
  const decline = useAction(async () => {
    await client.kick(room.roomId, member.userId)
  })
  const isBusy = admit.isRunning || decline.isRunning
  return (
    <li className="join-request">
      <div className="member">
        <Avatar id={member.userId} name={member.name} size="28px" aria-hidden />
        <span className="member-names">
          <span>{member.name}</span>
          <span className="member-id">{member.userId}</span>
        </span>
      </div>
      <div className="buttons">
        <Button size="md" disabled={isBusy} aria-label={`Let ${member.name} in`} onClick={() => void admit.run()}>
          Let in
        </Button>
        <Button size="md" kind="secondary" disabled={isBusy} aria-label={`Decline ${member.name}`} onClick={() => void decline.run()}>
          Decline
        </Button>
      </div>
      <ErrorNote text={admit.failure ?? decline.failure} />
    </li>
  )
}
