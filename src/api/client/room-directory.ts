import * as v from 'valibot'
import { type Endpoint, forAnyone, forUser, open } from '../../http/endpoint.ts'
import type { Directory } from '../../rooms/directory.ts'
import { publishedRoom, type RoomOverview } from '../../rooms/room-overview.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import { forbidden, invalidParam, notFound } from '../../spec/errors.ts'
import type { ServerName } from '../../spec/event.ts'
import { parseRoomAlias } from '../../spec/identifiers.ts'
import type { JsonObject } from '../../spec/json.ts'
import { powerLevelsOf } from '../../spec/power-levels.ts'
import { isServerName } from '../../spec/server-name.ts'
import type { RoomViews } from '../../sync/room-views.ts'
import { bounded, numberText, roomIdOf, tokenText } from './room-fields.ts'

/** What is asked of a directory, as `POST /publicRooms` has it. */
export interface PublicRoomsRequest {
  readonly limit?: number | undefined
  readonly since?: string | undefined
  readonly filter?:
    | { readonly generic_search_term?: string | undefined; readonly room_types?: readonly (string | null)[] | undefined }
    | undefined
}

export interface RoomDirectoryDeps {
  readonly directory: Directory
  readonly store: RoomStore
  readonly views: RoomViews
  readonly serverName: ServerName
  /** The published directory of another server, asked with a body of `POST /publicRooms`: its whole answer. */
  readonly remotePublicRooms: (server: ServerName, request: JsonObject) => Promise<JsonObject>
}

const aliasPath = '/_matrix/client/v3/directory/room/:roomAlias'
const listPath = '/_matrix/client/v3/directory/list/room/:roomId'
const publicRoomsPath = '/_matrix/client/v3/publicRooms'
const serverText = v.optional(v.pipe(v.string(), v.check(isServerName, 'not a server name')))
/** Published rooms in a page. */
const pageLimits = { fallback: 100, most: 500, least: 1 }

/** Room aliases and published rooms (Client-Server API, "Room aliases", "Published room directory"). */
export function roomDirectoryEndpoints(deps: RoomDirectoryDeps): Endpoint[] {
  return [...aliasEndpoints(deps), ...publishedEndpoints(deps), ...publicRoomsEndpoints(deps)]
}

function aliasEndpoints({ directory, views }: RoomDirectoryDeps): Endpoint[] {
  return [
    open({
      method: 'GET',
      path: aliasPath,
      handle: async ({ params }) => {
        const { roomId, servers } = await directory.resolve(aliasOf(params))
        return { room_id: roomId, servers: [...servers] }
      },
    }),
    forUser({
      method: 'PUT',
      path: aliasPath,
      body: v.object({ room_id: v.string() }),
      handle: async ({ session, params, body, keep }) => {
        const alias = aliasOf(params)
        const { room } = await views.openJoined(session, roomIdOf({ roomId: body.room_id }))
        await directory.add(alias, { roomId: room.roomId, creator: session.userId }, keep({}))
        return {}
      },
    }),
    forUser({
      method: 'DELETE',
      path: aliasPath,
      handle: async ({ session, params, keep }) => {
        await directory.remove(aliasOf(params), { userId: session.userId, isAdmin: session.admin, alongside: keep({}) })
        return {}
      },
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/:roomId/aliases',
      handle: async ({ session, params }) => {
        const roomId = roomIdOf(params)
        const view = await views.open(session, roomId)
        await views.requireReadable(session, view)
        return { aliases: await directory.aliasesOf(roomId) }
      },
    }),
  ]
}

function publishedEndpoints({ directory, store }: RoomDirectoryDeps): Endpoint[] {
  return [
    open({
      method: 'GET',
      path: listPath,
      handle: async ({ params }) => {
        const roomId = roomIdOf(params)
        if (!(await store.room(roomId))) throw notFound('There is no such room')
        return { visibility: (await directory.isPublished(roomId)) ? 'public' : 'private' }
      },
    }),
    forUser({
      method: 'PUT',
      path: listPath,
      body: v.object({ visibility: v.optional(v.picklist(['public', 'private'])) }),
      handle: async ({ session, params, body }) => {
        const roomId = roomIdOf(params)
        const room = await store.room(roomId)
        if (!room) throw notFound('There is no such room')
        const [create, levels, member] = await Promise.all([
          store.stateEvent(room.state, 'm.room.create', ''),
          store.stateEvent(room.state, 'm.room.power_levels', ''),
          store.stateEvent(room.state, 'm.room.member', session.userId),
        ])
        const power = powerLevelsOf(room.rules, create, levels)
        // Whoever may say what the room is called in public may put it there.
        const mayPublish =
          member?.content.membership === 'join' && power.user(session.userId) >= power.event('m.room.canonical_alias', true)
        if (!mayPublish && !session.admin) throw forbidden('You may not change whether this room is published')
        await directory.publish(roomId, body.visibility !== 'private')
        return {}
      },
    }),
  ]
}

