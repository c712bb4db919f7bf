import type { Room } from 'matrix-js-sdk'
import { nameIn } from './event-text.ts'

const mostNamed = 5

/** Who has read up to which event, besides `reader`: event id → names. Senders have read what they sent: they are left out. */
export function readersByEvent(room: Room, reader: string): Map<string, readonly string[]> {
  const readers = new Map<string, string[]>()
  for (const { userId } of room.getMembersWithMembership('join').slice(0, 200)) {
    if (userId === reader) continue
    const eventId = room.getEventReadUpTo(userId)
    const event = eventId === null ? undefined : room.findEventById(eventId)
    if (eventId === null || event === undefined || event.getSender() === userId) continue
    const names = readers.get(eventId) ?? []
    if (names.length < mostNamed) names.push(nameIn(room, userId))
    readers.set(eventId, names)
  }
  return readers
}
