import type { EventRecord, Room, RoomStore, TimelinePoint } from '../rooms/room-store.ts'
import type { RoomEvent, RoomId } from '../spec/event.ts'
import type { Position } from '../streams/stream.ts'
import type { RoomLog } from './room-log.ts'
import type { Viewpoint } from './viewpoint.ts'

/** What happened in a room between two positions. */
export interface RoomNews {
  /** The first and the last new event, whether or not it is shown: between them lies what the state became. */
  readonly first: EventRecord
  readonly last: EventRecord
  /** The newest that pass the filter, oldest first. */
  readonly records: readonly EventRecord[]
  /** Where what passed the filter but is too much for a timeline ends in the topological order. */
  readonly omitted: TimelinePoint | undefined
}

/** A stretch of a room's events to show. */
export interface TimelinePart {
  readonly records: readonly EventRecord[]
  /** Whether there are events between what the client had and this. */
  readonly limited: boolean
  /** Where `/messages` goes on backwards; `undefined` at the very beginning. */
  readonly prevBatch: TimelinePoint | undefined
}

/** Which events a timeline takes. */
export interface TimelineWish {
  readonly passes: (event: RoomEvent) => boolean
  readonly limit: number
}

const pageSize = 50
/** Read beside what is wanted, since some of it may not be visible. */
const spare = 5
/** How many events are read in search of visible ones that pass the filter. */
const searchLimit = 1000

/** Reads what is new in the wanted rooms, at a cost in proportion to what is new. */
export async function readNews(
  log: RoomLog,
  range: { readonly since: Position; readonly upTo: Position; readonly wanted: (roomId: RoomId) => boolean },
  wish: TimelineWish,
): Promise<Map<RoomId, RoomNews>> {
  const news = new Map<RoomId, RoomNews & { records: EventRecord[] }>()
  await log.read(range, (records) => {
    for (const record of records) {
      const { roomId } = record.event
      const known = news.get(roomId) ?? { first: record, last: record, records: [], omitted: undefined }
      if (wish.passes(record.event)) known.records.push(record)
      // Twice as many as are shown, as some may turn out not to be visible.
      const surplus = known.records.length > 2 * wish.limit + pageSize ? known.records.splice(0, known.records.length - 2 * wish.limit) : []
      news.set(roomId, { ...known, last: record, omitted: highest(surplus, known.omitted) })
    }
  })
  return news
}

/** The timeline of a room whose earlier events the client has. */
export async function newsTimeline(
  news: RoomNews,
  viewpoint: Viewpoint,
  at: { readonly room: Room; readonly limit: number },
): Promise<TimelinePart> {
  const visible = await viewpoint.visible(news.records)
  const start = Math.max(0, visible.length - at.limit, gapIn(visible, at.room))
  const records = visible.slice(start)
  const omitted = highest(visible.slice(0, start), news.omitted)
  const [first] = records
  return {
    records,
    limited: omitted !== undefined || (first !== undefined && misses(first, at.room)),
    prevBatch: before(records, omitted) ?? pointAfter(news.last),
  }
}

/** The newest part of a room's history, for a client that has nothing of it; from `from` (exclusive) backwards if it is given. */
export async function recentTimeline(
  store: RoomStore,
  viewpoint: Viewpoint,
  wish: TimelineWish & { readonly upTo: Position; readonly from?: TimelinePoint },
): Promise<TimelinePart> {
  const records: EventRecord[] = []
  let point = wish.from
  let ended = false
  for (let read = 0; records.length <= wish.limit && !ended && read < searchLimit; read += pageSize) {
    const limit = Math.min(pageSize, wish.limit + spare)
    const page = await store.timeline(viewpoint.roomId, { direction: 'backwards', limit, ...(point ? { from: point } : {}) })
    const wanted = page.filter(({ event, position }) => position <= wish.upTo && wish.passes(event))
    records.push(...(await viewpoint.visible(wanted)))
    const oldest = page.at(-1)
    if (oldest) point = pointOf(oldest)
    ended = page.length < limit
  }
  const shown = records.slice(0, wish.limit).reverse()
  const limited = !ended || records.length > wish.limit
  const oldest = shown[0]
  const [newest] = records
  return { records: shown, limited, prevBatch: oldest ? pointOf(oldest) : newest ? pointAfter(newest) : point }
}

/** The place of an event in its room's order. */
export function pointOf({ event, position }: EventRecord): TimelinePoint {
  return { depth: event.depth, position }
}

/** The place right after an event. */
export function pointAfter({ event, position }: EventRecord): TimelinePoint {
  return { depth: event.depth, position: position + 1 }
}

/** Which of two places comes first. */
export function comparePoints(a: TimelinePoint, b: TimelinePoint): number {
  return a.depth - b.depth || a.position - b.position
}

/**
 * Where to go back from: the first event shown, or the end of what was left out, where an event that came late puts that
 * later in the room's order. Then some events are given twice, but none never.
 */
function before(records: readonly EventRecord[], omitted: TimelinePoint | undefined): TimelinePoint | undefined {
  const [first] = records
  if (!first) return omitted
  return omitted && comparePoints(omitted, pointOf(first)) > 0 ? omitted : pointOf(first)
}

function highest(records: readonly EventRecord[], start: TimelinePoint | undefined): TimelinePoint | undefined {
  return records.reduce<TimelinePoint | undefined>((top, record) => {
    const point = pointAfter(record)
    return top && comparePoints(top, point) >= 0 ? top : point
  }, start)
}

/** The index of the last event before which this server lacks some: 0 if there is none. */
function gapIn(records: readonly EventRecord[], room: Room): number {
  if (room.backwardExtremities.length === 0) return 0
  return Math.max(
    0,
    records.findLastIndex((record) => misses(record, room)),
  )
}

function misses({ event }: EventRecord, room: Room): boolean {
  return room.backwardExtremities.length > 0 && event.prevEvents.some((eventId) => room.backwardExtremities.includes(eventId))
}
