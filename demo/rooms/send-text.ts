import { type MatrixClient, MsgType, type Room } from 'matrix-js-sdk'

const emote = /^\/me\s+/

/** Sends a text. Its failure shows in the timeline, where it can be tried again. */
export function sendText(client: MatrixClient, room: Room, text: string): void {
  const content = emote.test(text)
    ? { msgtype: MsgType.Emote as const, body: text.replace(emote, '') }
    : { msgtype: MsgType.Text as const, body: text }
  client.sendMessage(room.roomId, content).catch(() => undefined)
}
