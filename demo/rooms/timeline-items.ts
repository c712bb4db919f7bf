import { EventType, type MatrixEvent, type Room } from 'matrix-js-sdk'
import { isVerificationRequest, noticeText } from './event-text.ts'

/** A line of the timeline. */
export type TimelineItem =
  | { readonly kind: 'day'; readonly key: string; readonly date: Date }
  | { readonly kind: 'notice'; readonly key: string; readonly text: string; readonly event: MatrixEvent }
  /** `isFirst`: the first of several of one sender, which shows who it is. */
  | { readonly kind: 'message'; readonly key: string; readonly event: MatrixEvent; readonly isFirst: boolean }

const togetherMs = 5 * 60_000

/** What a room's events look like to people, oldest first: days between, runs of one sender together, the rest left out. */
export function timelineItems(events: readonly MatrixEvent[], room: Room): TimelineItem[] {
  const items: TimelineItem[] = []
  let before: MatrixEvent | undefined
  let day = ''
  for (const event of events) {
    const text = isMessage(event) ? undefined : noticeText(event, room)
    if (text === undefined && !isMessage(event)) continue
    const date = new Date(event.getTs())
    if (date.toDateString() !== day) {
      day = date.toDateString()
      items.push({ kind: 'day', key: `day-${day}-${keyOf(event)}`, date })
      before = undefined
    }
    if (text !== undefined) {
      items.push({ kind: 'notice', key: keyOf(event), text, event })
      before = undefined
      continue
    }
    const follows = before !== undefined && before.getSender() === event.getSender() && event.getTs() - before.getTs() < togetherMs
    items.push({ kind: 'message', key: keyOf(event), event, isFirst: !follows })
    before = event
  }
  return items
}

/** Stays the same when a local echo becomes the event that the homeserver made of it. */
function keyOf(event: MatrixEvent): string {
  return event.getTxnId() ?? event.getId() ?? ''
}

function isMessage(event: MatrixEvent): boolean {
  if (event.isRelation('m.replace') || event.isState() || isVerificationRequest(event)) return false
  return event.getType() === EventType.RoomMessage || event.getType() === EventType.RoomMessageEncrypted || isRedactedMessage(event)
}

function isRedactedMessage(event: MatrixEvent): boolean {
  return event.isRedacted() && (event.getWireType() === EventType.RoomMessage || event.getWireType() === EventType.RoomMessageEncrypted)
}
