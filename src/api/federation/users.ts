import * as v from 'valibot'
import { type Endpoint, forServer, open } from '../../http/endpoint.ts'
import { invalidParam, notFound, unknownToken } from '../../spec/errors.ts'
import type { ServerName, UserId } from '../../spec/event.ts'
import { serverNameOf } from '../../spec/identifiers.ts'
import { isObject, type JsonObject, ownValue } from '../../spec/json.ts'
import { parameter, userIdInput } from './inputs.ts'

export interface UserDeps {
  readonly serverName: ServerName
  readonly profiles: { local(userId: UserId): Promise<JsonObject | undefined> }
  readonly deviceKeys: {
    queryLocal(deviceKeys: Record<UserId, string[]>): Promise<JsonObject>
    devicesOf(userId: UserId): Promise<JsonObject>
  }
  readonly oneTimeKeys: { claimLocal(oneTimeKeys: Record<UserId, Record<string, string>>): Promise<JsonObject> }
  readonly openIdTokens: { userOf(token: string): Promise<UserId | undefined> }
}

const shortText = v.pipe(v.string(), v.maxLength(255))
const userMap = <T extends v.GenericSchema>(value: T) =>
  v.custom<Record<UserId, v.InferOutput<T>>>(
    (map) => isObject(map) && Object.keys(map).length <= 1_000 && Object.values(map).every((entry) => v.is(value, entry)),
    'not a map of at most 1000 users',
  )
const wantedDevices = userMap(v.pipe(v.array(shortText), v.maxLength(1_000)))
const wantedKeys = userMap(
  v.custom<Record<string, string>>(
    (devices) =>
      isObject(devices) && Object.keys(devices).length <= 1_000 && Object.values(devices).every((algorithm) => v.is(shortText, algorithm)),
    'not a map of devices to algorithms',
  ),
)

/** Profiles, devices and keys of our users (Server-Server API, "Querying for information", "Device Management", "End-to-End Encryption"). */
export function userEndpoints(deps: UserDeps): Endpoint[] {
  return [
    forServer({
      method: 'GET',
      path: '/_matrix/federation/v1/query/profile',
      query: v.looseObject({ user_id: userIdInput, field: v.optional(shortText) }),
      handle: async ({ query: { user_id: userId, field } }) => {
        if (serverNameOf(userId) !== deps.serverName) throw invalidParam('The user is not of this server')
        const profile = await deps.profiles.local(userId)
        if (!profile) throw notFound('The user does not exist')
        if (field === undefined) return profile
        const value = ownValue(profile, field)
        if (value === undefined && field !== 'displayname' && field !== 'avatar_url') throw notFound('The profile has no such field')
        return value === undefined ? {} : { [field]: value }
      },
    }),
    forServer({
      method: 'GET',
      path: '/_matrix/federation/v1/user/devices/:userId',
      handle: async ({ params }) => {
        const userId = parameter.userId(params)
        if (serverNameOf(userId) !== deps.serverName) throw invalidParam('The user is not of this server')
        return deps.deviceKeys.devicesOf(userId)
      },
    }),
    forServer({
      method: 'POST',
      path: '/_matrix/federation/v1/user/keys/query',
      body: v.looseObject({ device_keys: wantedDevices }),
      handle: ({ body }) => deps.deviceKeys.queryLocal(ofServer(body.device_keys, deps.serverName)),
    }),
    forServer({
      method: 'POST',
      path: '/_matrix/federation/v1/user/keys/claim',
      body: v.looseObject({ one_time_keys: wantedKeys }),
      handle: async ({ body }) => ({
        one_time_keys: await deps.oneTimeKeys.claimLocal(ofServer(body.one_time_keys, deps.serverName)),
      }),
    }),
    open({
      method: 'GET',
      path: '/_matrix/federation/v1/openid/userinfo',
      query: v.looseObject({ access_token: v.optional(v.string()) }),
      handle: async ({ query: { access_token: token } }) => {
        const userId = token === undefined ? undefined : await deps.openIdTokens.userOf(token)
        if (userId === undefined) throw unknownToken('The access token is unknown or has expired')
        return { sub: userId }
      },
    }),
  ]
}

function ofServer<T>(map: Record<UserId, T>, server: ServerName): Record<UserId, T> {
  return Object.fromEntries(Object.entries(map).filter(([userId]) => serverNameOf(userId) === server))
}
