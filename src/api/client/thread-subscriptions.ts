import * as v from 'valibot'
import { type Endpoint, forUser, type Session } from '../../http/endpoint.ts'
import { invalidParam, MatrixError, notFound } from '../../spec/errors.ts'
import { isEventId } from '../../spec/identifiers.ts'
import { relationOf } from '../../sync/relations.ts'
import type { RoomViews } from '../../sync/room-views.ts'
import { mostThreadChanges, threadsJson } from '../../sync/thread-changes.ts'
import type { Tokens } from '../../sync/token.ts'
import type { ThreadSubscriptions } from '../../users/thread-subscriptions.ts'
import { bounded, eventIdOf, numberText, roomIdOf, tokenText } from './room-fields.ts'

export interface ThreadSubscriptionsDeps {
  readonly threadSubscriptions: ThreadSubscriptions
  readonly views: RoomViews
  readonly tokens: Tokens
}

const path = '/_matrix/client/unstable/io.element.msc4306/rooms/:roomId/thread/:eventId/subscription'
/** Thread subscriptions in a page. */
const limits = { fallback: 100, most: mostThreadChanges }
const eventIdText = v.pipe(v.string(), v.check(isEventId, 'not an event id'))

/** Subscribing to threads (MSC4306, MSC4308; Synapse's `rest/client/thread_subscriptions.py`). */
export function threadSubscriptionsEndpoints(deps: ThreadSubscriptionsDeps): Endpoint[] {
  return [...subscriptionEndpoints(deps), listEndpoint(deps)]
}

function subscriptionEndpoints({ threadSubscriptions, views }: ThreadSubscriptionsDeps): Endpoint[] {
  const open = async (session: Session, params: Readonly<Record<string, string>>) => {
    const view = await views.open(session, roomIdOf(params)).catch(() => undefined)
    if (!view) throw notFound('There is no such thread, or you may not see it')
    const { event } = await views.eventFor(view, eventIdOf(params))
    return { view, thread: { roomId: event.roomId, root: event.eventId } }
  }
  return [
    forUser({
      method: 'GET',
      path,
      handle: async ({ session, params }) => {
        const { thread } = await open(session, params)
        const subscription = await threadSubscriptions.get(session.userId, thread)
        if (!subscription) throw notFound('You do not subscribe to this thread')
        return { automatic: subscription.automatic }
      },
    }),
    forUser({
      method: 'PUT',
      path,
      body: v.object({ automatic: v.nullish(eventIdText) }),
      handle: async ({ session, params, body: { automatic } }) => {
        const { view, thread } = await open(session, params)
        const cause = automatic ? await views.eventFor(view, automatic) : undefined
        if (cause) {
          const relation = relationOf(cause.event.content)
          if (relation?.type !== 'm.thread' || relation.parent !== thread.root) throw notInThread()
        }
        const point = cause && { position: cause.position, depth: cause.event.depth, live: cause.stored.live }
        await threadSubscriptions.subscribe(session.userId, thread, point)
        return {}
      },
    }),
    forUser({
      method: 'DELETE',
      path,
      handle: async ({ session, params }) => {
        const { thread } = await open(session, params)
        const [newest] = await views.store.timeline(thread.roomId, { direction: 'backwards', limit: 1 })
        await threadSubscriptions.unsubscribe(session.userId, thread, newest?.event.depth ?? 0)
        return {}
      },
    }),
  ]
}

/** What sliding sync had no room for, back to where the client was before. */
function listEndpoint({ threadSubscriptions, tokens }: ThreadSubscriptionsDeps): Endpoint {
  return forUser({
    method: 'GET',
    path: '/_matrix/client/unstable/io.element.msc4308/thread_subscriptions',
    query: v.object({ dir: v.literal('b'), from: v.optional(tokenText), to: v.optional(tokenText), limit: v.optional(numberText) }),
    handle: async ({ session, query }) => {
      const limit = bounded(query.limit, limits)
      if (limit === 0) throw invalidParam('limit is to be greater than 0')
      const upTo = query.from === undefined ? tokens.newest : tokens.parseSync(query.from).position
      const since = query.to === undefined ? 0 : tokens.parseSync(query.to).position
      const { changes, olderUpTo } = await threadSubscriptions.newest(session.userId, { since, upTo, limit })
      return { ...threadsJson(changes), ...(olderUpTo === undefined ? {} : { end: tokens.sync({ position: olderUpTo }) }) }
    },
  })
}

function notInThread(): MatrixError {
  return new MatrixError(400, 'IO.ELEMENT.MSC4306.M_NOT_IN_THREAD', { message: 'The event that caused it is not in the thread' })
}
