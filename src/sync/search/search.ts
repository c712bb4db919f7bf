import type { Clock } from '../../ports/clock.ts'
import type { Storage } from '../../ports/storage.ts'
import { currentContent } from '../../rooms/current-content.ts'
import type { EventRecord } from '../../rooms/room-store.ts'
import { type EventId, type RoomEvent, type RoomId, stateKeyOf } from '../../spec/event.ts'
import { events } from '../../storage/tables/rooms.ts'
import type { Stream } from '../../streams/stream.ts'
import { isValidEdit, latestEdit } from '../aggregations.ts'
import { relationOf } from '../relations.ts'
import type { Reader, RoomView, RoomViews } from '../room-views.ts'
import type { Candidate, SearchKey } from './document.ts'
import { SearchIndex } from './search-index.ts'
import { wordsOfTerm } from './words.ts'

/** What is searched for. */
export interface SearchWish {
  readonly term: string
  readonly keys: readonly SearchKey[]
  readonly room: (roomId: RoomId) => boolean
  readonly passes: (event: RoomEvent) => boolean
  readonly order: 'recent' | 'rank'
}

export interface SearchResult {
  /** What was found: of what was edited, the event that began it. */
  readonly record: EventRecord
  readonly view: RoomView
  /** The share of the text that the words make up: higher is closer. */
  readonly rank: number
}

interface SearchDeps {
  readonly views: RoomViews
  readonly storage: Storage
  readonly stream: Stream
  readonly clock: Clock
}

/** A message, and the event by whose text it was found: itself, or an edit of it. */
interface Found {
  readonly record: EventRecord
  readonly holder: EventRecord
  readonly rank: number
}

const batchSize = 100
/** Candidates that one search looks at. */
const lookLimit = 5_000
/** Results that a search finds. */
const resultLimit = 1_000

/** Searches what users may see (Client-Server API, "Server Side Search"): in rooms that are not encrypted, by what events say now. */
export class Search {
  readonly #deps: SearchDeps
  readonly #index: SearchIndex

  constructor(deps: SearchDeps) {
    this.#deps = deps
    this.#index = new SearchIndex(deps)
  }

  /** The best results, or the newest: those with all words of the term in one text. */
  async find(reader: Reader, wish: SearchWish): Promise<SearchResult[]> {
    const words = wordsOfTerm(wish.term)
    if (words.length === 0) return []
    const known = await this.#roomsOf(reader)
    const isWanted = (roomId: RoomId) => known.has(roomId) && wish.room(roomId)
    const candidates = await this.#index.find({ words, keys: new Set(wish.keys), isWanted })
    candidates.sort(wish.order === 'rank' ? (a, b) => b.rank - a.rank || byTime(a, b) : byTime)
    const results = new Map<string, SearchResult>()
    const rooms = new Rooms(this.#deps.views, reader)
    for (let at = 0; at < Math.min(candidates.length, lookLimit) && results.size < resultLimit; at += batchSize) {
      for (const result of await this.#judge(candidates.slice(at, at + batchSize), { rooms, passes: wish.passes }))
        if (!results.has(result.record.event.eventId)) results.set(result.record.event.eventId, result)
    }
    return [...results.values()].slice(0, resultLimit)
  }

  /** The rooms the user is in, or has left without forgetting them. */
  async #roomsOf({ userId }: Reader): Promise<Set<RoomId>> {
    const memberships = [...(await this.#deps.views.store.memberships(userId))]
    return new Set(memberships.flatMap(([roomId, { membership, forgotten }]) => (isPresent(membership) && !forgotten ? [roomId] : [])))
  }

  /** Those of the candidates that are still what their message says, and that the reader may see. */
  async #judge(
    candidates: readonly Candidate[],
    { rooms, passes }: { readonly rooms: Rooms; readonly passes: (event: RoomEvent) => boolean },
  ): Promise<SearchResult[]> {
    const found = await this.#messagesOf(candidates)
    const edits = await this.#editsOf(found)
    const judged = await Promise.all(
      found.map(async ({ record, holder, rank }): Promise<SearchResult[]> => {
        const view = await rooms.searched(record.event.roomId)
        if (!view || holder.stored.redactedBy !== undefined || !passes(record.event)) return []
        if ((await view.viewpoint.visible([holder, record])).length < 2) return []
        const edit = latestEdit(record, await view.viewpoint.visible(edits.get(record.event.eventId) ?? []))
        return (edit ?? record).event.eventId === holder.event.eventId ? [{ record, view, rank }] : []
      }),
    )
    return judged.flat()
  }

  /** What was found, and the message that it belongs to. */
  async #messagesOf(candidates: readonly Candidate[]): Promise<Found[]> {
    const { storage, views } = this.#deps
    const positions = candidates.map(({ position }) => position)
    const rows = await storage.read([events], (tx) => tx.getMany(events, positions))
    const holders = await views.store.events(rows.flatMap((stored) => stored?.eventId ?? []))
    const originals = await views.store.events([...holders.values()].flatMap((holder) => editedBy(holder) ?? []))
    return candidates.flatMap(({ rank }, index): Found[] => {
      const holder = holders.get(rows[index]?.eventId ?? '')
      const original = holder && originals.get(editedBy(holder) ?? '')
      return holder ? [{ holder, rank, record: original && isValidEdit(original, holder) ? original : holder }] : []
    })
  }

  /** All edits of the messages, by message. */
  async #editsOf(found: readonly Found[]): Promise<ReadonlyMap<EventId, readonly EventRecord[]>> {
    const messages = found.flatMap(({ record }) => (record.event.stateKey === undefined ? [record.event] : []))
    const byRoom = [...Map.groupBy(messages, ({ roomId }) => roomId)]
    const edits = await Promise.all(
      byRoom.map(([roomId, inRoom]) => {
        const eventIds = [...new Set(inRoom.map(({ eventId }) => eventId))]
        return this.#deps.views.relations.children(roomId, eventIds, 'm.replace')
      }),
    )
    return new Map(edits.flatMap((ofRoom) => [...ofRoom]))
  }
}

/** Rooms as their reader may search them, each opened once for a search. */
class Rooms {
  readonly #views: RoomViews
  readonly #reader: Reader
  readonly #opened = new Map<RoomId, Promise<RoomView | undefined>>()

  constructor(views: RoomViews, reader: Reader) {
    this.#views = views
    this.#reader = reader
  }

  /** The room, unless it is encrypted, or was never the reader's. */
  searched(roomId: RoomId): Promise<RoomView | undefined> {
    const opened = this.#opened.get(roomId) ?? this.#open(roomId).catch(() => undefined)
    this.#opened.set(roomId, opened)
    return opened
  }

  async #open(roomId: RoomId): Promise<RoomView | undefined> {
    const view = await this.#views.open(this.#reader, roomId)
    const state = await this.#views.stateFor(this.#reader, view)
    return state.get(stateKeyOf('m.room.encryption', '')) === undefined ? view : undefined
  }
}

/** The event that a record edits, if it is an edit. */
function editedBy(record: EventRecord): EventId | undefined {
  const relation = relationOf(currentContent(record))
  return record.event.stateKey === undefined && relation?.type === 'm.replace' ? relation.parent : undefined
}

function isPresent(membership: string): boolean {
  return membership === 'join' || membership === 'leave' || membership === 'ban'
}

function byTime(a: Candidate, b: Candidate): number {
  return b.ts - a.ts || b.position - a.position
}
