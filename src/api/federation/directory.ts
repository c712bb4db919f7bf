import * as v from 'valibot'
import { closestEvent } from '../../federation/closest-event.ts'
import type { ServerView } from '../../federation/server-view.ts'
import type { SpaceView } from '../../federation/space-view.ts'
import { type Endpoint, forServer } from '../../http/endpoint.ts'
import type { Directory } from '../../rooms/directory.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import { invalidParam, notFound } from '../../spec/errors.ts'
import type { ServerName } from '../../spec/event.ts'
import { parseRoomAlias } from '../../spec/identifiers.ts'
import { publicRoomsPage } from '../client/room-directory.ts'
import { integerText, parameter } from './inputs.ts'

export interface DirectoryDeps {
  readonly directory: Directory
  readonly spaces: SpaceView
  readonly store: RoomStore
  readonly view: ServerView
  readonly serverName: ServerName
}

const text = v.pipe(v.string(), v.maxLength(1_024))
const publicRoomsBody = v.looseObject({
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  since: v.optional(text),
  filter: v.optional(
    v.looseObject({
      generic_search_term: v.nullish(text),
      room_types: v.nullish(v.pipe(v.array(v.nullable(text)), v.maxLength(100))),
    }),
  ),
})

/** Aliases, published rooms, spaces and points in time, for other servers (Server-Server API, "Published Room Directory", "Spaces"). */
export function directoryEndpoints(deps: DirectoryDeps): Endpoint[] {
  return [alias(deps), ...publicRooms(deps), hierarchy(deps), timestampToEvent(deps)]
}

function alias({ directory, serverName }: DirectoryDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/query/directory',
    query: v.looseObject({ room_alias: v.string() }),
    handle: async ({ query: { room_alias: wanted } }) => {
      if (parseRoomAlias(wanted)?.serverName !== serverName) throw invalidParam('This is no room alias of this server')
      const { roomId, servers } = await directory.resolve(wanted)
      return { room_id: roomId, servers: [...servers] }
    },
  })
}

function publicRooms({ directory }: DirectoryDeps): Endpoint[] {
  return [
    forServer({
      method: 'GET',
      path: '/_matrix/federation/v1/publicRooms',
      query: v.looseObject({ limit: v.optional(integerText), since: v.optional(text) }),
      handle: async ({ query: { limit, since } }) =>
        publicRoomsPage(await directory.published(), { since, ...(limit === undefined ? {} : { limit: Math.max(0, Number(limit)) }) }),
    }),
    forServer({
      method: 'POST',
      path: '/_matrix/federation/v1/publicRooms',
      body: publicRoomsBody,
      handle: async ({ body: { limit, since, filter } }) => {
        const { generic_search_term: term, room_types: types } = filter ?? {}
        return publicRoomsPage(await directory.published(), {
          limit,
          since,
          filter: { ...(term ? { generic_search_term: term } : {}), ...(types ? { room_types: types } : {}) },
        })
      },
    }),
  ]
}

function hierarchy({ spaces }: DirectoryDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/hierarchy/:roomId',
    query: v.looseObject({ suggested_only: v.optional(v.picklist(['true', 'false'])) }),
    handle: ({ server, params, query }) => spaces.hierarchy(server, parameter.roomId(params), query.suggested_only === 'true'),
  })
}

function timestampToEvent({ store, view }: DirectoryDeps): Endpoint {
  return forServer({
    method: 'GET',
    path: '/_matrix/federation/v1/timestamp_to_event/:roomId',
    query: v.looseObject({ ts: integerText, dir: v.picklist(['f', 'b']) }),
    handle: async ({ server, params, query }) => {
      const room = await view.sharedRoom(server, parameter.roomId(params))
      const record = await closestEvent(store, { roomId: room.roomId, ts: Number(query.ts), direction: query.dir })
      if (!record) throw notFound('There is no such event')
      return { event_id: record.event.eventId, origin_server_ts: record.event.originServerTs }
    },
  })
}
