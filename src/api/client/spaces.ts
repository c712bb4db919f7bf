import * as v from 'valibot'
import { type Endpoint, forAnyone, forUser } from '../../http/endpoint.ts'
import type { Directory } from '../../rooms/directory.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import type { Spaces } from '../../rooms/spaces.ts'
import { forbidden, invalidParam, notFound } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import { isCompliantUserId, isRoomId } from '../../spec/identifiers.ts'
import { SharedRooms } from '../../sync/shared-rooms.ts'
import { booleanText, bounded, numberText, roomIdOf, serverNames, tokenText } from './room-fields.ts'

export interface SpacesDeps {
  readonly spaces: Spaces
  readonly directory: Directory
  readonly store: RoomStore
}

/** Rooms in a page of a walk through a space. */
const limits = { fallback: 50, most: 100, least: 1 }
const depths = { fallback: 10, most: 50 }
/** Who asks without an account is judged as a user who is nowhere. */
const nobody = ''

/** Rooms seen from outside: spaces, summaries, rooms in common. */
export function spaceEndpoints(deps: SpacesDeps): Endpoint[] {
  return [hierarchyEndpoint(deps), summaryEndpoint(deps), ...mutualRoomsEndpoints(deps)]
}

function hierarchyEndpoint({ spaces }: SpacesDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/:roomId/hierarchy',
    query: v.object({
      suggested_only: v.optional(booleanText),
      limit: v.optional(numberText),
      max_depth: v.optional(numberText),
      from: v.optional(tokenText),
    }),
    handle: async ({ session, params, query }) => {
      const limit = bounded(query.limit, limits)
      const maxDepth = bounded(query.max_depth, depths)
      const suggestedOnly = query.suggested_only === 'true'
      const start = query.from === undefined ? 0 : placeOf(query.from, { maxDepth, suggestedOnly })
      const wish = { userId: session.userId, maxDepth, suggestedOnly, limit: start + limit + 1 }
      const rooms = await spaces.walk(roomIdOf(params), wish)
      if (rooms.length === 0) throw forbidden('You may not see this room')
      return {
        rooms: rooms.slice(start, start + limit),
        ...(rooms.length > start + limit ? { next_batch: `h${start + limit}_${maxDepth}_${suggestedOnly}` } : {}),
      }
    },
  })
}

function summaryEndpoint({ spaces, directory, store }: SpacesDeps): Endpoint {
  return forAnyone({
    method: 'GET',
    // Clients of the time of MSC3266 ask under its name; whether we know it they learn by trying.
    path: ['/_matrix/client/v1/room_summary/:roomIdOrAlias', '/_matrix/client/unstable/im.nheko.summary/summary/:roomIdOrAlias'],
    query: v.object({ via: serverNames }),
    repeated: ['via'],
    handle: async ({ session, params: { roomIdOrAlias = '' }, query }) => {
      const isAlias = roomIdOrAlias.startsWith('#')
      const found = isAlias ? await directory.resolve(roomIdOrAlias) : { roomId: roomIdOf({ roomId: roomIdOrAlias }), servers: [] }
      // Only who is logged in may have us ask other servers.
      const via = session ? [...(query.via ?? []), ...found.servers] : []
      const room = await spaces.room(found.roomId, session?.userId ?? nobody, via)
      if (!room) throw notFound('There is no such room')
      const { children_state: _, ...summary } = room.json
      const membership = session && (await store.memberships(session.userId)).get(found.roomId)?.membership
      return { ...summary, ...(session ? { membership: membership ?? 'leave' } : {}) }
    },
  })
}

/** Rooms in a page of those shared with another user. */
const mostMutual = 100

function mutualRoomsEndpoints({ store }: SpacesDeps): Endpoint[] {
  const pageOf = async (userId: UserId, other: string, from: string | undefined) => {
    if (from !== undefined && !isRoomId(from)) throw invalidParam('This is no token of ours')
    if (other === userId) throw invalidParam('You share all of your rooms with yourself')
    if (!isCompliantUserId(other)) throw invalidParam('This is not a user id')
    const shared = await (await SharedRooms.of(store, await store.joinedRooms(userId))).sharedWith(other)
    const rest = shared.sort().filter((roomId) => from === undefined || roomId > from)
    const joined = rest.slice(0, mostMutual)
    return { joined, count: shared.length, next: rest.length > joined.length ? joined.at(-1) : undefined }
  }
  return [
    forUser({
      method: 'GET',
      path: '/_matrix/client/v1/mutual_rooms',
      query: v.object({ user_id: v.string(), from: v.optional(tokenText) }),
      handle: async ({ session, query }) => {
        const { joined, count, next } = await pageOf(session.userId, query.user_id, query.from)
        return { joined, count, ...(next ? { next_batch: next } : {}) }
      },
    }),
    // As it was while MSC2666 was a draft (Synapse's `rest/client/mutual_rooms.py`): clients still ask under that name.
    forUser({
      method: 'GET',
      path: '/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms',
      query: v.object({ user_id: v.string(), batch_token: v.optional(tokenText) }),
      handle: async ({ session, query }) => {
        const { joined, next } = await pageOf(session.userId, query.user_id, query.batch_token)
        return { joined, ...(next ? { next_batch_token: next } : {}) }
      },
    }),
  ]
}

/** A token holds for the walk that it was made in. */
function placeOf(token: string, { maxDepth, suggestedOnly }: { readonly maxDepth: number; readonly suggestedOnly: boolean }): number {
  const match = /^h(\d{1,6})_(\d{1,3})_(true|false)$/.exec(token)
  if (!match || Number(match[2]) !== maxDepth || match[3] !== String(suggestedOnly))
    throw invalidParam('This token belongs to another walk')
  return Number(match[1])
}
