import type { RoomEvent, UserId } from './event.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from './json.ts'
import type { RoomVersionRules } from './room-version.ts'

/** The levels of a room as its `m.room.power_levels` event, its create event and the defaults make them. */
export interface PowerLevels {
  readonly invite: number
  readonly kick: number
  readonly ban: number
  readonly redact: number
  readonly usersDefault: number
  /** The level of `userId`; `Infinity` for the creators of a room of version 12 or later. */
  user(userId: UserId): number
  /** The level needed to send an event of `type`, membership events aside. */
  event(type: string, isState: boolean): number
  /** The level needed to notify by `key`, such as `room` for `@room`. */
  notification(key: string): number
}

/** What was read of power levels events: one of them judges many events. */
const readBefore = new WeakMap<
  RoomEvent,
  { readonly rules: RoomVersionRules; readonly create: RoomEvent | undefined; readonly levels: PowerLevels }
>()

const stringLevel = /^\s*[+-]?\d+\s*$/

/**
 * One level as an event writes it, or `undefined` where it is none. Integers only from version 10; before it strings of an
 * integer count as well, and floats are truncated (room versions 1 to 9, "Deprecated event content schemas").
 */
export function readLevel(rules: RoomVersionRules, value: JsonValue | undefined): number | undefined {
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return value
    return rules.auth.integerPowerLevels || !Number.isFinite(value) ? undefined : Math.trunc(value)
  }
  if (rules.auth.integerPowerLevels || typeof value !== 'string' || !stringLevel.test(value)) return undefined
  const level = Number(value)
  return Number.isFinite(level) ? level : undefined
}

/**
 * Who made the room, in this order: the create event's `creator` until version 10, its sender from version 11, and from
 * version 12 its `additional_creators` after the sender.
 */
export function creatorsOf(rules: RoomVersionRules, create: RoomEvent): UserId[] {
  if (rules.auth.creatorInContent) {
    const creator = create.content.creator
    return typeof creator === 'string' ? [creator] : []
  }
  const additional = rules.auth.privilegedCreators ? create.content.additional_creators : undefined
  const others = Array.isArray(additional) ? additional.filter((creator) => typeof creator === 'string') : []
  return [create.sender, ...others]
}

/**
 * The levels in force under `create` and `powerLevels`, either of which a room may lack (Client-Server API,
 * `m.room.power_levels`; room version 12 for the creators). What the event writes wrongly reads as its default.
 */
export function powerLevelsOf(rules: RoomVersionRules, create: RoomEvent | undefined, powerLevels: RoomEvent | undefined): PowerLevels {
  if (powerLevels === undefined) return readPowerLevels(rules, create, powerLevels)
  const read = readBefore.get(powerLevels)
  if (read?.rules === rules && read.create === create) return read.levels
  const levels = readPowerLevels(rules, create, powerLevels)
  readBefore.set(powerLevels, { rules, create, levels })
  return levels
}

function readPowerLevels(rules: RoomVersionRules, create: RoomEvent | undefined, powerLevels: RoomEvent | undefined): PowerLevels {
  const content = powerLevels?.content ?? {}
  const level = (key: string, fallback: number): number => readLevel(rules, ownValue(content, key)) ?? fallback
  const [users, events, notifications] = [section(content, 'users'), section(content, 'events'), section(content, 'notifications')]
  const entry = (entries: JsonObject, key: string, fallback: number): number => readLevel(rules, ownValue(entries, key)) ?? fallback
  const creators = new Set(create === undefined ? [] : creatorsOf(rules, create))
  const creatorLevel = rules.auth.privilegedCreators ? Number.POSITIVE_INFINITY : powerLevels === undefined ? 100 : undefined
  const usersDefault = level('users_default', 0)
  const eventsDefault = level('events_default', 0)
  const stateDefault = level('state_default', 50)
  return {
    invite: level('invite', 0),
    kick: level('kick', 50),
    ban: level('ban', 50),
    redact: level('redact', 50),
    usersDefault,
    user: (userId) => (creatorLevel !== undefined && creators.has(userId) ? creatorLevel : entry(users, userId, usersDefault)),
    event: (type, isState) => entry(events, type, isState ? stateDefault : eventsDefault),
    notification: (key) => entry(notifications, key, 50),
  }
}

function section(content: JsonObject, key: string): JsonObject {
  const value = content[key]
  return isObject(value) ? value : {}
}
