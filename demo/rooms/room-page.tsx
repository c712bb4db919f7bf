import { ClientEvent, type EmittedEvents, type Room, RoomEvent } from 'matrix-js-sdk'
import { type DragEvent, useCallback, useEffect, useState } from 'react'
import { PeoplePanel } from '../people/people-panel.tsx'
import { useClientEvents, useRoom } from '../session/client-context.ts'
import { Composer } from './composer.tsx'
import { Invitation } from './invitation.tsx'
import { RoomGone } from './room-gone.tsx'
import { RoomHeader } from './room-header.tsx'
import { Timeline } from './timeline.tsx'
import { TypingNote } from './typing-note.tsx'
import { Uploads, useUploads } from './uploads.tsx'

const changes: readonly EmittedEvents[] = [ClientEvent.Room, RoomEvent.MyMembership, RoomEvent.Name, ClientEvent.Sync]

/** A room as its reader's membership allows. */
export function RoomPage({ roomId }: { roomId: string }) {
  useClientEvents(changes)
  const room = useRoom(roomId)
  useEffect(() => {
    if (room) document.title = `${room.name} · Yurt`
  })
  const membership = room?.getMyMembership()
  if (room && membership === 'join') return <JoinedRoom room={room} />
  if (room && (membership === 'invite' || membership === 'knock')) return <Invitation room={room} isKnock={membership === 'knock'} />
  return <RoomGone name={room?.name} />
}

function JoinedRoom({ room }: { room: Room }) {
  const [showsPeople, setShowsPeople] = useState(false)
  const { uploads, add, send, discard } = useUploads(room)
  useEffect(() => {
    room.loadMembersIfNeeded().catch(() => undefined)
  }, [room])
  const drop = useCallback(
    (event: DragEvent) => {
      const pictures = [...event.dataTransfer.files].filter(({ type }) => type.startsWith('image/'))
      if (pictures.length === 0) return
      event.preventDefault()
      void add(pictures)
    },
    [add],
  )
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is one more way to what the button does
    <div className="room" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <div className="room-column">
        <RoomHeader room={room} showsPeople={showsPeople} togglePeople={() => setShowsPeople(!showsPeople)} />
        <Timeline room={room} />
        <TypingNote room={room} />
        <Uploads uploads={uploads} send={send} discard={discard} />
        <Composer room={room} sendPictures={(files) => void add(files)} />
      </div>
      {showsPeople && <PeoplePanel room={room} close={() => setShowsPeople(false)} />}
    </div>
  )
}
