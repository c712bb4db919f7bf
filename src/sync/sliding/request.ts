import * as v from 'valibot'

/** Most lists and most subscriptions of one request (MSC4186, "Top-level"). */
export const mostLists = 100

const wholeNumber = v.pipe(v.number(), v.integer(), v.minValue(0))
const strings = v.array(v.string())
const types = v.array(v.nullable(v.string()))

const roomParameters = {
  required_state: v.pipe(v.array(v.strictTuple([v.string(), v.string()])), v.maxLength(1000)),
  timeline_limit: v.pipe(wholeNumber, v.maxValue(1000)),
}

const filters = v.object({
  is_dm: v.nullish(v.boolean()),
  spaces: v.nullish(v.pipe(strings, v.maxLength(1000))),
  is_encrypted: v.nullish(v.boolean()),
  is_invite: v.nullish(v.boolean()),
  room_types: v.nullish(types),
  not_room_types: v.nullish(types),
  room_name_like: v.nullish(v.string()),
  tags: v.nullish(strings),
  not_tags: v.nullish(strings),
})

const list = v.object({
  ...roomParameters,
  ranges: v.nullish(v.pipe(v.array(v.strictTuple([wholeNumber, wholeNumber])), v.maxLength(100))),
  slow_get_all_rooms: v.nullish(v.boolean()),
  filters: v.nullish(filters),
})

const extension = { enabled: v.nullish(v.boolean()) }
const roomExtension = v.object({ ...extension, lists: v.nullish(strings), rooms: v.nullish(strings) })

/** The body of a sliding sync as present clients send it (MSC4186, "Unstable prefix"; Synapse's synapse/types/rest/client). */
export const slidingSyncBody = v.object({
  conn_id: v.nullish(v.pipe(v.string(), v.maxLength(255))),
  lists: v.nullish(v.record(v.pipe(v.string(), v.maxLength(64)), list)),
  room_subscriptions: v.nullish(v.record(v.string(), v.object(roomParameters))),
  extensions: v.nullish(
    v.object({
      to_device: v.nullish(
        v.object({
          ...extension,
          limit: v.nullish(v.pipe(wholeNumber, v.minValue(1))),
          since: v.nullish(v.pipe(v.string(), v.regex(/^\d{1,15}$/))),
        }),
      ),
      e2ee: v.nullish(v.object(extension)),
      account_data: v.nullish(roomExtension),
      receipts: v.nullish(roomExtension),
      typing: v.nullish(roomExtension),
      'io.element.msc4308.thread_subscriptions': v.nullish(
        v.object({ ...extension, limit: v.nullish(v.pipe(wholeNumber, v.minValue(1))) }),
      ),
      'org.matrix.msc4354.sticky_events': v.nullish(
        v.object({
          ...extension,
          limit: v.nullish(v.pipe(wholeNumber, v.minValue(1))),
          since: v.nullish(v.pipe(v.string(), v.regex(/^sticky_\d{1,15}$/))),
        }),
      ),
    }),
  ),
})

export type SlidingSyncBody = v.InferOutput<typeof slidingSyncBody>
export type ListRequest = v.InferOutput<typeof list>
export type ListFilters = v.InferOutput<typeof filters>
export type RoomExtension = v.InferOutput<typeof roomExtension>
