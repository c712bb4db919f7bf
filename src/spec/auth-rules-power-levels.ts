import { type AuthCase, allow, reject, type Verdict } from './auth-verdict.ts'
import { parseUserId } from './identifiers.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from './json.ts'
import { creatorsOf, readLevel } from './power-levels.ts'

const singleLevels = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite']

/** A level that an event would add, change or remove. */
interface Alteration {
  readonly name: string
  readonly current: number | undefined
  readonly proposed: number | undefined
}

/** The rules for `m.room.power_levels` (room version 12, rule 10). */
export function checkPowerLevels(judged: AuthCase): Verdict {
  const malformed = findMalformed(judged)
  if (malformed !== undefined) return reject(malformed)
  const current = judged.state('m.room.power_levels', '')
  if (current === undefined) return allow
  const forbidden = findForbidden(judged, current.content)
  return forbidden === undefined ? allow : reject(forbidden)
}

/** Rules 10.1 to 10.4: what a version does not allow in any `m.room.power_levels`. */
function findMalformed({ rules, event: { content }, create }: AuthCase): string | undefined {
  const isLevel = (value: JsonValue | undefined): boolean => readLevel(rules, value) !== undefined
  if (rules.auth.integerPowerLevels) {
    const single = singleLevels.find((name) => Object.hasOwn(content, name) && !isLevel(content[name]))
    if (single !== undefined) return `${single} is not an integer`
    const section = ['events', 'notifications'].find((name) => Object.hasOwn(content, name) && !isLevels(content[name], isLevel))
    if (section !== undefined) return `${section} is not an object of integers`
  }
  const { users } = content
  if (users === undefined) return undefined
  if (!isLevels(users, isLevel)) return 'users is not an object of integers'
  if (Object.keys(users).some((key) => parseUserId(key) === undefined)) return 'users names what is no user ID'
  if (rules.auth.privilegedCreators && creatorsOf(rules, create).some((creator) => Object.hasOwn(users, creator))) {
    return 'users names a creator of the room'
  }
  return undefined
}

function isLevels(value: JsonValue | undefined, isLevel: (level: JsonValue) => boolean): value is JsonObject {
  return isObject(value) && Object.values(value).every(isLevel)
}

/** Rules 10.6 to 10.10: what the sender's own level does not allow to add, change or remove. */
function findForbidden({ rules, event, levels }: AuthCase, current: JsonObject): string | undefined {
  const own = levels.user(event.sender)
  const sections = rules.auth.guardsNotificationLevels ? ['events', 'notifications'] : ['events']
  const altered = (name: string): Alteration[] => {
    const [before, after] = [section(current, name), section(event.content, name)]
    return alterations(before, after, { names: [...Object.keys(before), ...Object.keys(after)], read: (level) => readLevel(rules, level) })
  }
  const single = alterations(current, event.content, { names: singleLevels, read: (level) => readLevel(rules, level) })
  for (const { name, current, proposed } of [...single, ...sections.flatMap(altered)]) {
    if (isAbove(current, own)) return `the level of ${name} is above the sender's own`
    if (isAbove(proposed, own)) return `the new level of ${name} is above the sender's own`
  }
  for (const { name, current, proposed } of altered('users')) {
    if (name !== event.sender && current !== undefined && current >= own) return `${name} is not below the sender`
    if (isAbove(proposed, own)) return `${name} would be above the sender`
  }
  return undefined
}

function isAbove(level: number | undefined, own: number): boolean {
  return level !== undefined && level > own
}

function section(content: JsonObject, name: string): JsonObject {
  const value = content[name]
  return isObject(value) ? value : {}
}

function alterations(
  before: JsonObject,
  after: JsonObject,
  { names, read }: { names: readonly string[]; read: (level: JsonValue | undefined) => number | undefined },
): Alteration[] {
  return names
    .map((name) => ({ name, current: read(ownValue(before, name)), proposed: read(ownValue(after, name)) }))
    .filter(({ current, proposed }) => current !== proposed)
}
