import DeleteIcon from '@vector-im/compound-design-tokens/assets/web/icons/delete'
import { Avatar, IconButton } from '@vector-im/compound-web'
import { EventType, type MatrixEvent, MsgType, type Room } from 'matrix-js-sdk'
import { attachmentOf } from '../media/attachment.ts'
import { FileAttachment } from '../media/file-attachment.tsx'
import { Picture } from '../media/picture.tsx'
import { useClient } from '../session/client-context.ts'
import { bodyOf, nameIn } from './event-text.ts'
import { MessageBody } from './message-body.tsx'
import { Quote } from './quote.tsx'
import { Reactions } from './reactions.tsx'
import { SendState } from './send-state.tsx'

interface MessageProps {
  readonly event: MatrixEvent
  readonly room: Room
  readonly isFirst: boolean
  /** Who has read up to here, besides the reader. */
  readonly readers: readonly string[]
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** One message: who, when, what, and what became of sending it. */
export function Message({ event, room, isFirst, readers }: MessageProps) {
  const client = useClient()
  const sender = event.getSender() ?? ''
  const name = nameIn(room, sender)
  const isOwn = sender === client.getSafeUserId()
  const date = new Date(event.getTs())
  const mayDelete =
    event.status === null && !event.isRedacted() && room.currentState.maySendRedactionForEvent(event, client.getSafeUserId())
  return (
    <li
      className={`message${isFirst ? ' message-first' : ''}${isOwn ? ' message-own' : ''}${event.status === null ? '' : ' message-pending'}`}
    >
      <div className="message-margin" aria-hidden>
        {isFirst && <Avatar id={sender} name={name} size="36px" />}
      </div>
      <div className="message-main">
        <div className={isFirst ? 'message-head' : 'visually-hidden'}>
          <span className="message-sender">{name}</span>{' '}
          <time dateTime={date.toISOString()} title={date.toLocaleString()}>
            {clock.format(date)}
          </time>
        </div>
        {!event.isRedacted() && <Quote event={event} room={room} />}
        <Content event={event} sender={name} />
        {event.replacingEvent() && !event.isRedacted() && <p className="message-readers">Edited</p>}
        <Reactions event={event} room={room} />
        <SendState event={event} room={room} />
        {readers.length > 0 && <p className="message-readers">{`Read by ${readers.join(', ')}`}</p>}
      </div>
      {mayDelete && (
        <div className="message-actions">
          <IconButton size="28px" tooltip="Delete message" onClick={() => void client.redactEvent(room.roomId, event.getId() ?? '')}>
            <DeleteIcon />
          </IconButton>
        </div>
      )}
    </li>
  )
}

function Content({ event, sender }: { event: MatrixEvent; sender: string }) {
  if (event.isRedacted()) return <p className="message-faint">Message deleted</p>
  if (event.isDecryptionFailure()) return <p className="message-faint">{undecryptable(event)}</p>
  if (event.getType() === EventType.RoomMessageEncrypted) return <p className="message-faint">Decrypting…</p>
  const { msgtype, body, format, formatted_body: formatted }: Record<string, unknown> = event.getContent()
  const text = bodyOf(event, body)
  const attachment = attachmentOf(event.getContent())
  if (attachment && msgtype === MsgType.Image) return <Picture attachment={attachment} />
  if (attachment) return <FileAttachment attachment={attachment} />
  const html = format === 'org.matrix.custom.html' && typeof formatted === 'string' ? formatted : undefined
  const kind = msgtype === MsgType.Emote ? 'emote' : msgtype === MsgType.Notice ? 'notice' : 'text'
  return <MessageBody text={text} html={html} kind={kind} sender={sender} />
}

function undecryptable(event: MatrixEvent): string {
  const reason = event.decryptionFailureReason ?? ''
  return reason.startsWith('HISTORICAL') ? 'Encrypted before you could read this room' : 'Encrypted, and its key has not arrived'
}
