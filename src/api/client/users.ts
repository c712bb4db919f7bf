import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { Logger } from '../../ports/logger.ts'
import type { RoomMembers } from '../../ports/room-members.ts'
import { invalidParam } from '../../spec/errors.ts'
import type { ServerName, UserId } from '../../spec/event.ts'
import { isCompliantUserId, parseUserId } from '../../spec/identifiers.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { OpenIdTokens } from '../../users/openid-tokens.ts'
import type { DirectoryEntry, UserDirectory } from '../../users/user-directory.ts'
import { ownUser } from './own-user.ts'

export interface UsersDeps {
  readonly userDirectory: UserDirectory
  readonly openIdTokens: OpenIdTokens
  readonly members: RoomMembers
  readonly serverName: ServerName
  readonly logger: Logger
}

const resultLimit = 100

/** Finding, proving and reporting users. */
export function usersEndpoints({ userDirectory, openIdTokens, members, serverName, logger }: UsersDeps): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/user_directory/search',
      body: v.looseObject({ search_term: v.string(), limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))) }),
      handle: async ({ session, body }) => {
        const limit = Math.min(body.limit ?? 10, resultLimit)
        const { results, limited } = await userDirectory.search(session.userId, body.search_term, limit)
        return { results: results.map(entryJson), limited }
      },
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v1/mutual_rooms',
      query: v.looseObject({ user_id: v.string() }),
      handle: async ({ session: { userId }, query }) => {
        if (!isCompliantUserId(query.user_id) || query.user_id === userId) throw invalidParam('user_id is not that of another user')
        const joined = await mutualRooms(members, userId, query.user_id)
        return { joined, count: joined.length }
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/user/:userId/openid/request_token',
      body: v.looseObject({}),
      handle: async ({ session, params }) => {
        const { token, expiresInSeconds } = await openIdTokens.issue(ownUser(session, params))
        return { access_token: token, token_type: 'Bearer', matrix_server_name: serverName, expires_in: expiresInSeconds }
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/users/:userId/report',
      body: v.looseObject({ reason: v.pipe(v.string(), v.maxLength(1000)) }),
      handle: ({ session, params: { userId = '' }, body }) => {
        if (!parseUserId(userId)) throw invalidParam('Not a user id')
        logger.log('warn', 'user reported', { by: session.userId, userId, reason: body.reason })
        return {}
      },
    }),
  ]
}

async function mutualRooms(members: RoomMembers, userId: UserId, other: UserId): Promise<string[]> {
  const rooms = await members.joinedRooms(userId)
  const shared = await Promise.all(rooms.map(async (roomId) => (await members.joinedUsers(roomId)).includes(other)))
  return rooms.filter((_, index) => shared[index])
}

function entryJson({ userId, displayName, avatarUrl }: DirectoryEntry): JsonObject {
  return {
    user_id: userId,
    ...(displayName === undefined ? {} : { display_name: displayName }),
    ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
  }
}
