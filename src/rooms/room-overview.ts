import type { RoomId, UserId } from '../spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { currentState } from './current-content.ts'
import { countOf, type MemberLists } from './member-lists.ts'
import type { Room, RoomStore } from './room-store.ts'

/** What the directory, a space or a summary tells of a room (Client-Server API, `PublishedRoomsChunk` and `RoomSummary`). */
export interface RoomOverview {
  readonly roomId: RoomId
  readonly name: string | undefined
  readonly topic: string | undefined
  readonly canonicalAlias: string | undefined
  readonly avatarUrl: string | undefined
  readonly joinRule: string
  /** Rooms whose members may join, where the room is restricted. */
  readonly allowedRoomIds: readonly RoomId[]
  readonly roomType: string | undefined
  readonly roomVersion: string
  readonly encryption: string | undefined
  readonly worldReadable: boolean
  readonly guestsMayJoin: boolean
  readonly joinedMembers: number
}

/** Reads an overview out of a room's current state. */
export async function overviewOf(room: Room, deps: { readonly store: RoomStore; readonly members: MemberLists }): Promise<RoomOverview> {
  const { store, members } = deps
  const content = (type: string) => currentState(store, room.state, type)
  const [create, name, topic, alias, avatar, joinRules, encryption, visibility, guests, list] = await Promise.all([
    content('m.room.create'),
    content('m.room.name'),
    content('m.room.topic'),
    content('m.room.canonical_alias'),
    content('m.room.avatar'),
    content('m.room.join_rules'),
    content('m.room.encryption'),
    content('m.room.history_visibility'),
    content('m.room.guest_access'),
    members.of(room.roomId, room.state),
  ])
  return {
    roomId: room.roomId,
    name: textOf(name.name),
    topic: plainTopic(topic),
    canonicalAlias: textOf(alias.alias),
    avatarUrl: textOf(avatar.url),
    joinRule: textOf(joinRules.join_rule) ?? 'invite',
    allowedRoomIds: allowedRooms(joinRules),
    roomType: textOf(create.type),
    roomVersion: room.rules.version,
    encryption: textOf(encryption.algorithm),
    worldReadable: visibility.history_visibility === 'world_readable',
    guestsMayJoin: guests.guest_access === 'can_join',
    joinedMembers: countOf(list, 'join'),
  }
}

/** The entry of a published room in the directory. */
export function publishedRoom(overview: RoomOverview): JsonObject {
  return {
    room_id: overview.roomId,
    num_joined_members: overview.joinedMembers,
    world_readable: overview.worldReadable,
    guest_can_join: overview.guestsMayJoin,
    join_rule: overview.joinRule,
    ...present({
      name: overview.name,
      topic: overview.topic,
      canonical_alias: overview.canonicalAlias,
      avatar_url: overview.avatarUrl,
      room_type: overview.roomType,
    }),
  }
}

/** The summary of a room. */
export function roomSummary(overview: RoomOverview): JsonObject {
  return {
    ...publishedRoom(overview),
    room_version: overview.roomVersion,
    ...present({ encryption: overview.encryption }),
    ...(overview.allowedRoomIds.length > 0 ? { allowed_room_ids: [...overview.allowedRoomIds] } : {}),
  }
}

/**
 * Whether a user may be told of a room: they are in it or invited, anyone may read, join or knock, or they are in a room
 * whose members may join (Client-Server API, `GET /hierarchy`).
 */
export async function mayPreview(
  room: Room,
  overview: RoomOverview,
  { store, userId }: { readonly store: RoomStore; readonly userId: UserId },
): Promise<boolean> {
  const membership = async (roomId: RoomId) => {
    const other = await store.room(roomId)
    return other && (await store.stateEvent(other.state, 'm.room.member', userId))?.content.membership
  }
  const own = (await store.stateEvent(room.state, 'm.room.member', userId))?.content.membership
  if (own === 'ban') return false
  if (own === 'join' || own === 'invite' || overview.worldReadable) return true
  if (['public', 'knock', 'knock_restricted'].includes(overview.joinRule)) return true
  if (overview.joinRule !== 'restricted') return false
  return (await Promise.all(overview.allowedRoomIds.map(membership))).includes('join')
}

function allowedRooms({ join_rule: rule, allow }: JsonObject): RoomId[] {
  if ((rule !== 'restricted' && rule !== 'knock_restricted') || !Array.isArray(allow)) return []
  return allow.flatMap((condition) =>
    isObject(condition) && condition.type === 'm.room_membership' && typeof condition.room_id === 'string' ? [condition.room_id] : [],
  )
}

/** The topic as plain text: its text representation, else the older field. */
export function plainTopic({ topic, 'm.topic': rich }: JsonObject): string | undefined {
  const texts = isObject(rich) && Array.isArray(rich['m.text']) ? rich['m.text'].filter(isObject) : []
  const plain = texts.find(({ mimetype }) => mimetype === undefined || mimetype === 'text/plain')
  return textOf(plain?.body) ?? textOf(topic)
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function present(fields: Readonly<Record<string, string | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
