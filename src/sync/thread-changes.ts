import type { JsonObject } from '../spec/json.ts'
import type { ThreadSubscriptionChange } from './sources.ts'

/** Changed thread subscriptions in an answer. */
export const mostThreadChanges = 512

/** Changed thread subscriptions as clients are told of them (MSC4308; `_serialise_thread_subscriptions` of Synapse's `rest/client/sync.py`). */
export function threadsJson(changes: readonly ThreadSubscriptionChange[]): JsonObject {
  const byRoom = (subscribed: boolean): JsonObject => {
    const rooms = Map.groupBy(
      changes.filter((change) => change.subscribed === subscribed),
      ({ roomId }) => roomId,
    )
    const threadsOf = (threads: readonly ThreadSubscriptionChange[]) =>
      Object.fromEntries(threads.map((thread) => [thread.root, threadJson(thread)]))
    return Object.fromEntries([...rooms].map(([roomId, threads]) => [roomId, threadsOf(threads)]))
  }
  const [subscribed, unsubscribed] = [byRoom(true), byRoom(false)]
  return {
    ...(Object.keys(subscribed).length > 0 ? { subscribed } : {}),
    ...(Object.keys(unsubscribed).length > 0 ? { unsubscribed } : {}),
  }
}

function threadJson({ subscribed, automatic, position }: ThreadSubscriptionChange): JsonObject {
  return { ...(subscribed ? { automatic } : {}), bump_stamp: position }
}
