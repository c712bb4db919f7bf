import * as v from 'valibot'
import { invalidParam } from '../spec/errors.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { filterSchema, roomEventFilter } from '../users/filters.ts'

export type RoomEventFilter = v.InferOutput<typeof roomEventFilter>
export type Filter = v.InferOutput<typeof filterSchema>

/** Whatever a filter looks at. */
export interface Filtered {
  readonly type: string
  readonly sender?: UserId
  readonly roomId?: RoomId
  readonly content: JsonObject
}

/** Reads a filter that a client gave as JSON text. Throws `M_INVALID_PARAM`. */
export function parseFilter<T>(schema: v.GenericSchema<unknown, T>, text: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalidParam('filter is not valid JSON')
  }
  return checkFilter(schema, value)
}

/** A filter by its schema. Throws `M_INVALID_PARAM` where it breaks it. */
export function checkFilter<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (!result.success) throw invalidParam(`filter: ${v.getDotPath(result.issues[0]) ?? ''} ${result.issues[0].message}`)
  return result.output
}

/** Compiles a filter of single events to the test that it means. */
export function eventTest(filter: RoomEventFilter | undefined): (event: Filtered) => boolean {
  if (!filter) return () => true
  const tests: ((event: Filtered) => boolean)[] = []
  const { types, not_types: notTypes, senders, not_senders: notSenders, contains_url: containsUrl } = filter
  if (types) tests.push(typeTest(types))
  if (notTypes) tests.push(not(typeTest(notTypes)))
  if (senders) tests.push(memberTest(senders, ({ sender }) => sender))
  if (notSenders) tests.push(not(memberTest(notSenders, ({ sender }) => sender)))
  if (filter.rooms) tests.push(memberTest(filter.rooms, ({ roomId }) => roomId))
  if (filter.not_rooms) tests.push(not(memberTest(filter.not_rooms, ({ roomId }) => roomId)))
  if (containsUrl !== undefined) tests.push(({ content }) => Object.hasOwn(content, 'url') === containsUrl)
  return (event) => tests.every((test) => test(event))
}

/** Whether a filter lets anything of a room through. */
export function roomTest(
  filter: { readonly rooms?: readonly string[] | undefined; readonly not_rooms?: readonly string[] | undefined } | undefined,
): (roomId: RoomId) => boolean {
  const wanted = filter?.rooms && new Set(filter.rooms)
  const unwanted = new Set(filter?.not_rooms)
  return (roomId) => !unwanted.has(roomId) && (wanted === undefined || wanted.has(roomId))
}

/** A filter's limit within bounds. */
export function limitOf(
  filter: { readonly limit?: number | undefined } | undefined,
  bounds: { readonly fallback: number; readonly most: number },
): number {
  return Math.min(filter?.limit ?? bounds.fallback, bounds.most)
}

// Types match exactly, in their own case, but for `*`.
function typeTest(patterns: readonly string[]): (event: Filtered) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')))
  const globs = patterns.filter((pattern) => pattern.includes('*')).map(compileTypePattern)
  return ({ type }) => exact.has(type) || globs.some((matches) => matches(type))
}

function compileTypePattern(pattern: string): (type: string) => boolean {
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  const end = rest.pop() ?? ''
  return (type) => {
    if (!type.startsWith(first) || type.length < first.length + end.length || !type.endsWith(end)) return false
    let at = first.length
    const until = type.length - end.length
    for (const part of rest) {
      const found = type.indexOf(part, at)
      if (found === -1 || found + part.length > until) return false
      at = found + part.length
    }
    return at <= until
  }
}

function memberTest(values: readonly string[], of: (event: Filtered) => string | undefined): (event: Filtered) => boolean {
  const set = new Set(values)
  return (event) => {
    const value = of(event)
    return value !== undefined && set.has(value)
  }
}

function not(test: (event: Filtered) => boolean): (event: Filtered) => boolean {
  return (event) => !test(event)
}
