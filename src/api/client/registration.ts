import * as v from 'valibot'
import { type Endpoint, open, type RequestOrigin } from '../../http/endpoint.ts'
import { jsonObject } from '../../http/json-schema.ts'
import type { Settings } from '../../ports/settings.ts'
import { forbidden, invalidParam, MatrixError } from '../../spec/errors.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { Accounts } from '../../users/accounts.ts'
import type { InteractiveAuth } from '../../users/interactive-auth.ts'
import type { Sessions } from '../../users/sessions.ts'
import { deviceFields, loginRequest } from './login.ts'

export interface RegistrationDeps {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly interactiveAuth: InteractiveAuth
  readonly settings: Settings
}

const registration = v.looseObject({
  ...deviceFields,
  auth: v.optional(jsonObject),
  username: v.optional(v.string()),
  password: v.optional(v.string()),
  inhibit_login: v.optional(v.boolean()),
})

/** Making accounts (Client-Server API, "Account registration"). */
export function registrationEndpoints(deps: RegistrationDeps): Endpoint[] {
  return [
    open({
      method: 'POST',
      path: '/_matrix/client/v3/register',
      query: v.looseObject({ kind: v.optional(v.picklist(['user', 'guest'])) }),
      body: registration,
      handle: ({ query, body, origin }) => {
        if (query.kind === 'guest') throw forbidden('Guest accounts are not offered')
        return register(deps, body, origin)
      },
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
      // There are no registration tokens: whoever may register needs none.
      handle: () => ({ valid: false }),
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
  if (!origin.trusted && !deps.settings.openRegistration) throw forbidden('Registration is closed')
  if (username !== undefined) await deps.accounts.available(username)
  await deps.interactiveAuth.require(body.auth, { flows: [['m.login.dummy']], operation: 'register' })
  if (password === undefined) throw invalidParam('A password is required')
  const userId = await deps.accounts.create({ password, ...(username === undefined ? {} : { username }) })
  if (body.inhibit_login) return { user_id: userId }
  return { user_id: userId, ...(await deps.sessions.login(userId, { ...loginRequest(body), address: origin.address })) }
}
