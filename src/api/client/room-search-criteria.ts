import * as v from 'valibot'
import { roomEventFilter } from '../../users/filters.ts'

const contextLimit = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100)))
/** `room_events` of a search (Client-Server API, `POST /search`). */
export const roomEvents = v.object({
  search_term: v.pipe(v.string(), v.maxLength(1024)),
  keys: v.optional(v.array(v.picklist(['content.body', 'content.name', 'content.topic']))),
  filter: v.optional(roomEventFilter),
  order_by: v.optional(v.picklist(['recent', 'rank'])),
  event_context: v.optional(v.object({ before_limit: contextLimit, after_limit: contextLimit, include_profile: v.optional(v.boolean()) })),
  include_state: v.optional(v.boolean()),
  groupings: v.optional(v.object({ group_by: v.optional(v.array(v.object({ key: v.picklist(['room_id', 'sender']) }))) })),
})

/** What is searched for. */
export type Criteria = v.InferOutput<typeof roomEvents>
export type ContextWish = NonNullable<Criteria['event_context']>