function publicRoomsEndpoints(deps: RoomDirectoryDeps): Endpoint[] {
  const answer = async (server: ServerName | undefined, request: PublicRoomsRequest): Promise<JsonObject> =>
    server === undefined || server === deps.serverName
      ? publicRoomsPage(await deps.directory.published(), request)
      : deps.remotePublicRooms(server, bodyOf(request))
  return [
    forAnyone({
      method: 'GET',
      path: publicRoomsPath,
      query: v.object({ limit: v.optional(numberText), since: v.optional(tokenText), server: serverText }),
      handle: ({ session, query }) => {
        if (query.server !== undefined && query.server !== deps.serverName && !session)
          throw forbidden('Log in to see rooms of other servers')
        return answer(query.server, { since: query.since, ...(query.limit === undefined ? {} : { limit: Number(query.limit) }) })
      },
    }),
    forUser({
      method: 'POST',
      path: publicRoomsPath,
      query: v.object({ server: serverText }),
      body: v.object({
        limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
        since: v.optional(tokenText),
        filter: v.optional(
          v.object({
            generic_search_term: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(1024)))),
            room_types: v.optional(v.nullable(v.pipe(v.array(v.nullable(v.string())), v.maxLength(100)))),
          }),
        ),
        include_all_networks: v.optional(v.boolean()),
        third_party_instance_id: v.optional(v.nullable(v.string())),
      }),
      handle: ({ query, body }) => {
        const { generic_search_term: term, room_types: types } = body.filter ?? {}
        const filter = { ...(term ? { generic_search_term: term } : {}), ...(types ? { room_types: types } : {}) }
        return answer(query.server, { limit: body.limit, since: body.since, filter })
      },
    }),
  ]
}

/** One page of this server's directory, for clients and for other servers. Tokens are places in the sorted list. */
export function publicRoomsPage(published: readonly RoomOverview[], request: PublicRoomsRequest): JsonObject {
  const { generic_search_term: term = '', room_types: types } = request.filter ?? {}
  const found = published.filter((room) => matchesTerm(room, term) && (!types || types.includes(room.roomType ?? null)))
  const start = request.since === undefined ? 0 : placeOf(request.since)
  const limit = bounded(request.limit === undefined || request.limit === 0 ? undefined : String(request.limit), pageLimits)
  return {
    chunk: found.slice(start, start + limit).map(publishedRoom),
    ...(start + limit < found.length ? { next_batch: `p${start + limit}` } : {}),
    ...(start > 0 ? { prev_batch: `p${Math.max(0, start - limit)}` } : {}),
    total_room_count_estimate: found.length,
  }
}

/** A request as another server takes it. */
function bodyOf({ limit, since, filter }: PublicRoomsRequest): JsonObject {
  const { generic_search_term: term, room_types: types } = filter ?? {}
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(since === undefined ? {} : { since }),
    filter: { ...(term === undefined ? {} : { generic_search_term: term }), ...(types === undefined ? {} : { room_types: [...types] }) },
  }
}

function matchesTerm({ name = '', topic = '', canonicalAlias = '' }: RoomOverview, term: string): boolean {
  const wanted = term.toLowerCase()
  return [name, topic, canonicalAlias].some((text) => text.toLowerCase().includes(wanted))
}

function placeOf(token: string): number {
  const match = /^p(\d{1,9})$/.exec(token)
  if (!match) throw invalidParam('This is not a token of this directory')
  return Number(match[1])
}

function aliasOf({ roomAlias = '' }: Readonly<Record<string, string>>): string {
  if (!parseRoomAlias(roomAlias)) throw invalidParam('This is not a room alias')
  return roomAlias
}
