import * as v from 'valibot'
import { type Endpoint, forUser, open } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { forbidden, missingParam, unknownError } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import type { Accounts } from '../../users/accounts.ts'
import type { Devices } from '../../users/devices.ts'
import { identifiedUser } from '../../users/password-login.ts'
import type { LoginRequest, Sessions } from '../../users/sessions.ts'

export interface LoginDeps {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly devices: Devices
}

/** What says on which device a login is, in the bodies of `/login` and `/register`. */
export const deviceFields = {
  device_id: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  initial_device_display_name: v.optional(v.pipe(v.string(), v.maxLength(255))),
  refresh_token: v.optional(v.boolean()),
}

/** Those fields as {@link Sessions.login} takes them. */
export function loginRequest(body: {
  readonly device_id?: string | undefined
  readonly initial_device_display_name?: string | undefined
  readonly refresh_token?: boolean | undefined
}): Omit<LoginRequest, 'address'> {
  return {
    refreshable: body.refresh_token ?? false,
    ...(body.device_id === undefined ? {} : { deviceId: body.device_id }),
    ...(body.initial_device_display_name === undefined ? {} : { displayName: body.initial_device_display_name }),
  }
}

const passwordLogin = v.looseObject({
  ...deviceFields,
  type: v.string(),
  identifier: v.optional(jsonObject),
  user: v.optional(v.string()),
  medium: v.optional(v.string()),
  password: v.optional(v.string()),
})

/** Logging in and out (Client-Server API, "Login"). */
export function loginEndpoints({ accounts, sessions, devices }: LoginDeps): Endpoint[] {
  return [
    open({
      method: 'GET',
      path: '/_matrix/client/v3/login',
      handle: () => ({ flows: [{ type: 'm.login.password' }] }),
    }),
    open({
      method: 'POST',
      path: '/_matrix/client/v3/login',
      body: passwordLogin,
      handle: async ({ body, origin }) => {
        if (body.type !== 'm.login.password') throw unknownError('This type of login is not offered', 400)
        const userId = await identified(accounts, body)
        return { user_id: userId, ...(await sessions.login(userId, { ...loginRequest(body), address: origin.address })) }
      },
    }),
    open({
      method: 'POST',
      path: '/_matrix/client/v3/refresh',
      body: v.looseObject({ refresh_token: v.string() }),
      handle: ({ body }) => sessions.refresh(body.refresh_token),
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/logout',
      handle: async ({ session }) => {
        await devices.remove(session.userId, [session.deviceId])
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/logout/all',
      handle: async ({ session }) => {
        await devices.removeAll(session.userId)
        return {}
      },
    }),
  ]
}

async function identified(accounts: Accounts, body: v.InferOutput<typeof passwordLogin>): Promise<UserId> {
  const userId = identifiedUser(body, accounts)
  if (userId === undefined) throw missingParam('identifier is missing')
  if (body.password === undefined) throw missingParam('password is missing')
  if (!(await accounts.hasPassword(userId, body.password))) throw forbidden('Invalid user name or password')
  return userId
}
