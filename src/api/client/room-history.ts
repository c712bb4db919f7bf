import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { EventRecord } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import { stateKeyOf } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { StateTrie } from '../../spec/state-trie.ts'
import { isLater } from '../../sync/aggregations.ts'
import { eventTest, limitOf, parseFilter, type RoomEventFilter } from '../../sync/event-filter.ts'
import type { History } from '../../sync/history.ts'
import { memberOf, sendersOf } from '../../sync/room-state.ts'
import type { RoomView, RoomViews } from '../../sync/room-views.ts'
import { pointAfter, pointOf } from '../../sync/timeline.ts'
import type { Tokens } from '../../sync/token.ts'
import { roomEventFilter } from '../../users/filters.ts'
import { bounded, eventIdOf, filterText, numberText, roomIdOf, tokenText } from './room-fields.ts'

export interface RoomHistoryDeps {
  readonly views: RoomViews
  readonly history: History
  readonly tokens: Tokens
}

const room = '/_matrix/client/v3/rooms/:roomId'
/** Events in a page of history, or around an event. */
const limits = { fallback: 10, most: 1000 }
const direction = v.picklist(['b', 'f'])

/** Reading a room's history. */
export function roomHistoryEndpoints(deps: RoomHistoryDeps): Endpoint[] {
  return [messagesEndpoint(deps), contextEndpoint(deps), eventEndpoint(deps), timestampEndpoint(deps)]
}

function messagesEndpoint({ views, history, tokens }: RoomHistoryDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: `${room}/messages`,
    query: v.object({
      from: v.optional(tokenText),
      to: v.optional(tokenText),
      dir: direction,
      limit: v.optional(numberText),
      filter: v.optional(filterText),
    }),
    handle: async ({ session, params, query }) => {
      const view = await views.open(session, roomIdOf(params))
      const filter = query.filter === undefined ? undefined : parseFilter(roomEventFilter, query.filter)
      const isBackwards = query.dir === 'b'
      const { records, end } = await history.page(view, {
        direction: isBackwards ? 'backwards' : 'forwards',
        ...(query.from === undefined ? {} : { from: tokens.parsePage(query.from) }),
        ...(query.to === undefined ? {} : { to: tokens.parsePage(query.to) }),
        limit: Math.min(bounded(query.limit, { ...limits, least: 1 }), limitOf(filter, { fallback: limits.most, most: limits.most }) || 1),
        passes: eventTest(filter),
      })
      const start = query.from ?? (isBackwards ? tokens.sync({ position: tokens.newest }) : tokens.page({ depth: 0, position: 0 }))
      const state = filter?.lazy_load_members ? await sendersState(views, view, records) : []
      return {
        start,
        ...(end === undefined ? {} : { end }),
        chunk: await views.aggregations.write(records, view.audience),
        ...(state.length > 0 ? { state } : {}),
      }
    },
  })
}

function contextEndpoint({ views, history, tokens }: RoomHistoryDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: `${room}/context/:eventId`,
    query: v.object({ limit: v.optional(numberText), filter: v.optional(filterText) }),
    handle: async ({ session, params, query }) => {
      const view = await views.open(session, roomIdOf(params))
      const record = await views.eventFor(view, eventIdOf(params))
      const filter = query.filter === undefined ? undefined : parseFilter(roomEventFilter, query.filter)
      const limit = bounded(query.limit, limits)
      const passes = eventTest(filter)
      const half = Math.ceil(limit / 2)
      const none = { records: [], end: undefined }
      const [before, after] = await Promise.all([
        half === 0 ? none : history.page(view, { direction: 'backwards', from: { point: pointOf(record) }, limit: half, passes }),
        limit - half === 0
          ? none
          : history.page(view, { direction: 'forwards', from: { point: pointAfter(record) }, limit: limit - half, passes }),
      ])
      const last = after.records.at(-1) ?? record
      const first = before.records.at(-1) ?? record
      const state = await views.store.stateAfter(last)
      const [event] = await views.aggregations.write([record], view.audience)
      return {
        start: before.end ?? tokens.page(pointOf(first)),
        end: after.end ?? tokens.page(pointAfter(last)),
        event: event ?? {},
        events_before: await views.aggregations.write(before.records, view.audience),
        events_after: await views.aggregations.write(after.records, view.audience),
        state: await contextState(views, view, { state, filter, shown: [...before.records, record, ...after.records] }),
      }
    },
  })
}

function eventEndpoint({ views }: RoomHistoryDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: `${room}/event/:eventId`,
    handle: async ({ session, params }) => {
      const roomId = roomIdOf(params)
      const eventId = eventIdOf(params)
      // The answer to who may not see the room is the same as where there is no such event.
      const view = await views.open(session, roomId).catch(() => undefined)
      if (!view) throw notFound('There is no such event, or you may not see it')
      const [event] = await views.aggregations.write([await views.eventFor(view, eventId)], view.audience)
      return event ?? {}
    },
  })
}

function timestampEndpoint({ views, history }: RoomHistoryDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/:roomId/timestamp_to_event',
    query: v.object({ ts: numberText, dir: direction }),
    handle: async ({ session, params, query }) => {
      const view = await views.open(session, roomIdOf(params))
      const record = await history.closest(view, { ts: Number(query.ts), direction: query.dir === 'b' ? 'backwards' : 'forwards' })
      if (!record) throw notFound('There is no such event')
      return { event_id: record.event.eventId, origin_server_ts: record.event.originServerTs }
    },
  })
}

/** The membership events of those who sent the events, as they were at the newest of them: the reader may not see later ones. */
async function sendersState(views: RoomViews, view: RoomView, records: readonly EventRecord[]): Promise<JsonObject[]> {
  const [first, ...others] = records
  if (!first) return []
  const state = await views.store.stateAfter(others.reduce((newest, record) => (isLater(record, newest) ? record : newest), first))
  const eventIds = [...sendersOf(records)].flatMap((userId) => state.get(stateKeyOf('m.room.member', userId)) ?? [])
  return views.events.writeState([...(await views.store.events(eventIds)).values()], view.audience)
}

async function contextState(
  views: RoomViews,
  view: RoomView,
  about: { readonly state: StateTrie; readonly filter: RoomEventFilter | undefined; readonly shown: readonly EventRecord[] },
): Promise<JsonObject[]> {
  const { filter, state } = about
  const senders = filter?.lazy_load_members ? sendersOf(about.shown) : undefined
  const passes = eventTest(filter)
  return views.writeState(view, state, ({ event }) => {
    const member = memberOf(stateKeyOf(event.type, event.stateKey ?? ''))
    return passes(event) && (senders === undefined || member === undefined || senders.has(member))
  })
}
