import * as v from 'valibot'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'

/** Any JSON object, kept as it is. */
export const jsonObject = v.custom<JsonObject>(isObject, 'not an object')

/** Any value that came out of the JSON parser. */
export const jsonValue = v.custom<JsonValue>((value) => value !== undefined, 'missing')
