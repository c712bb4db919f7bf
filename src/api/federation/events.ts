import * as v from 'valibot'
import { authChain, eventsBefore, eventsBetween } from '../../federation/event-graph.ts'
import { outgoingPdu } from '../../federation/outgoing-events.ts'
import type { ServerView } from '../../federation/server-view.ts'
import { type Endpoint, forServer } from '../../http/endpoint.ts'
import type { Clock } from '../../ports/clock.ts'
import type { EventRecord, Room, RoomStore } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import type { EventId, Pdu, RoomId, ServerName } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import { eventIdInput, integerText, parameter } from './inputs.ts'

export interface EventDeps {
  readonly store: RoomStore
  readonly view: ServerView
  readonly clock: Clock
  readonly serverName: ServerName
}

/** Events in an answer to a back-fill. */
const mostBackfilled = 100
/** Events in an answer to a request for missing ones. */
const mostMissing = 100
const eventIds = v.pipe(v.array(eventIdInput), v.maxLength(100))
const atEvent = v.looseObject({ event_id: eventIdInput })
const gap = v.looseObject({
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  min_depth: v.optional(v.pipe(v.number(), v.integer())),
  earliest_events: eventIds,
  latest_events: eventIds,
})

/** Events, state and history for servers that are in the room (Server-Server API, "Retrieving events", "Backfilling"). */
export function eventEndpoints(deps: EventDeps): Endpoint[] {
  return [singleEvent(deps), stateAt(deps), stateIdsAt(deps), eventAuth(deps), backfill(deps), missingEvents(deps)]
}

function singleEvent({ store, view, clock, serverName }: EventDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/event/:eventId',
    handle: async ({ server, params }) => {
      const record = await store.event(parameter.eventId(params))
      if (!record || record.stored.status === 'rejected') throw notFound('This event is not known here')
      const room = await view.sharedRoom(server, record.event.roomId)
      return transactionOf(await view.show(server, room, [record]), { clock, serverName })
    },
  })
}

function stateAt(deps: EventDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/state/:roomId',
    query: atEvent,
    handle: async ({ server, params, query }) => {
      const { state, chain } = await stateBefore(deps, { server, roomId: parameter.roomId(params), eventId: query.event_id })
      return { pdus: state.map(outgoingPdu), auth_chain: chain.map(outgoingPdu) }
    },
  })
}

function stateIdsAt(deps: EventDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/state_ids/:roomId',
    query: atEvent,
    handle: async ({ server, params, query }) => {
      const { state, chain } = await stateBefore(deps, { server, roomId: parameter.roomId(params), eventId: query.event_id })
      return { pdu_ids: state.map(idOf), auth_chain_ids: chain.map(idOf) }
    },
  })
}

function eventAuth({ store, view }: EventDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/event_auth/:roomId/:eventId',
    handle: async ({ server, params }) => {
      const room = await view.sharedRoom(server, parameter.roomId(params))
      const record = await view.event(room, parameter.eventId(params))
      return { auth_chain: (await authChain(store, [record.event.eventId])).map(outgoingPdu) }
    },
  })
}

function backfill({ store, view, clock, serverName }: EventDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/backfill/:roomId',
    query: v.looseObject({ v: eventIds, limit: integerText }),
    repeated: ['v'],
    handle: async ({ server, params, query }) => {
      const room = await view.sharedRoom(server, parameter.roomId(params))
      const limit = bounded(Number(query.limit), mostBackfilled)
      const records = await eventsBefore(store, { roomId: room.roomId, from: query.v, limit })
      return transactionOf(await view.show(server, room, records), { clock, serverName })
    },
  })
}

function missingEvents({ store, view }: EventDeps): Endpoint {
  return forServer({
    method: 'POST',
    path: '/_matrix/federation/v1/get_missing_events/:roomId',
    body: gap,
    handle: async ({ server, params, body }) => {
      const room: Room = await view.sharedRoom(server, parameter.roomId(params))
      const records = await eventsBetween(store, {
        roomId: room.roomId,
        earliest: body.earliest_events,
        latest: body.latest_events,
        limit: bounded(body.limit ?? 10, mostMissing),
        minDepth: body.min_depth ?? 0,
      })
      return { events: await view.show(server, room, records) }
    },
  })
}

async function stateBefore(
  { store, view }: EventDeps,
  at: { readonly server: ServerName; readonly roomId: RoomId; readonly eventId: EventId },
): Promise<{ state: EventRecord[]; chain: EventRecord[] }> {
  const room = await view.sharedRoom(at.server, at.roomId)
  const record = await view.event(room, at.eventId)
  if (record.stored.stateBefore === undefined) throw notFound('The state at this event is not known here')
  const state = await store.events((await store.stateBefore(record)).values())
  return { state: [...state.values()], chain: await authChain(store, state.keys()) }
}

function transactionOf(pdus: Pdu[], sent: { readonly clock: Clock; readonly serverName: ServerName }): JsonObject {
  return { origin: sent.serverName, origin_server_ts: sent.clock.now(), pdus }
}

function bounded(limit: number, most: number): number {
  return Math.max(0, Math.min(limit, most))
}

function idOf({ event }: EventRecord): EventId {
  return event.eventId
}
