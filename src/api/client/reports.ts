import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Storage, Write } from '../../ports/storage.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import type { RoomViews } from '../../sync/room-views.ts'
import { eventIdOf, reasonText, roomIdOf, userIdOf } from './room-fields.ts'

interface ReportDeps {
  readonly storage: Storage
  readonly store: RoomStore
  readonly views: RoomViews
  readonly logger: Logger
}

const body = v.object({ reason: reasonText, score: v.optional(v.number()) })

/** Reports of content: whoever runs the homeserver finds them in its log (Client-Server API, "Reporting Content"). */
export function reportEndpoints({ storage, store, views, logger }: ReportDeps): Endpoint[] {
  // Kept before it is told of, so that a repeat of the request does not tell of it again.
  const report = async (what: string, fields: Readonly<Record<string, unknown>>, kept: readonly Write[]) => {
    if (kept.length > 0) await storage.commit(kept, 'strict')
    logger.log('warn', what, fields)
    return {}
  }
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/:roomId/report/:eventId',
      body,
      handle: async ({ session, params, body: { reason }, keep }) => {
        const view = await views.openJoined(session, roomIdOf(params)).catch(() => undefined)
        if (!view) throw notFound('There is no such event, or you may not see it')
        const { event } = await views.eventFor(view, eventIdOf(params))
        const { roomId, eventId, sender } = event
        return report('an event was reported', { by: session.userId, roomId, eventId, sender, reason }, keep({}))
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/:roomId/report',
      body,
      handle: async ({ session, params, body: { reason }, keep }) => {
        const roomId = roomIdOf(params)
        if (!(await store.room(roomId))) throw notFound('There is no such room')
        return report('a room was reported', { by: session.userId, roomId, reason }, keep({}))
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/users/:userId/report',
      body,
      handle: ({ session, params, body: { reason }, keep }) =>
        report('a user was reported', { by: session.userId, userId: userIdOf(params), reason }, keep({})),
    }),
  ]
}
