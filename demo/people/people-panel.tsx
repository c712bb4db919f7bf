import CloseIcon from '@vector-im/compound-design-tokens/assets/web/icons/close'
import { Heading, IconButton } from '@vector-im/compound-web'
import { type EmittedEvents, type Room, type RoomMember, RoomMemberEvent, RoomStateEvent } from 'matrix-js-sdk'
import { useEffect, useRef, useState } from 'react'
import { useHomeserver } from '../homeserver/homeserver-context.ts'
import { routeTo } from '../homeserver/routes.ts'
import { useClientEvents } from '../session/client-context.ts'
import { InviteForm } from './invite-form.tsx'
import { InviteLink } from './invite-link.tsx'
import { JoinRequests } from './join-requests.tsx'
import { LeaveRoom } from './leave-room.tsx'
import { membersByServer } from './members-by-server.ts'
import { PersonDialog } from './person-dialog.tsx'
import { ServerGroup } from './server-group.tsx'

const changes: readonly EmittedEvents[] = [RoomStateEvent.Members, RoomStateEvent.Events, RoomMemberEvent.Name, RoomMemberEvent.Membership]

/** Who is in the room, on which homeserver, and how each of those is reached now. */
export function PeoplePanel({ room, close }: { room: Room; close: () => void }) {
  useClientEvents(changes)
  const { status } = useHomeserver()
  const [person, setPerson] = useState<RoomMember>()
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  return (
    <aside
      className="people"
      aria-label="People"
      onKeyDown={(event) => {
        // A dialog over it closes first.
        if (event.key === 'Escape' && !person) close()
      }}
    >
      <header className="people-header">
        <Heading as="h3" size="sm" weight="semibold" ref={heading} tabIndex={-1}>
          People
        </Heading>
        <IconButton tooltip="Close people" onClick={close}>
          <CloseIcon />
        </IconButton>
      </header>
      <div className="people-content">
        <JoinRequests room={room} />
        <InviteLink room={room} />
        <InviteForm room={room} />
        {membersByServer(room, status.server_name ?? '').map(([server, members]) => (
          <ServerGroup key={server} server={server} members={members} route={routeTo(server, status)} open={setPerson} />
        ))}
        <LeaveRoom room={room} />
      </div>
      {person && <PersonDialog room={room} member={person} close={() => setPerson(undefined)} />}
    </aside>
  )
}
