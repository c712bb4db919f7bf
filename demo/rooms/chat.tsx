import { useEffect, useState } from 'react'
import { AccountDialog } from '../account/account-dialog.tsx'
import { StatusBanner } from '../homeserver/status-banner.tsx'
import { roomIdOf, useHash } from '../interface/use-hash.ts'
import { IncomingVerification } from '../verification/incoming.tsx'
import { Announcer } from './announcer.tsx'
import { CreateRoomDialog } from './create-room-dialog.tsx'
import { JoinDialog } from './join-dialog.tsx'
import { joinLinkOf } from './join-link.ts'
import { JoinPage } from './join-page.tsx'
import { NoRoom } from './no-room.tsx'
import { RoomPage } from './room-page.tsx'
import { Sidebar } from './sidebar.tsx'

type OpenDialog = 'create' | 'join' | 'account'

/** Rooms on one side, the one that is open on the other; on narrow screens one of the two. */
export function Chat({ signOut }: { signOut: () => Promise<void> }) {
  const hash = useHash()
  const [dialog, setDialog] = useState<OpenDialog>()
  const roomId = roomIdOf(hash)
  const link = joinLinkOf(hash)
  const isOpen = roomId !== undefined || link !== undefined
  const close = (): void => setDialog(undefined)
  useEffect(() => {
    if (!isOpen) document.title = 'Yurt'
  }, [isOpen])
  return (
    <div className={isOpen ? 'chat chat-with-room' : 'chat'}>
      <StatusBanner />
      <Sidebar openRoomId={roomId} open={setDialog} />
      <main className="chat-main">
        {roomId !== undefined ? (
          <RoomPage key={roomId} roomId={roomId} />
        ) : link !== undefined ? (
          <JoinPage key={hash} link={link} />
        ) : (
          <NoRoom open={setDialog} />
        )}
      </main>
      <Announcer openRoomId={roomId} />
      <IncomingVerification />
      {dialog === 'create' && <CreateRoomDialog close={close} />}
      {dialog === 'join' && <JoinDialog close={close} />}
      {dialog === 'account' && <AccountDialog close={close} signOut={signOut} />}
    </div>
  )
}
