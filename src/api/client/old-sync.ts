import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import { notFound } from '../../spec/errors.ts'
import { isRoomId } from '../../spec/identifiers.ts'
import type { OldSync } from '../../sync/old-sync.ts'
import type { RoomViews } from '../../sync/room-views.ts'
import type { Tokens } from '../../sync/token.ts'
import { booleanText, bounded, eventIdOf, numberText, roomIdOf, tokenText } from './room-fields.ts'

export interface OldSyncDeps {
  readonly oldSync: OldSync
  readonly views: RoomViews
  readonly tokens: Tokens
}

/** Events of each room in an initial sync of old. */
const limits = { fallback: 10, most: 100 }

/** The deprecated ways to learn what is new (Client-Server API, "Syncing", "Room previews"). */
export function oldSyncEndpoints({ oldSync, views, tokens }: OldSyncDeps): Endpoint[] {
  return [
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/initialSync',
      query: v.object({ limit: v.optional(numberText), archived: v.optional(booleanText) }),
      handle: ({ session, query }) =>
        oldSync.initial(session, { limit: bounded(query.limit, limits), archived: query.archived === 'true' }),
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/:roomId/initialSync',
      query: v.object({ limit: v.optional(numberText) }),
      handle: ({ session, params, query }) => oldSync.room(session, roomIdOf(params), bounded(query.limit, limits)),
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/events',
      query: v.object({
        from: v.optional(tokenText),
        timeout: v.optional(numberText),
        room_id: v.optional(v.pipe(v.string(), v.check(isRoomId, 'not a room id'))),
      }),
      handle: ({ session, query, signal }) =>
        oldSync.events(session, {
          since: query.from === undefined ? tokens.newest : tokens.parseSync(query.from).position,
          roomId: query.room_id,
          timeoutMs: Number(query.timeout ?? 0),
          signal,
        }),
    }),
    forUser({
      method: 'GET',
      path: '/_matrix/client/v3/events/:eventId',
      handle: async ({ session, params }) => {
        const record = await views.store.event(eventIdOf(params))
        const view = record && (await views.open(session, record.event.roomId).catch(() => undefined))
        if (!record || !view) throw notFound('There is no such event, or you may not see it')
        const [event] = await views.aggregations.write([await views.eventFor(view, record.event.eventId)], view.audience)
        return event ?? {}
      },
    }),
  ]
}
