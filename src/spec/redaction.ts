import type { Pdu } from './event.ts'
import { isObject, type JsonObject, type JsonValue } from './json.ts'
import type { RedactionRules, RoomVersionRules } from './room-version.ts'

/** The top-level keys that stay (rooms/v11, "Redactions"), in alphabetical order, as they are hashed. */
const keptKeys = [
  'auth_events',
  'content',
  'depth',
  'event_id',
  'hashes',
  'origin_server_ts',
  'prev_events',
  'room_id',
  'sender',
  'signatures',
  'state_key',
  'type',
]
/** Those that stay in versions 1 to 10 (rooms/v1, "Redactions"). */
const keptKeysUntilV10 = [
  'auth_events',
  'content',
  'depth',
  'event_id',
  'hashes',
  'membership',
  'origin',
  'origin_server_ts',
  'prev_events',
  'prev_state',
  'room_id',
  'sender',
  'signatures',
  'state_key',
  'type',
]

const levelKeys = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default']

/**
 * What is left of `pdu` once redacted, by the redaction algorithm of its room version (room versions 1, 6, 8, 9 and 11, "Redactions"). A new object; the given one stays.
 * Never fails: what an event has in the wrong shape is dropped like any other key.
 */
export function redact(pdu: Pdu, rules: RoomVersionRules): Pdu {
  const redacted = pick(pdu, rules.redaction.keepsObsoleteTopLevel ? keptKeysUntilV10 : keptKeys)
  if (isObject(pdu.content)) redacted.content = redactContent(pdu.type, pdu.content, rules.redaction)
  return redacted
}

function redactContent(type: JsonValue | undefined, content: JsonObject, rules: RedactionRules): JsonObject {
  if (type === 'm.room.create' && rules.keepsCreateContent) return content
  const kept = pick(content, keptContentKeys(type, rules))
  if (type === 'm.room.member' && rules.keepsThirdPartySigned && isObject(content.third_party_invite)) {
    // Stays even where it holds no `signed`, as an empty object: so other servers read it, and the event id hangs on it.
    kept.third_party_invite = pick(content.third_party_invite, ['signed'])
  }
  return kept
}

/** The keys of `content` that stay, by the type of the event. */
function keptContentKeys(type: JsonValue | undefined, rules: RedactionRules): readonly string[] {
  switch (type) {
    case 'm.room.member':
      return rules.keepsJoinAuthoriser ? ['membership', 'join_authorised_via_users_server'] : ['membership']
    case 'm.room.create':
      return ['creator']
    case 'm.room.join_rules':
      return rules.keepsJoinRuleAllow ? ['join_rule', 'allow'] : ['join_rule']
    case 'm.room.power_levels':
      return rules.keepsInviteLevel ? [...levelKeys, 'invite'] : levelKeys
    case 'm.room.history_visibility':
      return ['history_visibility']
    case 'm.room.aliases':
      return rules.keepsAliases ? ['aliases'] : []
    case 'm.room.redaction':
      return rules.redactsInContent ? ['redacts'] : []
    default:
      return []
  }
}

function pick(object: JsonObject, keys: readonly string[]): JsonObject {
  const picked: JsonObject = {}
  for (const key of keys) {
    const value = object[key]
    if (value !== undefined) picked[key] = value
  }
  return picked
}
