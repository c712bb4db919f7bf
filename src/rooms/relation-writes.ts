import { put, type Write } from '../ports/storage.ts'
import { isObject } from '../spec/json.ts'
import { childrenInOrder, relations, threadReplies } from '../storage/tables/rooms.ts'
import type { EventRecord } from './room-store.ts'

/** What an event that has its place in the room is found by from the event it relates to (Client-Server API, "Relationships"). */
export function relationWrites({ event, position }: EventRecord): Write[] {
  const relation = event.content['m.relates_to']
  if (!isObject(relation)) return []
  const { event_id: parent, rel_type: type } = relation
  if (typeof parent !== 'string' || typeof type !== 'string') return []
  const { roomId, depth, eventId } = event
  return [
    put(relations, [roomId, parent, type, position], eventId),
    put(childrenInOrder, [roomId, parent, depth, position], [type, eventId]),
    ...(type === 'm.thread' ? [put(threadReplies, [roomId, depth, position], [parent, eventId])] : []),
  ]
}
