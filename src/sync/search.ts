import { currentContent } from '../rooms/current-content.ts'
import type { EventRecord, TimelinePoint } from '../rooms/room-store.ts'
import type { RoomEvent } from '../spec/event.ts'
import type { RoomView, RoomViews } from './room-views.ts'
import { pointOf } from './timeline.ts'

export type SearchKey = 'content.body' | 'content.name' | 'content.topic'

/** What is searched for. */
export interface SearchWish {
  readonly term: string
  readonly keys: readonly SearchKey[]
  readonly passes: (event: RoomEvent) => boolean
  readonly order: 'recent' | 'rank'
}

export interface SearchResult {
  readonly record: EventRecord
  readonly view: RoomView
  /** The share of the field that the words make up: higher is closer. */
  readonly rank: number
}

/** Which events hold a key. */
const typeOfKey: Readonly<Record<SearchKey, string>> = {
  'content.body': 'm.room.message',
  'content.name': 'm.room.name',
  'content.topic': 'm.room.topic',
}
const pageSize = 200
/** How many events of each room are looked at, newest first, and how many of all. */
const roomLimit = 5_000
/** Events that a search looks at in all. */
const totalLimit = 50_000
/** Results that a search finds. */
const resultLimit = 1_000

/** The words of a search term. */
export function wordsOf(term: string): string[] {
  return [...new Set(term.toLowerCase().split(/[^\p{L}\p{N}_]+/u))].filter((word) => word !== '')
}

/** Finds the newest events in which every word of the term occurs (Client-Server API, "Server Side Search"). */
export async function searchRooms(views: RoomViews, rooms: readonly RoomView[], wish: SearchWish): Promise<SearchResult[]> {
  const words = wordsOf(wish.term)
  const results: SearchResult[] = []
  let left = totalLimit
  for (const view of rooms) {
    if (words.length === 0 || left <= 0) break
    left -= await searchRoom(views, view, { ...wish, words, results })
  }
  const byTime = (a: SearchResult, b: SearchResult) => b.record.event.originServerTs - a.record.event.originServerTs
  return results.sort((a, b) => (wish.order === 'rank' ? b.rank - a.rank || byTime(a, b) : byTime(a, b))).slice(0, resultLimit)
}

/** Adds the results of one room; resolves with how many events were looked at. */
async function searchRoom(
  views: RoomViews,
  view: RoomView,
  wish: SearchWish & { readonly words: readonly string[]; readonly results: SearchResult[] },
): Promise<number> {
  const { roomId } = view.room
  let place: TimelinePoint | undefined
  let read = 0
  while (read < roomLimit) {
    const page = await views.store.timeline(roomId, { direction: 'backwards', limit: pageSize, ...(place ? { from: place } : {}) })
    const ranked = page.filter(({ event }) => wish.passes(event)).map((record) => ({ record, view, rank: rankOf(record, wish) }))
    const matches = ranked.filter(({ rank }) => rank > 0)
    const visible = new Set(await view.viewpoint.visible(matches.map(({ record }) => record)))
    wish.results.push(...matches.filter(({ record }) => visible.has(record)))
    read += page.length
    const oldest = page.at(-1)
    if (!oldest || page.length < pageSize) return read
    place = pointOf(oldest)
  }
  return read
}

function rankOf(record: EventRecord, { keys, words }: { readonly keys: readonly SearchKey[]; readonly words: readonly string[] }): number {
  if (record.stored.redactedBy !== undefined) return 0
  const content = currentContent(record)
  const ranks = keys.map((key) => {
    const field = key.slice('content.'.length)
    const text = content[field]
    return record.event.type === typeOfKey[key] && typeof text === 'string' ? rankOfText(text.toLowerCase(), words) : 0
  })
  return Math.max(0, ...ranks)
}

function rankOfText(text: string, words: readonly string[]): number {
  if (!words.every((word) => text.includes(word))) return 0
  return words.reduce((sum, word) => sum + word.length, 0) / Math.max(1, text.length)
}
