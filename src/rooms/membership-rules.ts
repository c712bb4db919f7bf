import { forbidden, unableToAuthoriseJoin, unableToGrantJoin } from '../spec/errors.ts'
import type { RoomEvent, RoomId, ServerName, UserId } from '../spec/event.ts'
import { stateKeyOf } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { powerLevelsOf } from '../spec/power-levels.ts'
import { memberEvents, type Room, type RoomStore } from './room-store.ts'

/**
 * What a restricted join must carry: the user of this server who lets `userId` in, if the room is restricted and the user is
 * not invited already (Server-Server API, "Restricted rooms"). Throws `M_FORBIDDEN` where no condition is met,
 * `M_UNABLE_TO_AUTHORISE_JOIN` where one of them cannot be judged here, `M_UNABLE_TO_GRANT_JOIN` where no user of ours may invite.
 */
export async function joinAuthoriser(
  room: Room,
  userId: UserId,
  deps: { readonly store: RoomStore; readonly serverName: ServerName },
): Promise<JsonObject> {
  const { store } = deps
  const joinRules = await store.stateEvent(room.state, 'm.room.join_rules', '')
  const rule = joinRules?.content.join_rule
  const member = await store.stateEvent(room.state, 'm.room.member', userId)
  const membership = member?.content.membership
  const isRestricted =
    (rule === 'restricted' && room.rules.auth.restricted) || (rule === 'knock_restricted' && room.rules.auth.knockRestricted)
  if (!isRestricted || membership === 'join' || membership === 'invite') return {}
  const allow = joinRules?.content.allow
  const allowed = Array.isArray(allow) ? allow.filter(isObject) : []
  const isIn = await Promise.all(allowed.map((condition) => meetsCondition(condition, userId, deps)))
  if (!isIn.includes(true)) {
    throw isIn.includes(undefined) ? unableToAuthoriseJoin() : forbidden('You are in none of the rooms whose members may join this one')
  }
  return { join_authorised_via_users_server: await localInviter(room, deps) }
}

/** The user ids of this server who are joined to the room. */
export async function localMembers(room: Room, deps: { readonly store: RoomStore; readonly serverName: ServerName }): Promise<UserId[]> {
  return joinedMembers(room, { store: deps.store, which: (userId) => serverNameOf(userId) === deps.serverName })
}

/** The user ids, of those that `which` picks, who are joined to the room. */
async function joinedMembers(
  room: Room,
  { store, which }: { readonly store: RoomStore; readonly which: (userId: UserId) => boolean },
): Promise<UserId[]> {
  const picked = memberEvents(room.state).filter(([userId]) => which(userId))
  const records = await store.events(picked.map(([, eventId]) => eventId))
  return picked.filter(([, eventId]) => records.get(eventId)?.event.content.membership === 'join').map(([userId]) => userId)
}

/** The room, if nobody at all is in it any more: there is no other server that could say more of it than what we know. */
export async function desertedRoom(roomId: RoomId, store: RoomStore): Promise<Room | undefined> {
  const room = await store.room(roomId)
  return room && (await joinedMembers(room, { store, which: () => true })).length === 0 ? room : undefined
}

/** `undefined` where nobody of this server is in the room: what is known of it, if anything, is of old. */
async function meetsCondition(
  condition: JsonObject,
  userId: UserId,
  deps: { readonly store: RoomStore; readonly serverName: ServerName },
): Promise<boolean | undefined> {
  const { type, room_id: roomId } = condition
  if (type !== 'm.room_membership' || typeof roomId !== 'string') return false
  const room = await deps.store.room(roomId)
  if (!room || (await localMembers(room, deps)).length === 0) return undefined
  const member = await deps.store.stateEvent(room.state, 'm.room.member', userId)
  return member?.content.membership === 'join'
}

async function localInviter(room: Room, deps: { readonly store: RoomStore; readonly serverName: ServerName }): Promise<UserId> {
  const { store } = deps
  const create = await store.stateEvent(room.state, 'm.room.create', '')
  const levels = powerLevelsOf(room.rules, create, await store.stateEvent(room.state, 'm.room.power_levels', ''))
  const inviter = (await localMembers(room, deps)).find((userId) => levels.user(userId) >= levels.invite)
  if (inviter === undefined) throw unableToGrantJoin()
  return inviter
}

/** The types of state that a stranger to the room is shown (Client-Server API, "Stripped state"). */
const strippedTypes = ['create', 'name', 'avatar', 'topic', 'join_rules', 'canonical_alias', 'encryption'] as const

/** What an invited or knocking user is told of the room: whole PDUs, from which clients are given the stripped form. */
export async function strippedStateOf(
  room: Room,
  about: { readonly store: RoomStore; readonly members: readonly UserId[] },
): Promise<RoomEvent[]> {
  const keys = [
    ...strippedTypes.map((type) => stateKeyOf(`m.room.${type}`, '')),
    ...about.members.map((userId) => stateKeyOf('m.room.member', userId)),
  ]
  const eventIds = keys.flatMap((key) => room.state.get(key) ?? [])
  const records = await about.store.events(eventIds)
  return eventIds.flatMap((eventId) => records.get(eventId)?.event ?? [])
}
