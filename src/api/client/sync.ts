import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { Sync } from '../../sync/sync.ts'
import type { StateAfterField } from '../../sync/sync-request.ts'
import { booleanText, filterText, numberText, tokenText } from './room-fields.ts'

const syncQuery = v.object({
  filter: v.optional(filterText),
  since: v.optional(tokenText),
  full_state: v.optional(booleanText),
  set_presence: v.optional(v.picklist(['offline', 'online', 'unavailable'])),
  timeout: v.optional(numberText),
  use_state_after: v.optional(booleanText),
  // The name before v1.16: matrix-js-sdk still asks by it.
  'org.matrix.msc4222.use_state_after': v.optional(booleanText),
})

/** `GET /sync` (Client-Server API, "Syncing"). */
export function syncEndpoints({ sync }: { readonly sync: Sync }): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/sync',
      query: syncQuery,
      handle: ({ session, query, signal }) =>
        sync.sync({
          userId: session.userId,
          deviceId: session.deviceId,
          ...(query.since === undefined ? {} : { since: query.since }),
          ...(query.filter === undefined ? {} : { filter: query.filter }),
          ...(query.set_presence === undefined ? {} : { setPresence: query.set_presence }),
          fullState: query.full_state === 'true',
          stateAfter: stateAfterField(query),
          timeoutMs: Number(query.timeout ?? 0),
          signal,
        }),
    }),
  ]
}

function stateAfterField(query: v.InferOutput<typeof syncQuery>): StateAfterField | undefined {
  if (query.use_state_after === 'true') return 'state_after'
  return query['org.matrix.msc4222.use_state_after'] === 'true' ? 'org.matrix.msc4222.state_after' : undefined
}
