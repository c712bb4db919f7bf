import BackIcon from '@vector-im/compound-design-tokens/assets/web/icons/arrow-left'
import PeopleIcon from '@vector-im/compound-design-tokens/assets/web/icons/group'
import LockIcon from '@vector-im/compound-design-tokens/assets/web/icons/lock-solid'
import { Avatar, Heading, IconButton } from '@vector-im/compound-web'
import { type EmittedEvents, type Room, RoomEvent, RoomStateEvent } from 'matrix-js-sdk'
import { useClientEvents } from '../session/client-context.ts'

const changes: readonly EmittedEvents[] = [RoomEvent.Name, RoomStateEvent.Events]

interface RoomHeaderProps {
  readonly room: Room
  readonly showsPeople: boolean
  readonly togglePeople: () => void
}

/** The room's name and how it is kept, and the way to its people. */
export function RoomHeader({ room, showsPeople, togglePeople }: RoomHeaderProps) {
  useClientEvents(changes)
  const count = room.getJoinedMemberCount()
  const waiting = room.getMembersWithMembership('knock').length
  const topic: unknown = room.currentState.getStateEvents('m.room.topic', '')?.getContent().topic
  return (
    <header className="room-header">
      <a className="back" href="#/" aria-label="Back to your rooms">
        <BackIcon aria-hidden width={24} height={24} />
      </a>
      <Avatar id={room.roomId} name={room.name} size="36px" aria-hidden />
      <div className="room-header-text">
        <Heading as="h2" size="sm" weight="semibold" className="room-header-name">
          {room.name}
        </Heading>
        <p className="room-header-topic">
          {room.hasEncryptionStateEvent() && (
            <>
              <LockIcon aria-hidden width={14} height={14} /> Encrypted
              {' · '}
            </>
          )}
          {typeof topic === 'string' && topic !== '' ? topic : `${count} ${count === 1 ? 'person' : 'people'}`}
        </p>
      </div>
      <IconButton
        size="40px"
        tooltip={waiting > 0 ? `People, ${waiting} asking to join` : 'People'}
        aria-expanded={showsPeople}
        {...(waiting > 0 ? { indicator: 'critical' } : {})}
        onClick={togglePeople}
      >
        <PeopleIcon />
      </IconButton>
    </header>
  )
}
