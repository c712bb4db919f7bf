import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { forbidden } from '../../spec/errors.ts'
import type { Presence } from '../../users/presence.ts'
import { ownUser } from './own-user.ts'

const path = '/_matrix/client/v3/presence/:userId/status'

/** Who is online (Client-Server API, "Presence"). */
export function presenceEndpoints({ presence }: { readonly presence: Presence }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path,
      handle: async ({ session, params: { userId = '' } }) => {
        if (!(await presence.isVisible(session.userId, userId))) throw forbidden('You share no room with this user')
        return presence.content(userId) ?? { presence: 'offline' }
      },
    }),
    forUser({
      method: 'PUT',
      path,
      body: v.looseObject({
        presence: v.picklist(['online', 'unavailable', 'offline']),
        status_msg: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(1000)))),
      }),
      handle: async ({ session, params, body }) => {
        await presence.set(ownUser(session, params), body.presence, body.status_msg ?? undefined)
        return {}
      },
    }),
  ]
}
