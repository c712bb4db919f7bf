import { type Endpoint, forAnyone, forUser, type Session } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { forbidden, guestAccessForbidden, invalidParam, MatrixError, missingParam, notFound } from '../../spec/errors.ts'
import type { ServerName, UserId } from '../../spec/event.ts'
import { fitsBytes, parseUserId } from '../../spec/identifiers.ts'
import { type JsonObject, type JsonValue, ownValue } from '../../spec/json.ts'
import type { Profiles } from '../../users/profiles.ts'
import { ownUser } from './own-user.ts'

export interface ProfileDeps {
  readonly profiles: Profiles
  readonly serverName: ServerName
  /** Puts a user's display name and avatar into their membership of every room. */
  readonly updateMemberProfiles: (userId: UserId) => Promise<void>
}

const fieldName = /^(avatar_url|displayname|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+)$/
const path = '/_matrix/client/v3/profile/:userId'

/** Profiles of users of any server (Client-Server API, "Profiles"). */
export function profileEndpoints({ profiles, serverName, updateMemberProfiles }: ProfileDeps): Endpoint[] {
  const profileOf = async (userId: string, known: { loggedIn: boolean; field?: string }): Promise<JsonObject> => {
    const user = parseUserId(userId)
    if (!user) throw invalidParam('Not a user id')
    // Only who is logged in may have us ask other servers.
    if (user.serverName !== serverName && !known.loggedIn) throw forbidden('Log in to see profiles of users of other servers')
    const profile = await profiles.get(userId, known.field)
    if (!profile) throw notFound('There is no such user')
    return profile
  }
  const change = async ({ userId, guest }: Session, field: string, value: JsonValue | undefined) => {
    if (guest && field !== 'displayname') throw guestAccessForbidden('Guests may change their display name alone')
    const changed = await profiles.setField(userId, field, value)
    if (changed && isMemberField(field)) await updateMemberProfiles(userId)
    return {}
  }
  return [
    forAnyone({
      method: 'GET',
      path,
      handle: ({ session, params: { userId = '' } }) => profileOf(userId, { loggedIn: session !== undefined }),
    }),
    forAnyone({
      method: 'GET',
      path: `${path}/:field`,
      handle: async ({ session, params }) => {
        const field = checkedField(params)
        const profile = await profileOf(params.userId ?? '', { loggedIn: session !== undefined, field })
        const value = ownValue(profile, field)
        if (value === undefined) throw notFound('The profile has no such field')
        return Object.fromEntries([[field, value]])
      },
    }),
    forUser({
      method: 'PUT',
      path: `${path}/:field`,
      body: jsonObject,
      handle: ({ session, params, body }) => {
        ownUser(session, params)
        const field = checkedField(params)
        const value = ownValue(body, field)
        if (value === undefined) throw missingParam(`${field} is missing`)
        return change(session, field, checkedValue(field, value))
      },
    }),
    forUser({
      method: 'DELETE',
      path: `${path}/:field`,
      handle: ({ session, params }) => {
        ownUser(session, params)
        return change(session, checkedField(params), undefined)
      },
    }),
  ]
}

function isMemberField(field: string): boolean {
  return field === 'displayname' || field === 'avatar_url'
}

function checkedField({ field = '' }: Readonly<Record<string, string>>): string {
  if (!fitsBytes(field)) throw new MatrixError(400, 'M_KEY_TOO_LARGE', { message: 'The name of the field exceeds 255 bytes' })
  if (!fieldName.test(field)) throw invalidParam('This is no name of a profile field')
  return field
}

/** Clients of old remove a name or an avatar by setting it to nothing. */
function checkedValue(field: string, value: JsonValue): JsonValue | undefined {
  if (!isMemberField(field)) return value
  if (typeof value !== 'string' || value.length > 1000) throw invalidParam(`${field} is not a string of at most 1000 characters`)
  return value === '' ? undefined : value
}
