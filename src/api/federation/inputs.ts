import * as v from 'valibot'
import { invalidParam } from '../../spec/errors.ts'
import type { EventId, RoomId, UserId } from '../../spec/event.ts'
import { isEventId, isRoomId, parseUserId } from '../../spec/identifiers.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'

/** A JSON object of any content. */
export const anyObject = v.custom<JsonObject>(isObject, 'not an object')
export const eventIdInput = v.pipe(v.string(), v.check(isEventId, 'not an event id'))
export const userIdInput = v.pipe(
  v.string(),
  v.check((id) => parseUserId(id) !== undefined, 'not a user id'),
)

/**
 * How deep a request with events may nest: as deep as its signature can be checked. One event that is too deep for us thus costs
 * us none of the others.
 */
export const pduNestingLimit = 1_500

/** A whole number in the query. */
export const integerText = v.pipe(v.string(), v.regex(/^-?\d{1,15}$/, 'not an integer'))

/** The path parameters of an endpoint, checked. Each throws `M_INVALID_PARAM`. */
export const parameter = {
  roomId: ({ roomId = '' }: Readonly<Record<string, string>>): RoomId => {
    if (!isRoomId(roomId)) throw invalidParam('The room id is malformed')
    return roomId
  },
  eventId: ({ eventId = '' }: Readonly<Record<string, string>>): EventId => {
    if (!isEventId(eventId)) throw invalidParam('The event id is malformed')
    return eventId
  },
  userId: ({ userId = '' }: Readonly<Record<string, string>>): UserId => {
    if (parseUserId(userId) === undefined) throw invalidParam('The user id is malformed')
    return userId
  },
}
