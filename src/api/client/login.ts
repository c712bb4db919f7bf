import * as v from 'valibot'
import { type Endpoint, forUser, open } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import { forbidden, missingParam, unknownError, userLocked } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { Accounts } from '../../users/accounts.ts'
import type { Devices } from '../../users/devices.ts'
import type { InteractiveAuth } from '../../users/interactive-auth.ts'
import { identifiedUser } from '../../users/password-login.ts'
import type { LoginRequest, Sessions } from '../../users/sessions.ts'
import type { SingleUseSecrets } from '../../users/single-use.ts'
import { loggedIn } from './logged-in.ts'

export interface LoginDeps {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly devices: Devices
  readonly interactiveAuth: InteractiveAuth
  readonly singleUse: SingleUseSecrets
}

const loginTokenMs = 2 * 60 * 1000
const flows: JsonObject[] = [{ type: 'm.login.password' }, { type: 'm.login.token', get_login_token: true }]

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

const login = v.looseObject({
  ...deviceFields,
  type: v.string(),
  identifier: v.optional(jsonObject),
  user: v.optional(v.string()),
  medium: v.optional(v.string()),
  password: v.optional(v.string()),
  token: v.optional(v.string()),
})

/** Logging in and out (Client-Server API, "Login"). */
export function loginEndpoints(deps: LoginDeps): Endpoint[] {
  const { sessions, devices } = deps
  return [
    open({
      method: 'GET',
      path: '/_matrix/client/v3/login',
      handle: () => ({ flows }),
    }),
    open({
      method: 'POST',
      path: '/_matrix/client/v3/login',
      body: login,
      handle: async ({ body, origin, keep }) => {
        const userId = await identified(deps, body)
        return loggedIn(sessions, userId, { login: { ...loginRequest(body), address: origin.address }, keep })
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v1/login/get_token',
      body: v.looseObject({ auth: v.optional(jsonObject) }),
      handle: async ({ session: { userId }, body, keep }) => {
        await deps.interactiveAuth.require(body.auth, { flows: [['m.login.password']], operation: 'login token', userId })
        const answer = (token: string) => ({ login_token: token, expires_in_ms: loginTokenMs })
        const alongside = (token: string) => keep(answer(token))
        return answer(await deps.singleUse.issue('login', { userId }, { lifetimeMs: loginTokenMs, alongside }))
      },
    }),
    open({
      method: 'POST',
      path: '/_matrix/client/v3/refresh',
      body: v.looseObject({ refresh_token: v.string() }),
      handle: ({ body, keep }) => sessions.refresh(body.refresh_token, (answer) => keep({ ...answer })),
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/logout',
      handle: async ({ session, keep }) => {
        await devices.remove(session.userId, [session.deviceId], keep({}))
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/logout/all',
      handle: async ({ session, keep }) => {
        await devices.removeAll(session.userId, { alongside: keep({}) })
        return {}
      },
    }),
  ]
}

/** The user whom a login proves. Throws `M_FORBIDDEN`, `M_MISSING_PARAM`, `M_UNKNOWN`, and `M_USER_LOCKED`. */
async function identified(deps: LoginDeps, body: v.InferOutput<typeof login>): Promise<UserId> {
  if (body.type !== 'm.login.password' && body.type !== 'm.login.token') throw unknownError('This type of login is not offered', 400)
  const userId = await (body.type === 'm.login.token' ? byToken(deps, body) : byPassword(deps, body))
  if ((await deps.accounts.moderation(userId))?.locked) throw userLocked()
  return userId
}

async function byToken({ singleUse, accounts }: LoginDeps, { token }: v.InferOutput<typeof login>): Promise<UserId> {
  if (token === undefined) throw missingParam('token is missing')
  const { userId } = (await singleUse.take('login', token)) ?? {}
  if (typeof userId !== 'string' || !(await accounts.moderation(userId))) throw forbidden('Invalid login token')
  return userId
}

async function byPassword({ accounts }: LoginDeps, body: v.InferOutput<typeof login>): Promise<UserId> {
  const userId = identifiedUser(body, accounts)
  if (userId === undefined) throw missingParam('identifier is missing')
  if (body.password === undefined) throw missingParam('password is missing')
  if (!(await accounts.hasPassword(userId, body.password))) throw forbidden('Invalid user name or password')
  return userId
}
