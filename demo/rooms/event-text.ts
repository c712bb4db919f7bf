import { EventType, type MatrixEvent, MsgType, type Room } from 'matrix-js-sdk'
import { shortUserId } from '../interface/short-name.ts'

/** What members of a room are called in it. */
export function nameIn(room: Room, userId: string): string {
  const name = room.getMember(userId)?.name
  return name === undefined || name === userId ? shortUserId(userId) : name
}

/** What an event says in one line, for previews and screen readers; `undefined` for those that say nothing to people. */
export function eventText(event: MatrixEvent, room: Room): string | undefined {
  if (event.isRedacted()) return 'Message deleted'
  if (event.isDecryptionFailure() || event.getType() === EventType.RoomMessageEncrypted) return 'Encrypted message'
  return event.getType() === EventType.RoomMessage && !isVerificationRequest(event) ? messageText(event) : noticeText(event, room)
}

function messageText(event: MatrixEvent): string {
  const { msgtype, body }: { msgtype?: unknown; body?: unknown } = event.getContent()
  if (msgtype === MsgType.Image) return 'Picture'
  if (msgtype === MsgType.File || msgtype === MsgType.Video || msgtype === MsgType.Audio) return 'File'
  return bodyOf(event, body)
}

/** The text of a message. Older clients repeat what they answer at its head: that is shown apart. */
export function bodyOf(event: MatrixEvent, body: unknown): string {
  if (typeof body !== 'string') return ''
  return event.replyEventId !== undefined && body.startsWith('> <') ? body.replace(/^(>[^\n]*\n)+\n?/, '') : body
}

/** Whether somebody asks in the room to compare pictures: no message for people. */
export function isVerificationRequest(event: MatrixEvent): boolean {
  return event.getContent<Record<string, unknown>>().msgtype === MsgType.KeyVerificationRequest
}

/** What happened to the room, as a sentence; `undefined` for what people need not see. */
export function noticeText(event: MatrixEvent, room: Room): string | undefined {
  const content = event.getContent<Record<string, unknown>>()
  const who = nameIn(room, event.getSender() ?? '')
  switch (event.getType()) {
    case EventType.RoomMessage:
      return isVerificationRequest(event) ? `${who} asked for a verification` : undefined
    case EventType.RoomCreate:
      return `${who} created the room`
    case EventType.RoomName:
      return typeof content.name === 'string' && content.name !== ''
        ? `${who} named the room “${content.name}”`
        : `${who} removed the room’s name`
    case EventType.RoomTopic:
      return typeof content.topic === 'string' ? `${who} set the topic: ${content.topic}` : undefined
    case EventType.RoomEncryption:
      return `${who} turned on encryption`
    case EventType.RoomTombstone:
      return `${who} replaced the room by a newer one`
    case EventType.RoomMember:
      return membershipText(event, room)
    default:
      return undefined
  }
}

function membershipText(event: MatrixEvent, room: Room): string | undefined {
  const sender = event.getSender() ?? ''
  const target = event.getStateKey() ?? ''
  const content = event.getContent<Record<string, unknown>>()
  const before = event.getPrevContent()
  // Whoever leaves takes their name out of the room: it is in what their membership was before.
  const whom = [content.displayname, before.displayname].find((name) => typeof name === 'string') ?? nameIn(room, target)
  const who = sender === target ? whom : nameIn(room, sender)
  const former = before.membership
  switch (content.membership) {
    case 'join':
      if (former !== 'join') return `${whom} joined`
      return before.displayname === content.displayname
        ? undefined
        : `${former && before.displayname ? before.displayname : target} is now called ${whom}`
    case 'invite':
      return `${who} invited ${whom}`
    case 'knock':
      return `${whom} asks to join`
    case 'ban':
      return `${who} banned ${whom}`
    case 'leave':
      if (sender === target)
        return former === 'invite'
          ? `${whom} declined the invitation`
          : former === 'knock'
            ? `${whom} no longer asks to join`
            : `${whom} left`
      return former === 'invite'
        ? `${who} withdrew the invitation of ${whom}`
        : former === 'knock'
          ? `${who} declined ${whom}`
          : `${who} removed ${whom}`
    default:
      return undefined
  }
}
