import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { ServerName } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { OpenIdTokens } from '../../users/openid-tokens.ts'
import type { DirectoryEntry, UserDirectory } from '../../users/user-directory.ts'
import { ownUser } from './own-user.ts'

export interface UsersDeps {
  readonly userDirectory: UserDirectory
  readonly openIdTokens: OpenIdTokens
  readonly serverName: ServerName
}

/** Users that a search of the user directory finds. */
const resultLimit = 100

/** Finding users, and proving who they are. */
export function usersEndpoints({ userDirectory, openIdTokens, serverName }: UsersDeps): Endpoint[] {
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
      method: 'POST',
      path: '/_matrix/client/v3/user/:userId/openid/request_token',
      body: v.looseObject({}),
      handle: async ({ session, params, keep }) => {
        const answer = ({ token, expiresInSeconds }: { readonly token: string; readonly expiresInSeconds: number }) => ({
          ...{ access_token: token, token_type: 'Bearer', matrix_server_name: serverName, expires_in: expiresInSeconds },
        })
        return answer(await openIdTokens.issue(ownUser(session, params), (issued) => keep(answer(issued))))
      },
    }),
  ]
}

function entryJson({ userId, displayName, avatarUrl }: DirectoryEntry): JsonObject {
  return {
    user_id: userId,
    ...(displayName === undefined ? {} : { display_name: displayName }),
    ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
  }
}
