import * as v from 'valibot'
import { isObject, type JsonObject } from '../spec/json.ts'

/** Any JSON object, kept as it is. */
export const jsonObject = v.custom<JsonObject>(isObject, 'not an object')
