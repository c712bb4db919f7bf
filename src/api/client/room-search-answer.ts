import type { Session } from '../../http/endpoint.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Storage } from '../../ports/storage.ts'
import { currentState } from '../../rooms/current-content.ts'
import type { EventRecord } from '../../rooms/room-store.ts'
import type { RoomId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { Stream } from '../../streams/stream.ts'
import { eventTest, limitOf, roomTest } from '../../sync/event-filter.ts'
import type { History } from '../../sync/history.ts'
import { sendersOf } from '../../sync/room-state.ts'
import type { RoomView, RoomViews } from '../../sync/room-views.ts'
import { searchKeys } from '../../sync/search/document.ts'
import { Search, type SearchResult } from '../../sync/search/search.ts'
import { shownWords } from '../../sync/search/words.ts'
import { pointAfter, pointOf } from '../../sync/timeline.ts'
import type { Tokens } from '../../sync/token.ts'
import type { ContextWish, Criteria } from './room-search-criteria.ts'

export interface RoomSearchDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly clock: Clock
  readonly views: RoomViews
  readonly history: History
  readonly tokens: Tokens
}

/** Results in a page of a search. */
const limits = { fallback: 10, most: 100 }
const defaultContext = 5

/** Answers searches. */
export class RoomSearch {
  readonly #deps: RoomSearchDeps
  readonly #search: Search

  constructor(deps: RoomSearchDeps) {
    this.#deps = deps
    this.#search = new Search(deps)
  }

  /** One page of results, from the `start`th on. */
  async answer(session: Session, { criteria, start }: { readonly criteria: Criteria; readonly start: number }): Promise<JsonObject> {
    const { views } = this.#deps
    const found = await this.#search.find(session, {
      term: criteria.search_term,
      keys: criteria.keys ?? searchKeys,
      room: roomTest(criteria.filter),
      passes: eventTest(criteria.filter),
      order: criteria.order_by ?? 'rank',
    })
    const limit = limitOf(criteria.filter, limits)
    const shown = found.slice(start, start + limit)
    const shownRooms = new Map(shown.map(({ view }) => [view.room.roomId, view]))
    return {
      count: found.length,
      highlights: shownWords(criteria.search_term),
      results: await Promise.all(shown.map((result) => resultJson(this.#deps, result, criteria.event_context))),
      ...(start + limit < found.length ? { next_batch: `r${start + limit}` } : {}),
      ...(criteria.include_state ? { state: Object.fromEntries(await statesOf(views, session, [...shownRooms.values()])) } : {}),
      ...groupsJson(shown, criteria),
    }
  }
}

async function resultJson(
  { views, history, tokens }: RoomSearchDeps,
  { record, view, rank }: SearchResult,
  context: ContextWish | undefined,
): Promise<JsonObject> {
  const [result] = await views.aggregations.write([record], view.audience)
  if (!context) return { rank, result: result ?? {} }
  const page = (direction: 'backwards' | 'forwards', limit: number) => {
    const from = { point: direction === 'backwards' ? pointOf(record) : pointAfter(record) }
    return limit === 0 ? { records: [], end: undefined } : history.page(view, { direction, from, limit, passes: () => true })
  }
  const [before, after] = await Promise.all([
    page('backwards', context.before_limit ?? defaultContext),
    page('forwards', context.after_limit ?? defaultContext),
  ])
  const shown = [...before.records, record, ...after.records]
  return {
    rank,
    result: result ?? {},
    context: {
      start: tokens.page(pointOf(before.records.at(-1) ?? record)),
      end: tokens.page(pointAfter(after.records.at(-1) ?? record)),
      events_before: await views.events.write(before.records, view.audience),
      events_after: await views.events.write(after.records, view.audience),
      ...(context.include_profile ? { profile_info: await profilesAt(views, record, shown) } : {}),
    },
  }
}

/** What those who sent the events were called at the time. */
async function profilesAt(views: RoomViews, record: EventRecord, shown: readonly EventRecord[]): Promise<JsonObject> {
  const state = await views.store.stateAfter(record)
  const profiles = await Promise.all(
    [...sendersOf(shown)].map(async (userId): Promise<[string, JsonObject]> => {
      const { displayname: name, avatar_url: avatar } = await currentState(views.store, state, 'm.room.member', userId)
      return [
        userId,
        { ...(typeof name === 'string' ? { displayname: name } : {}), ...(typeof avatar === 'string' ? { avatar_url: avatar } : {}) },
      ]
    }),
  )
  return Object.fromEntries(profiles)
}

function statesOf(views: RoomViews, session: Session, shown: readonly RoomView[]): Promise<[RoomId, JsonObject[]][]> {
  return Promise.all(
    shown.map(
      async (view): Promise<[RoomId, JsonObject[]]> => [
        view.room.roomId,
        await views.writeState(view, await views.stateFor(session, view)),
      ],
    ),
  )
}

function groupsJson(shown: readonly SearchResult[], { groupings }: Criteria): JsonObject {
  const keys = [...new Set((groupings?.group_by ?? []).map(({ key }) => key))]
  if (keys.length === 0) return {}
  const groups = keys.map((key): [string, JsonObject] => {
    const byValue = Map.groupBy(shown, ({ record }) => (key === 'room_id' ? record.event.roomId : record.event.sender))
    const entries = [...byValue].map(([value, results], order): [string, JsonObject] => [
      value,
      { order, results: results.map(({ record }) => record.event.eventId) },
    ])
    return [key, Object.fromEntries(entries)]
  })
  return { groups: Object.fromEntries(groups) }
}
