import { type RoomEvent, type StateKey, stateKeyOf } from './event.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from './json.ts'
import type { RoomVersionRules } from './room-version.ts'

const needJoinRules: ReadonlySet<JsonValue | undefined> = new Set(['join', 'invite', 'knock'])

/** A key of room state in its two parts. */
export type KeyParts = readonly [type: string, stateKey: string]

type Selecting = Pick<RoomEvent, 'type' | 'stateKey' | 'sender' | 'content'>

/**
 * The state keys whose current events, where there are any, an event cites as its `auth_events`
 * (Server-Server API, "Auth events selection"). No key appears twice.
 */
export function authEventKeys(rules: RoomVersionRules, event: Selecting): StateKey[] {
  return authEventKeyParts(rules, event).map(([type, stateKey]) => stateKeyOf(type, stateKey))
}

/** The same, each as its two parts. */
export function authEventKeyParts(rules: RoomVersionRules, event: Selecting): KeyParts[] {
  if (event.type === 'm.room.create') return []
  const keys: KeyParts[] = [
    ['m.room.power_levels', ''],
    ['m.room.member', event.sender],
  ]
  if (rules.roomId === 'chosen') keys.push(['m.room.create', ''])
  if (event.type === 'm.room.member' && event.stateKey !== undefined) {
    if (event.stateKey !== event.sender) keys.push(['m.room.member', event.stateKey])
    addMembershipKeys(keys, { rules, event, target: event.stateKey })
  }
  return keys
}

function addMembershipKeys(
  keys: KeyParts[],
  { rules, event, target }: { readonly rules: RoomVersionRules; readonly event: Selecting; readonly target: string },
): void {
  const { membership } = event.content
  if (needJoinRules.has(membership)) keys.push(['m.room.join_rules', ''])
  const token = membership === 'invite' ? thirdPartyInviteToken(event.content) : undefined
  if (token !== undefined) keys.push(['m.room.third_party_invite', token])
  const authoriser = membership === 'join' && rules.auth.restricted ? event.content.join_authorised_via_users_server : undefined
  const isNamed = authoriser === event.sender || authoriser === target
  if (typeof authoriser === 'string' && !isNamed) keys.push(['m.room.member', authoriser])
}

function thirdPartyInviteToken(content: JsonObject): string | undefined {
  const signed = isObject(content.third_party_invite) ? content.third_party_invite.signed : undefined
  const token = isObject(signed) ? ownValue(signed, 'token') : undefined
  return typeof token === 'string' ? token : undefined
}
