import { type EmittedEvents, type MatrixEvent, type Room, RoomEvent } from 'matrix-js-sdk'
import { useEffect, useSyncExternalStore } from 'react'
import { useClient, useClientEvents } from '../session/client-context.ts'

const changes: readonly EmittedEvents[] = [RoomEvent.Timeline, RoomEvent.LocalEchoUpdated]

function subscribe(changed: () => void): () => void {
  for (const event of ['focus', 'blur']) window.addEventListener(event, changed)
  document.addEventListener('visibilitychange', changed)
  return () => {
    for (const event of ['focus', 'blur']) window.removeEventListener(event, changed)
    document.removeEventListener('visibilitychange', changed)
  }
}

/** Tells the room what has been read: its last event, while the page has the focus and its end is in view. */
export function useReadReceipts(room: Room, isAtEnd: boolean): void {
  const client = useClient()
  useClientEvents(changes)
  const hasFocus = useSyncExternalStore(subscribe, () => document.hasFocus())
  const last = lastSent(room)
  useEffect(() => {
    if (!hasFocus || !isAtEnd || !last || room.hasUserReadEvent(client.getSafeUserId(), last.getId() ?? '')) return
    client.sendReadReceipt(last).catch(() => undefined)
  }, [client, room, last, hasFocus, isAtEnd])
}

function lastSent(room: Room): MatrixEvent | undefined {
  return room
    .getLiveTimeline()
    .getEvents()
    .findLast((event) => event.status === null)
}
