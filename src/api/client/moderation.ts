import * as v from 'valibot'
import { type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { forbidden, invalidParam, missingParam, notFound } from '../../spec/errors.ts'
import type { ServerName } from '../../spec/event.ts'
import { parseUserId } from '../../spec/identifiers.ts'
import type { Accounts } from '../../users/accounts.ts'

export interface ModerationDeps {
  readonly accounts: Accounts
  readonly serverName: ServerName
}

const change = v.looseObject({ locked: v.optional(v.boolean()), suspended: v.optional(v.boolean()) })

/** Locking and suspending accounts (Client-Server API, "Account moderation"). */
export function moderationEndpoints({ accounts, serverName }: ModerationDeps): Endpoint[] {
  const target = async (session: Session, { userId = '' }: Readonly<Record<string, string>>) => {
    // Before anything is looked up: whoever may not ask learns nothing of who is here.
    if (!session.admin) throw forbidden('Only administrators may do this')
    if (parseUserId(userId)?.serverName !== serverName) throw invalidParam('This is no user of this homeserver')
    const standing = await accounts.moderation(userId)
    if (!standing) throw notFound('There is no such user')
    if (standing.admin && userId !== session.userId) throw forbidden('This user is an administrator too')
    return { userId, standing }
  }
  const endpointsOf = (path: string, what: 'locked' | 'suspended'): Endpoint[] => [
    forUser({
      method: 'GET',
      path,
      handle: async ({ session, params }) => ({ [what]: (await target(session, params)).standing[what] }),
    }),
    forUser({
      method: 'PUT',
      path,
      body: change,
      handle: async ({ session, params, body: { [what]: on } }) => {
        const { userId } = await target(session, params)
        if (on === undefined) throw missingParam(`${what} is missing`)
        if (userId === session.userId) throw forbidden('You cannot do this to your own account')
        await accounts.moderate(userId, what, on)
        return { [what]: on }
      },
    }),
  ]
  return [
    ...endpointsOf('/_matrix/client/v1/admin/lock/:userId', 'locked'),
    ...endpointsOf('/_matrix/client/v1/admin/suspend/:userId', 'suspended'),
  ]
}
