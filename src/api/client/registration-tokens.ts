import * as v from 'valibot'
import { type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { forbidden, invalidParam, notFound } from '../../spec/errors.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { StoredRegistrationToken } from '../../storage/tables/users.ts'
import type { RegistrationTokens } from '../../users/registration-tokens.ts'

const path = '/_synapse/admin/v1/registration_tokens'

const newToken = v.looseObject({
  token: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9._~-]{1,64}$/, 'is not made of 1 to 64 of A-Z, a-z, 0-9 and ._~-'))),
  uses_allowed: v.optional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(0)))),
  expiry_time: v.optional(v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(0)))),
})

/** How an administrator hands out registration tokens: the way of the common tools (Synapse, "Registration tokens API"). */
export function registrationTokensEndpoints({ registrationTokens }: { readonly registrationTokens: RegistrationTokens }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path,
      handle: async ({ session }) => {
        requireAdmin(session)
        return { registration_tokens: (await registrationTokens.list()).map(tokenJson) }
      },
    }),
    forUser({
      method: 'POST',
      path: `${path}/new`,
      body: newToken,
      handle: async ({ session, body }) => {
        requireAdmin(session)
        const bounds = {
          ...(typeof body.uses_allowed === 'number' ? { usesAllowed: body.uses_allowed } : {}),
          ...(typeof body.expiry_time === 'number' ? { expiresTs: body.expiry_time } : {}),
        }
        const token = await registrationTokens.create(body.token, bounds)
        if (token === undefined) throw invalidParam('There is such a token')
        return tokenJson([token, { ...bounds, completed: 0 }])
      },
    }),
    forUser({
      method: 'DELETE',
      path: `${path}/:token`,
      handle: async ({ session, params: { token = '' } }) => {
        requireAdmin(session)
        if (!(await registrationTokens.delete(token))) throw notFound('There is no such token')
        return {}
      },
    }),
  ]
}

function requireAdmin(session: Session): void {
  if (!session.admin) throw forbidden('Only administrators may do this')
}

function tokenJson([token, { usesAllowed, completed, expiresTs }]: readonly [string, StoredRegistrationToken]): JsonObject {
  return { token, uses_allowed: usesAllowed ?? null, pending: 0, completed, expiry_time: expiresTs ?? null }
}
