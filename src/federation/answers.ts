import * as v from 'valibot'
import type { ServerName } from '../spec/event.ts'
import { isEventId, isRoomId } from '../spec/identifiers.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { isServerName } from '../spec/server-name.ts'
import { nonsense } from './client.ts'

/** A JSON object of any content: what a PDU is until it is parsed. */
export const anyObject = v.custom<JsonObject>(isObject)
export const eventId = v.pipe(v.string(), v.check(isEventId))
export const roomId = v.pipe(v.string(), v.check(isRoomId))
export const serverName = v.pipe(v.string(), v.check(isServerName))

/** A list of at most `most` entries. */
export function listOf<T extends v.GenericSchema>(entry: T, most: number) {
  return v.pipe(v.array(entry), v.maxLength(most))
}

/** Throws a 502 unless the answer of `from` has this shape; the raw value itself is what is used then. */
export function assertAnswer<T>(schema: v.GenericSchema<unknown, T>, answer: JsonValue, from: ServerName): asserts answer is JsonValue & T {
  if (!v.is(schema, answer)) throw nonsense(from)
}
