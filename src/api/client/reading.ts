import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { invalidParam } from '../../spec/errors.ts'
import type { EventId, RoomId, UserId } from '../../spec/event.ts'
import { isEventId, isRoomId } from '../../spec/identifiers.ts'
import type { ReadMarkers } from '../../users/read-markers.ts'
import type { Receipts } from '../../users/receipts.ts'
import type { Typing } from '../../users/typing.ts'
import { ownUser } from './own-user.ts'

export interface ReadingDeps {
  readonly receipts: Receipts
  readonly readMarkers: ReadMarkers
  readonly typing: Typing
}

const room = '/_matrix/client/v3/rooms/:roomId'
const defaultTypingMs = 30_000
const eventId = v.optional(v.pipe(v.string(), v.check(isEventId, 'not an event id')))

/** What users do in a room without sending anything: they type, and they read. */
export function readingEndpoints({ receipts, readMarkers, typing }: ReadingDeps): Endpoint[] {
  return [
    forUser({
      method: 'PUT',
      path: `${room}/typing/:userId`,
      body: v.looseObject({ typing: v.boolean(), timeout: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))) }),
      handle: async ({ session, params, body }) => {
        await typing.set(roomOf(params), ownUser(session, params), body.typing ? (body.timeout ?? defaultTypingMs) : 0)
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: `${room}/receipt/:receiptType/:eventId`,
      body: v.looseObject({ thread_id: v.optional(v.unknown()) }),
      handle: async ({ session: { userId }, params, body }) => {
        const [roomId, read] = [roomOf(params), eventOf(params)]
        const thread = threadOf(body.thread_id)
        if (params.receiptType === 'm.fully_read') {
          if (thread.threadId !== undefined) throw invalidParam('m.fully_read takes no thread_id')
          await readMarkers.set(userId, roomId, read)
        } else await receipts.read({ roomId, userId, type: receiptType(params), eventId: read, ...thread })
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: `${room}/read_markers`,
      body: v.looseObject({ 'm.fully_read': eventId, 'm.read': eventId, 'm.read.private': eventId }),
      handle: async ({ session: { userId }, params, body }) => {
        await moveMarkers({ receipts, readMarkers }, { userId, roomId: roomOf(params) }, body)
        return {}
      },
    }),
  ]
}

async function moveMarkers(
  { receipts, readMarkers }: Pick<ReadingDeps, 'receipts' | 'readMarkers'>,
  reader: { readonly userId: UserId; readonly roomId: RoomId },
  markers: {
    readonly 'm.fully_read'?: EventId | undefined
    readonly 'm.read'?: EventId | undefined
    readonly 'm.read.private'?: EventId | undefined
  },
): Promise<void> {
  const fullyRead = markers['m.fully_read']
  if (fullyRead !== undefined) await readMarkers.set(reader.userId, reader.roomId, fullyRead)
  for (const type of ['m.read', 'm.read.private'] as const) {
    const read = markers[type]
    if (read !== undefined) await receipts.read({ ...reader, type, eventId: read })
  }
}

function roomOf({ roomId = '' }: Readonly<Record<string, string>>): RoomId {
  if (!isRoomId(roomId)) throw invalidParam('Not a room id')
  return roomId
}

function eventOf({ eventId: id = '' }: Readonly<Record<string, string>>): EventId {
  if (!isEventId(id)) throw invalidParam('Not an event id')
  return id
}

function receiptType({ receiptType: type }: Readonly<Record<string, string>>): 'm.read' | 'm.read.private' {
  if (type !== 'm.read' && type !== 'm.read.private') throw invalidParam('There is no such type of receipt')
  return type
}

function threadOf(threadId: unknown): { threadId?: string } {
  if (threadId === undefined) return {}
  if (typeof threadId !== 'string' || (threadId !== 'main' && !isEventId(threadId)))
    throw invalidParam('thread_id is neither main nor an event id')
  return { threadId }
}
