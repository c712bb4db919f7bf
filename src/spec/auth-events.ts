import { type RoomEvent, type StateKey, stateKeyOf } from './event.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from './json.ts'
import type { RoomVersionRules } from './room-version.ts'

const needJoinRules: ReadonlySet<JsonValue | undefined> = new Set(['join', 'invite', 'knock'])

/**
 * The state keys whose current events, where there are any, an event cites as its `auth_events`
 * (Server-Server API, "Auth events selection"). No key appears twice.
 */
export function authEventKeys(rules: RoomVersionRules, event: Pick<RoomEvent, 'type' | 'stateKey' | 'sender' | 'content'>): StateKey[] {
  if (event.type === 'm.room.create') return []
  const keys = new Set([stateKeyOf('m.room.power_levels', ''), stateKeyOf('m.room.member', event.sender)])
  if (rules.roomId === 'chosen') keys.add(stateKeyOf('m.room.create', ''))
  if (event.type === 'm.room.member' && event.stateKey !== undefined) {
    keys.add(stateKeyOf('m.room.member', event.stateKey))
    for (const key of membershipKeys(rules, event.content)) keys.add(key)
  }
  return [...keys]
}

function* membershipKeys(rules: RoomVersionRules, content: JsonObject): Generator<StateKey> {
  const { membership } = content
  if (needJoinRules.has(membership)) yield stateKeyOf('m.room.join_rules', '')
  const token = membership === 'invite' ? thirdPartyInviteToken(content) : undefined
  if (token !== undefined) yield stateKeyOf('m.room.third_party_invite', token)
  const authoriser = membership === 'join' && rules.auth.restricted ? content.join_authorised_via_users_server : undefined
  if (typeof authoriser === 'string') yield stateKeyOf('m.room.member', authoriser)
}

function thirdPartyInviteToken(content: JsonObject): string | undefined {
  const signed = isObject(content.third_party_invite) ? content.third_party_invite.signed : undefined
  const token = isObject(signed) ? ownValue(signed, 'token') : undefined
  return typeof token === 'string' ? token : undefined
}
