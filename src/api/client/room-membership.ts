import * as v from 'valibot'
import { type Call, type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import type { Directory } from '../../rooms/directory.ts'
import type { RoomMembership } from '../../rooms/membership.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import { missingParam } from '../../spec/errors.ts'
import type { RoomId, ServerName } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import { thirdPartyUnsupported } from './room-creation.ts'
import { reasonText, roomIdOf, serverNames, userIdText } from './room-fields.ts'
import type { Inherit } from './room-inheritance.ts'

export interface RoomMembershipDeps {
  readonly membership: RoomMembership
  readonly directory: Directory
  readonly store: RoomStore
  readonly inherit: Inherit
}

const room = '/_matrix/client/v3/rooms/:roomId'
const withReason = v.object({ reason: reasonText, third_party_signed: v.optional(jsonObject) })
/** What a join by room id or alias says beside goes into the membership, as on Synapse (its `rest/client/room.py`), but for this. */
const withMore = v.intersect([jsonObject, withReason])
const ownOfServer = [
  'membership',
  'displayname',
  'avatar_url',
  'join_authorised_via_users_server',
  'third_party_invite',
  'third_party_signed',
]
const aboutUser = v.object({ user_id: userIdText, reason: reasonText })
const viaQuery = v.object({ via: serverNames, server_name: serverNames })
const repeated = ['via', 'server_name']

/** Coming to rooms and going (Client-Server API, "Room membership"). */
export function roomMembershipEndpoints(deps: RoomMembershipDeps): Endpoint[] {
  return [...ownMembership(deps), ...membershipOfOthers(deps)]
}

function ownMembership({ membership, directory, store, inherit }: RoomMembershipDeps): Endpoint[] {
  const enter = async (
    how: 'join' | 'knock',
    { session, params, query, body, keep }: Call<{ reason?: string | undefined }, v.InferOutput<typeof viaQuery>> & { session: Session },
    more: JsonObject = {},
  ) => {
    const via = [...(query.via ?? []), ...(query.server_name ?? [])]
    const { roomId, servers } = await resolve(params.roomIdOrAlias ?? '', via, directory)
    const content = { ...more, ...reasonOf(body) }
    const change = { userId: session.userId, roomId, via: servers, content, alongside: () => keep({ room_id: roomId }) }
    await (how === 'join' ? membership.join(change) : membership.knock(change))
    if (how === 'join') await inherit(session.userId, roomId)
    return { room_id: roomId }
  }
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/join/:roomIdOrAlias',
      body: withMore,
      query: viaQuery,
      repeated,
      handle: (call) => enter('join', call, without(call.body, ownOfServer)),
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/knock/:roomIdOrAlias',
      body: withReason,
      query: viaQuery,
      repeated,
      handle: (call) => enter('knock', call),
    }),
    forUser({
      method: 'POST',
      path: `${room}/join`,
      body: withReason,
      query: viaQuery,
      repeated,
      handle: (call) => enter('join', { ...call, params: { roomIdOrAlias: roomIdOf(call.params) } }),
    }),
    forUser({
      method: 'POST',
      path: `${room}/leave`,
      body: withReason,
      handle: async ({ session, params, body, keep }) => {
        const change = { userId: session.userId, roomId: roomIdOf(params), content: reasonOf(body) }
        await membership.leave({ ...change, alongside: () => keep({}) })
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: `${room}/forget`,
      body: jsonObject,
      handle: async ({ session, params }) => {
        await membership.forget(session.userId, roomIdOf(params))
        return {}
      },
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/joined_rooms',
      handle: async ({ session }) => ({ joined_rooms: await store.joinedRooms(session.userId) }),
    }),
  ]
}

function membershipOfOthers({ membership }: RoomMembershipDeps): Endpoint[] {
  const change = (how: 'kick' | 'ban' | 'unban') =>
    forUser({
      method: 'POST',
      path: `${room}/${how}`,
      body: aboutUser,
      handle: async ({ session, params, body, keep }) => {
        const change = { sender: session.userId, target: body.user_id, roomId: roomIdOf(params), content: reasonOf(body) }
        await membership[how]({ ...change, alongside: () => keep({}) })
        return {}
      },
    })
  return [
    change('kick'),
    change('ban'),
    change('unban'),
    forUser({
      method: 'POST',
      path: `${room}/invite`,
      body: v.object({ user_id: v.optional(userIdText), medium: v.optional(v.string()), reason: reasonText }),
      handle: async ({ session, params, body, keep }) => {
        if (body.user_id === undefined) throw body.medium === undefined ? missingParam('user_id is missing') : thirdPartyUnsupported()
        const change = { sender: session.userId, target: body.user_id, roomId: roomIdOf(params), content: reasonOf(body) }
        await membership.invite({ ...change, alongside: () => keep({}) })
        return {}
      },
    }),
  ]
}

/** The room a path names by id or alias, and the servers to go by. */
async function resolve(
  idOrAlias: string,
  via: readonly ServerName[],
  directory: Directory,
): Promise<{ roomId: RoomId; servers: ServerName[] }> {
  if (!idOrAlias.startsWith('#')) return { roomId: roomIdOf({ roomId: idOrAlias }), servers: [...via] }
  const { roomId, servers } = await directory.resolve(idOrAlias)
  return { roomId, servers: [...new Set([...via, ...servers])] }
}

function without(body: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))
}

function reasonOf({ reason }: { readonly reason?: string | undefined }): JsonObject {
  return reason === undefined ? {} : { reason }
}
