import * as v from 'valibot'
import { type Endpoint, open, type RequestOrigin } from '../../http/endpoint.ts'
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
      handle: ({ query, body, origin }) => (query.kind === 'guest' ? registerGuest(deps, body, origin) : register(deps, body, origin)),
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

async function register(deps: RegistrationDeps, body: v.InferOutput<typeof registration>, origin: RequestOrigin): Promise<JsonObject> {
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
  const make = async () => {
    if (guest === undefined) return deps.accounts.create({ password, ...(username === undefined ? {} : { username }) })
    await deps.accounts.upgradeGuest(guest, password)
    return guest
  }
  const userId = registrationToken === undefined ? await make() : await registrationTokens.use(registrationToken, make)
  if (userId === undefined) throw forbidden('The registration token has no use left')
  if (body.inhibit_login) return { user_id: userId }
  return { user_id: userId, ...(await deps.sessions.login(userId, { ...loginRequest(body), address: origin.address })) }
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
async function registerGuest(
  { accounts, sessions, settings }: RegistrationDeps,
  body: v.InferOutput<typeof registration>,
  origin: RequestOrigin,
): Promise<JsonObject> {
  const isOpen = origin.trusted || settings.openRegistration
  if (!settings.guests || !isOpen) throw forbidden('Guest accounts are not offered')
  const userId = await accounts.create({ guest: true })
  const { displayName } = loginRequest(body)
  const device = { refreshable: body.refresh_token ?? false, address: origin.address }
  return { user_id: userId, ...(await sessions.login(userId, { ...device, ...(displayName === undefined ? {} : { displayName }) })) }
}
