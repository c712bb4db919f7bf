import * as v from 'valibot'
import { type Endpoint, forUser, open } from '../../http/endpoint.ts'
import type { DelayedEvents } from '../../rooms/delayed-events.ts'
import { invalidParam } from '../../spec/errors.ts'

const path = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events'
const actions = ['cancel', 'restart', 'send'] as const

/** Acting on delayed events (MSC4140; synapse/rest/client/delayed_events.py). Whoever knows an id needs no token. */
export function delayedEventsEndpoints({ delayedEvents }: { readonly delayedEvents: DelayedEvents }): Endpoint[] {
  const act = async (action: string, { delayId = '' }: Readonly<Record<string, string>>) => {
    const known = actions.find((name) => name === action)
    if (!known) throw invalidParam(`The action is one of ${actions.join(', ')}`)
    await delayedEvents[known](delayId)
    return {}
  }
  return [
    forUser({ method: 'GET', path, handle: ({ session }) => ({ delayed_events: delayedEvents.list(session.userId) }) }),
    open({
      method: 'POST',
      path: `${path}/:delayId`,
      body: v.object({ action: v.string() }),
      handle: ({ params, body }) => act(body.action, params),
    }),
    ...actions.map((action) => open({ method: 'POST', path: `${path}/:delayId/${action}`, handle: ({ params }) => act(action, params) })),
  ]
}
