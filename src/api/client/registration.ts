import * as v from 'valibot'
import { type Call, type Endpoint, open } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import type { Settings } from '../../ports/settings.ts'
import { forbidden, invalidParam, MatrixError } from '../../spec/errors.ts'
import type { UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { Accounts } from '../../users/accounts.ts'
import type { InteractiveAuth } from '../../users/interactive-auth.ts'
import type { RegistrationTokens } from '../../users/registration-tokens.ts'
import type { Sessions } from '../../users/sessions.ts'
import type { Tokens } from '../../users/tokens.ts'
import { loggedIn, registerLoggedIn } from './logged-in.ts'
import { deviceFields, loginRequest } from './login.ts'

export interface RegistrationDeps {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly interactiveAuth: InteractiveAuth
  readonly registrationTokens: RegistrationTokens
  readonly tokens: Tokens
  readonly settings: Settings
}

const registration = v.looseObject({
  ...deviceFields,
  auth: v.optional(jsonObject),
  username: v.optional(v.string()),
  password: v.optional(v.string()),
  inhibit_login: v.optional(v.boolean()),
  guest_access_token: v.optional(v.string()),
})

/** Making accounts (Client-Server API, "Account registration"). */
export function registrationEndpoints(deps: RegistrationDeps): Endpoint[] {
  return [
    open({
      method: 'POST',
      path: '/_matrix/client/v3/register',
      query: v.looseObject({ kind: v.optional(v.picklist(['user', 'guest'])) }),
      body: registration,
      handle: ({ query, ...call }) => (query.kind === 'guest' ? registerGuest(deps, call) : register(deps, call)),
    }),
    open({
      method: 'GET',
      path: '/_matrix/client/v3/register/available',
      query: v.looseObject({ username: v.string() }),
      handle: async ({ query }) => {
        await deps.accounts.available(query.username)
        return { available: true }
      },
    }),
    open({
      method: 'GET',
      path: '/_matrix/client/v1/register/m.login.registration_token/validity',
      query: v.looseObject({ token: v.string() }),
      handle: async ({ query }) => ({ valid: await deps.registrationTokens.isValid(query.token) }),
    }),
    open({
      method: 'POST',
      path: ['/_matrix/client/v3/register/email/requestToken', '/_matrix/client/v3/register/msisdn/requestToken'],
      body: v.looseObject({}),
      handle: () => {
        throw new MatrixError(403, 'M_THREEPID_DENIED', { message: 'Accounts here have no e-mail addresses or phone numbers' })
      },
    }),
  ]
}

type Registration = Pick<Call<v.InferOutput<typeof registration>, unknown>, 'body' | 'origin' | 'keep'>

async function register(deps: RegistrationDeps, { body, origin, keep }: Registration): Promise<JsonObject> {
  const { username, password } = body
  const { registrationTokens } = deps
  const isOpen = origin.trusted || deps.settings.openRegistration
  if (!isOpen && !(await registrationTokens.areAny())) throw forbidden('Registration is closed')
  const guest = await upgradedGuest(deps, body)
  if (username !== undefined && guest === undefined) await deps.accounts.available(username)
  const { registrationToken } = await deps.interactiveAuth.require(body.auth, {
    flows: [[isOpen ? 'm.login.dummy' : 'm.login.registration_token']],
    operation: 'register',
    isRegistrationToken: (token) => registrationTokens.isValid(token),
  })
  if (password === undefined) throw invalidParam('A password is required')
  const account = { password, ...(username === undefined ? {} : { username }) }
  const login = { ...loginRequest(body), address: origin.address }
  const make = async (): Promise<JsonObject> => {
    if (guest !== undefined) await deps.accounts.upgradeGuest(guest, password)
    if (guest !== undefined) return body.inhibit_login ? { user_id: guest } : loggedIn(deps.sessions, guest, { login, keep })
    if (body.inhibit_login) return { user_id: await deps.accounts.create(account, (userId) => keep({ user_id: userId })) }
    return registerLoggedIn(deps, account, { login, keep })
  }
  const answer = registrationToken === undefined ? await make() : await registrationTokens.use(registrationToken, make)
  if (answer === undefined) throw forbidden('The registration token has no use left')
  return answer
}

/** The guest whose account becomes an ordinary one, if the request asks for that. Throws `M_FORBIDDEN`. */
async function upgradedGuest(deps: RegistrationDeps, body: v.InferOutput<typeof registration>): Promise<UserId | undefined> {
  if (body.guest_access_token === undefined) return undefined
  const known = await deps.tokens.find(body.guest_access_token)
  if (!known?.standing.guest) throw forbidden('This is no access token of a guest')
  if (body.username === undefined || deps.accounts.userIdOf(body.username) !== known.userId) {
    throw invalidParam('username is not that of the guest')
  }
  return known.userId
}

/** Makes a guest (Client-Server API, "Guest access"). Its device id is always made up. */
async function registerGuest(deps: RegistrationDeps, { body, origin, keep }: Registration): Promise<JsonObject> {
  const isOpen = origin.trusted || deps.settings.openRegistration
  if (!deps.settings.guests || !isOpen) throw forbidden('Guest accounts are not offered')
  const { displayName } = loginRequest(body)
  const device = { refreshable: body.refresh_token ?? false, address: origin.address }
  return registerLoggedIn(deps, { guest: true }, { login: { ...device, ...(displayName === undefined ? {} : { displayName }) }, keep })
}
