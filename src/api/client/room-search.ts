import * as v from 'valibot'
import { type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { currentState } from '../../rooms/current-content.ts'
import type { EventRecord } from '../../rooms/room-store.ts'
import { invalidParam } from '../../spec/errors.ts'
import type { RoomId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import { eventTest, limitOf } from '../../sync/event-filter.ts'
import type { History } from '../../sync/history.ts'
import { sendersOf } from '../../sync/room-state.ts'
import type { RoomView, RoomViews } from '../../sync/room-views.ts'
import { type SearchKey, type SearchResult, searchRooms, wordsOf } from '../../sync/search.ts'
import { pointAfter, pointOf } from '../../sync/timeline.ts'
import type { Tokens } from '../../sync/token.ts'
import { roomEventFilter } from '../../users/filters.ts'
import { tokenText } from './room-fields.ts'

interface RoomSearchDeps {
  readonly views: RoomViews
  readonly history: History
  readonly tokens: Tokens
}

const contextLimit = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100)))
const roomEvents = v.object({
  search_term: v.pipe(v.string(), v.maxLength(1024)),
  keys: v.optional(v.array(v.picklist(['content.body', 'content.name', 'content.topic']))),
  filter: v.optional(roomEventFilter),
  order_by: v.optional(v.picklist(['recent', 'rank'])),
  event_context: v.optional(v.object({ before_limit: contextLimit, after_limit: contextLimit, include_profile: v.optional(v.boolean()) })),
  include_state: v.optional(v.boolean()),
  groupings: v.optional(v.object({ group_by: v.optional(v.array(v.object({ key: v.picklist(['room_id', 'sender']) }))) })),
})

type Criteria = v.InferOutput<typeof roomEvents>
type ContextWish = NonNullable<Criteria['event_context']>

const allKeys: readonly SearchKey[] = ['content.body', 'content.name', 'content.topic']
/** Results in a page of a search. */
const limits = { fallback: 10, most: 100 }
const defaultContext = 5

/** Searching what was said (Client-Server API, "Server Side Search"). */
export function roomSearchEndpoints(deps: RoomSearchDeps): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/search',
      query: v.object({ next_batch: v.optional(tokenText) }),
      body: v.object({ search_categories: v.object({ room_events: v.optional(roomEvents) }) }),
      handle: async ({ session, query, body }): Promise<JsonObject> => {
        const criteria = body.search_categories.room_events
        if (!criteria) return { search_categories: {} }
        return { search_categories: { room_events: await search(deps, session, { criteria, start: placeOf(query.next_batch) }) } }
      },
    }),
  ]
}

async function search(
  deps: RoomSearchDeps,
  session: Session,
  { criteria, start }: { readonly criteria: Criteria; readonly start: number },
): Promise<JsonObject> {
  const { views } = deps
  const rooms = await roomsOf(views, session, criteria)
  const found = await searchRooms(views, rooms, {
    term: criteria.search_term,
    keys: criteria.keys ?? allKeys,
    passes: eventTest(criteria.filter),
    order: criteria.order_by ?? 'rank',
  })
  const limit = limitOf(criteria.filter, limits)
  const shown = found.slice(start, start + limit)
  const shownRooms = new Map(shown.map(({ view }) => [view.room.roomId, view]))
  const context = criteria.event_context
  return {
    count: found.length,
    highlights: wordsOf(criteria.search_term),
    results: await Promise.all(shown.map((result) => resultJson(deps, result, context))),
    ...(start + limit < found.length ? { next_batch: `r${start + limit}` } : {}),
    ...(criteria.include_state ? { state: Object.fromEntries(await statesOf(views, session, [...shownRooms.values()])) } : {}),
    ...groupsJson(shown, criteria),
  }
}

/** The rooms the user is in, as far as the filter wants them. */
async function roomsOf(views: RoomViews, session: Session, { filter }: Criteria): Promise<RoomView[]> {
  const joined = await views.store.joinedRooms(session.userId)
  const unwanted = new Set(filter?.not_rooms)
  const wanted = joined.filter((roomId) => !unwanted.has(roomId) && (!filter?.rooms || filter.rooms.includes(roomId)))
  return Promise.all(wanted.map((roomId) => views.openJoined(session, roomId)))
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

function placeOf(token: string | undefined): number {
  if (token === undefined) return 0
  const match = /^r(\d{1,6})$/.exec(token)
  if (!match) throw invalidParam('This is not a token of this search')
  return Number(match[1])
}
