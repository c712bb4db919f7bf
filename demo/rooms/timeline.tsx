import { Button, InlineSpinner } from '@vector-im/compound-web'
import {
  ClientEvent,
  Direction,
  type EmittedEvents,
  MatrixEventEvent,
  type Room,
  RoomEvent,
  RoomMemberEvent,
  RoomStateEvent,
} from 'matrix-js-sdk'
import { type RefObject, useCallback, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useAction } from '../interface/use-action.ts'
import { useClient, useClientEvents } from '../session/client-context.ts'
import { Message } from './message.tsx'
import { readersByEvent } from './readers.ts'
import { timelineItems } from './timeline-items.ts'
import { useReadReceipts } from './use-read-receipts.ts'

const page = 40
const changes: readonly EmittedEvents[] = [
  ClientEvent.Sync,
  RoomEvent.Timeline,
  RoomEvent.TimelineReset,
  RoomEvent.LocalEchoUpdated,
  RoomEvent.Redaction,
  RoomEvent.Receipt,
  RoomMemberEvent.Name,
  RoomStateEvent.Events,
  MatrixEventEvent.Decrypted,
  MatrixEventEvent.Replaced,
]
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })

/** A room's messages, oldest first. It stays at the end while the reader is there, and pages back at the top. */
export function Timeline({ room }: { room: Room }) {
  const client = useClient()
  const version = useClientEvents(changes)
  const [shown, setShown] = useState(page)
  const timeline = room.getLiveTimeline()
  const events = timeline.getEvents()
  const hasMore = events.length > shown || timeline.getPaginationToken(Direction.Backward) !== null
  // biome-ignore lint/correctness/useExhaustiveDependencies: the events change in place, and the version with them
  const items = useMemo(() => timelineItems(events.slice(-shown), room), [events, shown, room, version])
  // biome-ignore lint/correctness/useExhaustiveDependencies: so do the receipts
  const readers = useMemo(() => readersByEvent(room, client.getSafeUserId()), [room, client, version])
  const older = useAction(async () => {
    if (events.length <= shown) await client.scrollback(room, page)
    setShown(shown + page)
  })
  const { scroller, isAtEnd, onScroll } = useScroll(version, items.length)
  useFilledView(scroller, hasMore && !older.isRunning && older.failure === undefined, older.run)
  useReadReceipts(room, isAtEnd)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section className="timeline" aria-label="Messages" ref={scroller} onScroll={onScroll} tabIndex={0}>
      <div className="timeline-start">
        {hasMore ? (
          <Button kind="tertiary" size="md" disabled={older.isRunning} onClick={() => void older.run()}>
            {older.isRunning && <InlineSpinner aria-hidden />}
            {older.isRunning ? 'Loading older messages…' : 'Show older messages'}
          </Button>
        ) : (
          <p className="message-faint">This is where the room begins.</p>
        )}
      </div>
      <ol className="timeline-items">
        {items.map((item) =>
          item.kind === 'day' ? (
            <li key={item.key} className="timeline-day">
              <span>{dayFormat.format(item.date)}</span>
            </li>
          ) : item.kind === 'notice' ? (
            <li key={item.key} className="timeline-notice">
              {item.text}
            </li>
          ) : (
            <Message
              key={item.key}
              event={item.event}
              room={room}
              isFirst={item.isFirst}
              readers={readers.get(item.event.getId() ?? '') ?? []}
            />
          ),
        )}
      </ol>
    </section>
  )
}

/** Keeps the end in view for whoever is there, and what is being read in place for whoever is not. */
function useScroll(version: number, length: number) {
  const scroller = useRef<HTMLElement>(null)
  const [isAtEnd, setAtEnd] = useState(true)
  const before = useRef({ height: 0, top: 0 })
  const onScroll = useCallback(() => {
    const element = scroller.current
    if (!element) return
    before.current = { height: element.scrollHeight, top: element.scrollTop }
    setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < 48)
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs after each change of what is shown
  useLayoutEffect(() => {
    const element = scroller.current
    if (!element) return
    if (isAtEnd) element.scrollTop = element.scrollHeight
    else if (before.current.top < 48) element.scrollTop = before.current.top + element.scrollHeight - before.current.height
    before.current = { height: element.scrollHeight, top: element.scrollTop }
  }, [version, length])
  useStickToEnd(scroller, isAtEnd)
  return { scroller, isAtEnd, onScroll }
}

/** Pages back by itself as long as the view is not full. */
function useFilledView(scroller: RefObject<HTMLElement | null>, mayPage: boolean, pageBack: () => Promise<void>): void {
  useLayoutEffect(() => {
    const element = scroller.current
    if (element && mayPage && element.scrollHeight <= element.clientHeight) void pageBack()
  })
}

/** The view changes its height with the composer and the window. */
function useStickToEnd(scroller: RefObject<HTMLElement | null>, isAtEnd: boolean): void {
  useLayoutEffect(() => {
    const element = scroller.current
    if (!element || !isAtEnd) return undefined
    const observer = new ResizeObserver(() => {
      element.scrollTop = element.scrollHeight
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [scroller, isAtEnd])
}
