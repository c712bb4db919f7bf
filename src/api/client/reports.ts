import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { Logger } from '../../ports/logger.ts'
import type { RoomStore } from '../../rooms/room-store.ts'
import { notFound } from '../../spec/errors.ts'
import type { RoomViews } from '../../sync/room-views.ts'
import { eventIdOf, reasonText, roomIdOf, userIdOf } from './room-fields.ts'

interface ReportDeps {
  readonly store: RoomStore
  readonly views: RoomViews
  readonly logger: Logger
}

const body = v.object({ reason: reasonText, score: v.optional(v.number()) })

/** Reports of content: whoever runs the homeserver finds them in its log (Client-Server API, "Reporting Content"). */
export function reportEndpoints({ store, views, logger }: ReportDeps): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/:roomId/report/:eventId',
      body,
      handle: async ({ session, params, body: { reason } }) => {
        const view = await views.openJoined(session, roomIdOf(params)).catch(() => undefined)
        if (!view) throw notFound('There is no such event, or you may not see it')
        const { event } = await views.eventFor(view, eventIdOf(params))
        logger.log('warn', 'an event was reported', {
          by: session.userId,
          roomId: event.roomId,
          eventId: event.eventId,
          sender: event.sender,
          reason,
        })
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/:roomId/report',
      body,
      handle: async ({ session, params, body: { reason } }) => {
        const roomId = roomIdOf(params)
        if (!(await store.room(roomId))) throw notFound('There is no such room')
        logger.log('warn', 'a room was reported', { by: session.userId, roomId, reason })
        return {}
      },
    }),
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/users/:userId/report',
      body,
      handle: ({ session, params, body: { reason } }) => {
        logger.log('warn', 'a user was reported', { by: session.userId, userId: userIdOf(params), reason })
        return {}
      },
    }),
  ]
}
