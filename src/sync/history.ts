import type { EventRecord, TimelinePoint } from '../rooms/room-store.ts'
import type { RoomEvent, RoomId } from '../spec/event.ts'
import type { Position } from '../streams/stream.ts'
import type { RoomView, RoomViews } from './room-views.ts'
import { comparePoints, pointAfter, pointOf } from './timeline.ts'
import type { PageToken, Tokens } from './token.ts'

/** A page of a room's history that a user wants. Tokens are places between events. */
export interface PageWish {
  readonly direction: 'backwards' | 'forwards'
  readonly from?: PageToken
  readonly to?: PageToken
  readonly limit: number
  readonly passes: (event: RoomEvent) => boolean
}

export interface Page {
  /** In the direction asked for. */
  readonly records: readonly EventRecord[]
  /** Where the next page begins; `undefined` at the end of history. */
  readonly end: string | undefined
}

/** Fetches events from before what this server has. */
export interface FillHistory {
  fill(roomId: RoomId, limit: number): Promise<number>
}

const pageSize = 100
/** How many events one request looks at, whatever it finds. */
const searchLimit = 2000
/** How many events are looked at for the one closest to a time. */
const timeSearchLimit = 50_000
/** How often one request asks other servers for what is missing. */
const fillLimit = 2

/** Walks through rooms' histories, only through what the reader may see. */
export class History {
  readonly #views: RoomViews
  readonly #tokens: Tokens
  readonly #backfill: FillHistory

  constructor(deps: { readonly views: RoomViews; readonly tokens: Tokens; readonly backfill: FillHistory }) {
    this.#views = deps.views
    this.#tokens = deps.tokens
    this.#backfill = deps.backfill
  }

  /** One page of history. */
  async page(view: RoomView, wish: PageWish): Promise<Page> {
    if (wish.direction === 'backwards') return this.#backwards(view, wish)
    return wish.from && 'position' in wish.from ? this.#sinceSync(view, wish, wish.from.position) : this.#forwards(view, wish)
  }

  /**
   * The event closest to a time, in one direction: the last one before it, or the first one after it. History is searched
   * from its newer end, by the time at which events claim to have been sent.
   */
  async closest(
    view: RoomView,
    wish: { readonly ts: number; readonly direction: 'backwards' | 'forwards' },
  ): Promise<EventRecord | undefined> {
    const isBackwards = wish.direction === 'backwards'
    let found: EventRecord | undefined
    let place: TimelinePoint | undefined
    for (let read = 0; read < timeSearchLimit; read += pageSize) {
      const page = await this.#views.store.timeline(view.room.roomId, {
        direction: 'backwards',
        limit: pageSize,
        ...(place ? { from: place } : {}),
      })
      for (const record of await view.viewpoint.visible(page)) {
        const { originServerTs } = record.event
        if (isBackwards && originServerTs <= wish.ts) return record
        if (!isBackwards && originServerTs >= wish.ts) found = record
      }
      const oldest = page.at(-1)
      const isPast = !isBackwards && page.every(({ event }) => event.originServerTs < wish.ts)
      if (!oldest || page.length < pageSize || isPast) return found
      place = pointOf(oldest)
    }
    return found
  }

  async #backwards(view: RoomView, wish: PageWish): Promise<Page> {
    const newest = wish.from && 'position' in wish.from ? wish.from.position : Number.POSITIVE_INFINITY
    let place = wish.from && 'point' in wish.from ? wish.from.point : undefined
    const records: EventRecord[] = []
    let fills = 0
    for (let read = 0; read < searchLimit; ) {
      const page = await this.#views.store.timeline(view.room.roomId, {
        direction: 'backwards',
        limit: Math.min(pageSize, wish.limit + 10),
        ...(place ? { from: place } : {}),
      })
      // Before a gap is passed, others are asked to close it.
      if (fills < fillLimit && (page.length === 0 || (await this.#hasGap(view, page)))) {
        fills++
        if ((await this.#backfill.fill(view.room.roomId, Math.max(wish.limit, 20))) > 0) continue
        if (page.length === 0) return { records, end: undefined }
      } else if (page.length === 0) return { records, end: undefined }
      read += page.length
      const visible = new Set(await view.viewpoint.visible(page.filter(({ event, position }) => position <= newest && wish.passes(event))))
      for (const record of page) {
        if (wish.to && isBefore(record, wish.to)) return { records, end: undefined }
        place = pointOf(record)
        if (visible.has(record)) records.push(record)
        if (records.length >= wish.limit) return { records, end: this.#tokens.page(place) }
      }
    }
    return { records, end: place && this.#tokens.page(place) }
  }

  async #forwards(view: RoomView, wish: PageWish): Promise<Page> {
    let place: TimelinePoint = wish.from && 'point' in wish.from ? wish.from.point : { depth: 0, position: 0 }
    const records: EventRecord[] = []
    for (let read = 0; read < searchLimit; ) {
      const page = await this.#views.store.timeline(view.room.roomId, {
        direction: 'forwards',
        limit: Math.min(pageSize, wish.limit + 10),
        // The event at the place itself comes after it.
        from: { ...place, position: place.position - 1 },
      })
      if (page.length === 0) return { records, end: undefined }
      read += page.length
      const visible = new Set(await view.viewpoint.visible(page.filter(({ event }) => wish.passes(event))))
      for (const record of page) {
        if (wish.to && !isBefore(record, wish.to)) return { records, end: undefined }
        place = pointAfter(record)
        if (visible.has(record)) records.push(record)
        if (records.length >= wish.limit) return { records, end: this.#tokens.page(place) }
      }
    }
    return { records, end: this.#tokens.page(place) }
  }

  /** Forwards from a token of `/sync`: what came after it, in the order in which it came. */
  async #sinceSync(view: RoomView, wish: PageWish, since: Position): Promise<Page> {
    const records: EventRecord[] = []
    let after = since
    for (let read = 0; read < searchLimit * 5; read += pageSize) {
      const chunk = await this.#views.store.log(after, this.#tokens.newest, pageSize)
      const wanted = chunk.filter(({ event, stored }) => event.roomId === view.room.roomId && stored.live && wish.passes(event))
      const visible = new Set(await view.viewpoint.visible(wanted))
      for (const record of chunk) {
        if (wish.to && !isBefore(record, wish.to)) return { records, end: undefined }
        after = record.position
        if (visible.has(record)) records.push(record)
        if (records.length >= wish.limit) return { records, end: this.#tokens.sync({ position: after }) }
      }
      if (chunk.length < pageSize) return { records, end: undefined }
    }
    return { records, end: this.#tokens.sync({ position: after }) }
  }

  async #hasGap(view: RoomView, page: readonly EventRecord[]): Promise<boolean> {
    const room = await this.#views.store.room(view.room.roomId)
    const missing = new Set(room?.backwardExtremities)
    return missing.size > 0 && page.some(({ event }) => event.prevEvents.some((eventId) => missing.has(eventId)))
  }
}

/** Whether an event lies before a place. */
function isBefore(record: EventRecord, token: PageToken): boolean {
  return 'position' in token ? record.position <= token.position : comparePoints(pointOf(record), token.point) < 0
}
