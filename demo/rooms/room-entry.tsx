import { Avatar, UnreadCounter } from '@vector-im/compound-web'
import type { MatrixEvent, Room } from 'matrix-js-sdk'
import { roomHash } from '../interface/use-hash.ts'
import { useClient } from '../session/client-context.ts'
import { eventText, nameIn } from './event-text.ts'

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const standings: Readonly<Record<string, string>> = { invite: 'You are invited', knock: 'You asked to join' }

/** One room of the list: its name, what was said last, what is unread. */
export function RoomEntry({ room, isOpen }: { room: Room; isOpen: boolean }) {
  const client = useClient()
  const standing = standings[room.getMyMembership()]
  const unread = standing === undefined ? room.getUnreadNotificationCount() : 0
  const last = standing === undefined ? lastSaid(room) : undefined
  return (
    <li>
      <a
        className={unread > 0 ? 'room-entry room-entry-unread' : 'room-entry'}
        href={roomHash(room.roomId)}
        aria-current={isOpen ? 'page' : undefined}
      >
        <Avatar id={room.roomId} name={room.name} size="40px" aria-hidden />
        <span className="room-entry-text">
          <span className="room-entry-name">{room.name}</span>
          <span className="room-entry-last">{standing ?? (last && spoken(last, room, client.getSafeUserId()))}</span>
        </span>
        <span className="room-entry-end">
          {last && <time dateTime={new Date(last.getTs()).toISOString()}>{shortTime(new Date(last.getTs()))}</time>}
          {unread > 0 && (
            <span className="room-entry-count">
              <UnreadCounter count={unread} aria-hidden />
              <span className="visually-hidden">{`, ${unread} unread`}</span>
            </span>
          )}
        </span>
      </a>
    </li>
  )
}

/** The newest event that says something to people. */
function lastSaid(room: Room): MatrixEvent | undefined {
  return room
    .getLiveTimeline()
    .getEvents()
    .findLast((event) => !event.isRelation('m.replace') && eventText(event, room) !== undefined)
}

function spoken(event: MatrixEvent, room: Room, reader: string): string {
  const text = eventText(event, room) ?? ''
  if (event.isState()) return text
  const sender = event.getSender() ?? ''
  return sender === reader ? `You: ${text}` : `${nameIn(room, sender)}: ${text}`
}

function shortTime(date: Date): string {
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : dayFormat.format(date)
}
