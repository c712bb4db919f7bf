import PlusIcon from '@vector-im/compound-design-tokens/assets/web/icons/plus'
import ExploreIcon from '@vector-im/compound-design-tokens/assets/web/icons/search'
import { Avatar, Heading, IconButton } from '@vector-im/compound-web'
import { UserEvent } from 'matrix-js-sdk'
import { useClient, useClientEvents } from '../session/client-context.ts'
import logo from '../yurt.svg'
import { RoomList } from './room-list.tsx'

const changes = [UserEvent.DisplayName] as const

interface SidebarProps {
  readonly openRoomId: string | undefined
  readonly open: (dialog: 'create' | 'join' | 'account') => void
}

/** The rooms, and the ways to more of them. */
export function Sidebar({ openRoomId, open }: SidebarProps) {
  const client = useClient()
  useClientEvents(changes)
  const userId = client.getSafeUserId()
  const name = client.getUser(userId)?.displayName ?? userId
  return (
    <nav className="sidebar" aria-label="Rooms">
      <header className="sidebar-header">
        <img src={logo} alt="" width="28" height="28" />
        <Heading as="h1" size="sm" weight="semibold">
          Yurt
        </Heading>
        <IconButton tooltip="Join a room" onClick={() => open('join')}>
          <ExploreIcon />
        </IconButton>
        <IconButton tooltip="Create a room" onClick={() => open('create')}>
          <PlusIcon />
        </IconButton>
      </header>
      <RoomList openRoomId={openRoomId} />
      <button type="button" className="account-button" onClick={() => open('account')}>
        <Avatar id={userId} name={name} size="32px" aria-hidden />
        <span className="account-names">
          <span className="account-name">{name}</span>
          <span className="account-id">Your homeserver</span>
        </span>
      </button>
    </nav>
  )
}
