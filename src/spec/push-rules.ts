import type { RoomEvent, UserId } from './event.ts'
import { compileGlob, containsPhrase } from './glob.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from './json.ts'
import type { PowerLevels } from './power-levels.ts'
import { readPropertyPath } from './property-path.ts'

/** One push rule, as clients send and receive it. */
export type PushRule = {
  readonly rule_id: string
  readonly default: boolean
  readonly enabled: boolean
  readonly actions: JsonValue[]
  /** Of `override`, `postcontent` and `underride` rules. */
  readonly conditions?: JsonObject[]
  /** Of `content` rules. */
  readonly pattern?: string
}

/** `postcontent` is of MSC4306, and has predefined rules alone. */
export type PushRuleKind = 'override' | 'content' | 'postcontent' | 'room' | 'sender' | 'underride'

/** All rules of a user, within each kind the most important first. */
export type PushRuleset = Readonly<Record<PushRuleKind, readonly PushRule[]>>

/** The kinds in the order in which they are tried. */
export const pushRuleKinds: readonly PushRuleKind[] = ['override', 'content', 'postcontent', 'room', 'sender', 'underride']

/** For whom and in what room an event is judged. */
export interface PushContext {
  readonly userId: UserId
  /** The user's display name in the room. */
  readonly displayName: string | undefined
  /** Joined members of the room. */
  readonly memberCount: number
  readonly powerLevels: PowerLevels
  /** Whether the user subscribes to the thread that the event is in; absent where it is in none (MSC4306). */
  readonly threadSubscribed?: boolean
}

/** What the rule that matched asks for. */
export interface PushVerdict {
  readonly ruleId: string
  /** The rule's actions without the historical ones, which mean nothing. */
  readonly actions: readonly JsonValue[]
  readonly notify: boolean
  readonly highlight: boolean
}

/**
 * The verdict of the first enabled rule that matches `event` (Client-Server API, "Push Rules"); `undefined` if none does, or
 * if the user sent the event.
 */
export function evaluatePushRules(ruleset: PushRuleset, event: RoomEvent, context: PushContext): PushVerdict | undefined {
  if (event.sender === context.userId) return undefined
  for (const kind of pushRuleKinds) {
    const rule = ruleset[kind].find((candidate) => candidate.enabled && ruleMatches(kind, candidate, { event, context }))
    if (rule !== undefined) return verdictOf(rule)
  }
  return undefined
}

function verdictOf(rule: PushRule): PushVerdict {
  const actions = rule.actions.filter((action) => action !== 'dont_notify' && action !== 'coalesce')
  const tweak = actions.find((action): action is JsonObject => isObject(action) && action.set_tweak === 'highlight')
  const highlight = tweak !== undefined && (tweak.value === undefined || tweak.value === true)
  return { ruleId: rule.rule_id, actions, notify: actions.includes('notify'), highlight }
}

interface Case {
  readonly event: RoomEvent
  readonly context: PushContext
}

function ruleMatches(kind: PushRuleKind, rule: PushRule, { event, context }: Case): boolean {
  switch (kind) {
    case 'override':
    case 'postcontent':
    case 'underride':
      return (rule.conditions ?? []).every((condition) => conditionHolds(condition, { event, context }))
    case 'content':
      return rule.pattern !== undefined && propertyMatches(event, 'content.body', rule.pattern)
    case 'room':
      return rule.rule_id === event.roomId
    case 'sender':
      return rule.rule_id === event.sender
  }
}

function conditionHolds(condition: JsonObject, { event, context }: Case): boolean {
  const { kind, key, pattern, value, is, subscribed } = condition
  if (kind === 'contains_display_name') return containsDisplayName(event, context.displayName)
  if (kind === 'room_member_count') return typeof is === 'string' && countMatches(is, context.memberCount)
  if (kind === 'io.element.msc4306.thread_subscription') return typeof subscribed === 'boolean' && subscribed === context.threadSubscribed
  if (typeof key !== 'string') return false
  switch (kind) {
    case 'event_match':
      return typeof pattern === 'string' && propertyMatches(event, key, pattern)
    case 'event_property_is':
      return isSimple(value) && propertyAt(event, key) === value
    case 'event_property_contains': {
      const values = propertyAt(event, key)
      return isSimple(value) && Array.isArray(values) && values.includes(value)
    }
    case 'sender_notification_permission':
      return context.powerLevels.user(event.sender) >= context.powerLevels.notification(key)
    default:
      return false
  }
}

function propertyMatches(event: RoomEvent, key: string, pattern: string): boolean {
  const value = propertyAt(event, key)
  if (typeof value !== 'string') return false
  const glob = compileGlob(pattern)
  return key === 'content.body' ? glob.matchesWords(value) : glob.matches(value)
}

function containsDisplayName(event: RoomEvent, displayName: string | undefined): boolean {
  const { body } = event.content
  return typeof body === 'string' && displayName !== undefined && containsPhrase(body, displayName)
}

const countCondition = /^(==|<=|>=|<|>)?(\d+)$/

function countMatches(condition: string, count: number): boolean {
  const match = countCondition.exec(condition)
  if (match === null) return false
  const bound = Number(match[2])
  switch (match[1]) {
    case '<':
      return count < bound
    case '>':
      return count > bound
    case '<=':
      return count <= bound
    case '>=':
      return count >= bound
    default:
      return count === bound
  }
}

/** Whether rules may compare with `value`: strings, safe integers, booleans and `null`. */
function isSimple(value: JsonValue | undefined): value is string | number | boolean | null {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
}

/** A property of the event as clients see it: in room version 12 a create event has a room id here. */
function propertyAt(event: RoomEvent, key: string): JsonValue | undefined {
  const [first, ...rest] = readPropertyPath(key)
  if (first === undefined) return undefined
  if (rest.length === 0 && first === 'room_id') return event.roomId
  if (rest.length === 0 && first === 'event_id') return event.eventId
  let value = ownValue(event.pdu, first)
  for (const name of rest) value = isObject(value) ? ownValue(value, name) : undefined
  return value
}
