import { sha256 } from '@noble/hashes/sha2.js'
import * as v from 'valibot'
import { last, put, type Storage } from '../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import { canonicalBytes } from '../spec/canonical-json.ts'
import { badJson, tooLarge } from '../spec/errors.ts'
import type { UserId } from '../spec/event.ts'
import { isRoomId, parseUserId } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import { filters } from '../storage/tables/users.ts'

/** Entries that a list in a filter may have. */
const listLimit = 10_000
/** Filters that a user may keep. */
const filterLimit = 1_000
const strings = v.optional(v.pipe(v.array(v.string()), v.maxLength(listLimit)))
const userIds = v.optional(
  v.pipe(
    v.array(
      v.pipe(
        v.string(),
        v.check((id) => parseUserId(id) !== undefined, 'not a user id'),
      ),
    ),
    v.maxLength(listLimit),
  ),
)
const roomIds = v.optional(v.pipe(v.array(v.pipe(v.string(), v.check(isRoomId, 'not a room id'))), v.maxLength(listLimit)))

const eventFilter = {
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  types: strings,
  not_types: strings,
  senders: userIds,
  not_senders: userIds,
}

/** A filter of room events (Client-Server API, `RoomEventFilter`), as `/messages` and others take it too. */
export const roomEventFilter = v.looseObject({
  ...eventFilter,
  rooms: roomIds,
  not_rooms: roomIds,
  contains_url: v.optional(v.boolean()),
  lazy_load_members: v.optional(v.boolean()),
  include_redundant_members: v.optional(v.boolean()),
  unread_thread_notifications: v.optional(v.boolean()),
})

/** A whole filter (Client-Server API, "Filtering"). */
export const filterSchema = v.looseObject({
  event_fields: strings,
  event_format: v.optional(v.picklist(['client', 'federation'])),
  presence: v.optional(v.looseObject(eventFilter)),
  account_data: v.optional(v.looseObject(eventFilter)),
  /** MSC4429. */
  'org.matrix.msc4429.profile_fields': v.optional(v.looseObject({ ids: strings })),
  room: v.optional(
    v.looseObject({
      rooms: roomIds,
      not_rooms: roomIds,
      include_leave: v.optional(v.boolean()),
      ephemeral: v.optional(roomEventFilter),
      state: v.optional(roomEventFilter),
      timeline: v.optional(roomEventFilter),
      account_data: v.optional(roomEventFilter),
    }),
  ),
})

/** `filter` itself, if it is one. Throws `M_BAD_JSON`. */
export function checkedFilter(filter: JsonObject): JsonObject {
  const result = v.safeParse(filterSchema, filter, { abortEarly: true })
  if (!result.success) throw badJson(`${v.getDotPath(result.issues[0]) ?? 'filter'}: ${result.issues[0].message}`)
  return filter
}

/** Filters that users uploaded. */
export class Filters {
  readonly #storage: Storage

  constructor(deps: { storage: Storage }) {
    this.#storage = deps.storage
  }

  /** Stores a filter that passed {@link filterSchema}; equal filters get one id. Throws `M_TOO_LARGE` where there are too many. */
  async add(userId: UserId, filter: JsonObject): Promise<string> {
    const id = encodeUrlSafeBase64(sha256(canonicalBytes(filter)).subarray(0, 9))
    if (await this.get(userId, id)) return id
    const range = { from: [userId, ''], to: [userId, last], limit: filterLimit } as const
    const kept = await this.#storage.read([filters], (tx) => tx.range(filters, range))
    if (kept.length >= filterLimit) throw tooLarge(`A user may have ${filterLimit} filters`)
    await this.#storage.commit([put(filters, [userId, id], filter)], 'strict')
    return id
  }

  get(userId: UserId, filterId: string): Promise<JsonObject | undefined> {
    return this.#storage.read([filters], (tx) => tx.get(filters, [userId, filterId]))
  }
}
