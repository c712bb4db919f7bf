import type { ReadTx, Storage } from '../ports/storage.ts'
import type { EventId, RoomId } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { eventPositions, events, type StoredEvent } from '../storage/tables/rooms.ts'

/** How many relations are followed to find an event's thread (Client-Server API, "Threaded read receipts"). */
const hopLimit = 3

/** What matters of an event for who has read up to it. */
export interface ReadEvent {
  readonly roomId: RoomId
  /** Its place in the order of reading: events that came live by arrival, which no sender chooses, after all others by depth. */
  readonly order: readonly [live: number, place: number]
  /** The root of the thread it is in, or `main`. */
  readonly threadId: string
}

/** Looks an event up; `undefined` if it is not (yet) known here. */
export function readEvent(storage: Storage, eventId: EventId): Promise<ReadEvent | undefined> {
  return storage.read([eventPositions, events], async (tx) => {
    const found = await load(tx, eventId)
    if (!found) return undefined
    const { stored, position } = found
    const depth = typeof stored.pdu.depth === 'number' ? stored.pdu.depth : 0
    const order = stored.live ? ([1, position] as const) : ([0, depth] as const)
    return { roomId: stored.roomId, order, threadId: await threadOf(tx, stored) }
  })
}

/** Whether `a` comes after `b` in the order of reading. */
export function isAfter(a: ReadEvent, b: ReadEvent): boolean {
  return a.order[0] === b.order[0] ? a.order[1] > b.order[1] : a.order[0] > b.order[0]
}

async function threadOf(tx: ReadTx, event: StoredEvent): Promise<string> {
  let relation = relationOf(event)
  for (let hop = 0; hop <= hopLimit && typeof relation?.event_id === 'string' && typeof relation.rel_type === 'string'; hop++) {
    if (relation.rel_type === 'm.thread') return relation.event_id
    const parent = await load(tx, relation.event_id)
    relation = parent?.stored.roomId === event.roomId ? relationOf(parent.stored) : undefined
  }
  return 'main'
}

function relationOf(event: StoredEvent): JsonObject | undefined {
  const { content } = event.pdu
  const relation = isObject(content) ? content['m.relates_to'] : undefined
  return isObject(relation) ? relation : undefined
}

async function load(tx: ReadTx, eventId: EventId): Promise<{ stored: StoredEvent; position: number } | undefined> {
  const position = await tx.get(eventPositions, eventId)
  const stored = position === undefined ? undefined : await tx.get(events, position)
  return position === undefined || !stored ? undefined : { stored, position }
}
