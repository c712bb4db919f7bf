import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { invalidParam } from '../../spec/errors.ts'
import { mostLists, slidingSyncBody } from '../../sync/sliding/request.ts'
import type { SlidingSync } from '../../sync/sliding/sliding-sync.ts'
import { numberText, tokenText } from './room-fields.ts'

const slidingSyncQuery = v.object({
  pos: v.optional(tokenText),
  timeout: v.optional(numberText),
  set_presence: v.optional(v.picklist(['offline', 'online', 'unavailable'])),
})

/** Simplified sliding sync (MSC4186). */
export function slidingSyncEndpoints({ sliding }: { readonly sliding: SlidingSync }): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync',
      query: slidingSyncQuery,
      body: slidingSyncBody,
      handle: ({ session, query, body, signal }) => {
        if (Object.keys(body.lists ?? {}).length > mostLists || Object.keys(body.room_subscriptions ?? {}).length > mostLists)
          throw invalidParam(`${mostLists} lists and ${mostLists} subscriptions at most`)
        return sliding.sync({
          userId: session.userId,
          deviceId: session.deviceId,
          ...(query.pos === undefined ? {} : { pos: query.pos }),
          ...(query.set_presence === undefined ? {} : { setPresence: query.set_presence }),
          timeoutMs: Number(query.timeout ?? 0),
          body,
          signal,
        })
      },
    }),
  ]
}
