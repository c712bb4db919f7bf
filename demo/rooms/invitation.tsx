import { Avatar, Button, Heading, Text } from '@vector-im/compound-web'
import type { Room } from 'matrix-js-sdk'
import { ErrorNote } from '../interface/error-note.tsx'
import { useAction } from '../interface/use-action.ts'
import { useClient } from '../session/client-context.ts'
import { nameIn } from './event-text.ts'
import { JoinNote } from './join-note.tsx'

/** A room to which its reader is invited, or waits to be let in. */
export function Invitation({ room, isKnock }: { room: Room; isKnock: boolean }) {
  const client = useClient()
  const inviter = room.getMember(client.getSafeUserId())?.events.member?.getSender()
  const accept = useAction(async () => {
    await client.joinRoom(room.roomId, inviter === undefined ? {} : { viaServers: [inviter.slice(inviter.indexOf(':') + 1)] })
  })
  const decline = useAction(async () => {
    await client.leave(room.roomId)
    location.hash = '#/'
  })
  return (
    <div className="no-room">
      <Avatar id={room.roomId} name={room.name} size="72px" aria-hidden />
      <Heading as="h2" size="md" weight="semibold">
        {room.name}
      </Heading>
      {isKnock ? (
        <Text as="p">You asked to join. Someone in the room has to let you in; this page opens it as soon as they do.</Text>
      ) : (
        <Text as="p">
          {`${nameIn(room, inviter ?? '')} invited you.`}
          <span className="invitation-id">{inviter}</span>
        </Text>
      )}
      {accept.isRunning && <JoinNote />}
      <ErrorNote text={accept.failure ?? decline.failure} />
      <div className="buttons">
        {!isKnock && (
          <Button disabled={accept.isRunning} onClick={() => void accept.run()}>
            {accept.isRunning ? 'Joining…' : 'Join'}
          </Button>
        )}
        <Button kind="secondary" disabled={decline.isRunning} onClick={() => void decline.run()}>
          {isKnock ? 'Withdraw' : 'Decline'}
        </Button>
      </div>
    </div>
  )
}
