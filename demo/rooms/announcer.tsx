import { EventType, type MatrixEvent, MatrixEventEvent, type Room, RoomEvent } from 'matrix-js-sdk'
import { useEffect, useState } from 'react'
import { useClient } from '../session/client-context.ts'
import { eventText, nameIn } from './event-text.ts'

/** Reads new messages to those who do not see them: of the open room what was said, of others that something was. */
export function Announcer({ openRoomId }: { openRoomId: string | undefined }) {
  const client = useClient()
  const [text, setText] = useState('')
  useEffect(() => {
    const announce = (event: MatrixEvent, room: Room): void => {
      const said = eventText(event, room)
      if (said === undefined || event.isState() || event.getSender() === client.getSafeUserId()) return
      const sender = nameIn(room, event.getSender() ?? '')
      setText(room.roomId === openRoomId ? `${sender}: ${said}` : `New message from ${sender} in ${room.name}`)
    }
    const onTimeline = (event: MatrixEvent, room?: Room, toStart?: boolean, _removed?: boolean, data?: { liveEvent?: boolean }): void => {
      if (!room || toStart || !data?.liveEvent) return
      if (!isSealed(event)) {
        announce(event, room)
        return
      }
      // Its key may come after it.
      const onDecrypted = (): void => {
        if (isSealed(event)) return
        event.off(MatrixEventEvent.Decrypted, onDecrypted)
        announce(event, room)
      }
      event.on(MatrixEventEvent.Decrypted, onDecrypted)
    }
    client.on(RoomEvent.Timeline, onTimeline)
    return () => {
      client.off(RoomEvent.Timeline, onTimeline)
    }
  }, [client, openRoomId])
  return (
    <div className="visually-hidden" role="log" aria-live="polite" aria-label="New messages">
      {text}
    </div>
  )
}

function isSealed(event: MatrixEvent): boolean {
  return event.getType() === EventType.RoomMessageEncrypted || event.isDecryptionFailure()
}
