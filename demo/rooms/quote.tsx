import type { MatrixEvent, Room } from 'matrix-js-sdk'
import { eventText, nameIn } from './event-text.ts'

/** What a message answers, in short. */
export function Quote({ event, room }: { event: MatrixEvent; room: Room }) {
  const answered = event.replyEventId
  if (answered === undefined) return null
  const target = room.findEventById(answered)
  return (
    <blockquote className="message-quote">
      {target && <span className="message-sender">{nameIn(room, target.getSender() ?? '')} </span>}
      {(target && eventText(target, room)) ?? 'An earlier message'}
    </blockquote>
  )
}
