import type { Write } from '../ports/storage.ts'
import { forbidden, notFound, unsupportedRoomVersion } from '../spec/errors.ts'
import { type EventId, type RoomId, stateKeyOf, type UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { isObject } from '../spec/json.ts'
import { powerLevelsOf, readLevel } from '../spec/power-levels.ts'
import { type RoomVersionRules, rulesOf } from '../spec/room-version.ts'
import type { InitialEvent, RoomCreator } from './create.ts'
import type { Directory } from './directory.ts'
import type { Room, RoomStore } from './room-store.ts'
import type { RoomSender } from './send.ts'

/** State that a new version of a room takes over from the old one (Client-Server API, "Room Upgrades"). */
const transferredTypes = [
  'm.room.server_acl',
  'm.room.encryption',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.join_rules',
]

interface RoomUpgraderDeps {
  readonly store: RoomStore
  readonly sender: RoomSender
  readonly creator: RoomCreator
  readonly directory: Directory
}

/** Replaces rooms by rooms of another version. */
export class RoomUpgrader {
  readonly #deps: RoomUpgraderDeps

  constructor(deps: RoomUpgraderDeps) {
    this.#deps = deps
  }

  /**
   * Makes the replacement and closes the old room. Resolves with the new room. Throws `M_UNSUPPORTED_ROOM_VERSION`,
   * `M_NOT_FOUND`, `M_FORBIDDEN` for who may not send a tombstone.
   */
  async upgrade(request: {
    readonly userId: UserId
    readonly roomId: RoomId
    readonly version: string
    readonly additionalCreators: readonly UserId[]
    /** Written in the commit that closes the old room. */
    readonly alongside?: (replacement: RoomId) => readonly Write[]
  }): Promise<RoomId> {
    const { userId, roomId, version } = request
    const rules = rulesOf(version)
    if (!rules) throw unsupportedRoomVersion(`Room version ${version} is not supported`)
    const old = await this.#deps.store.room(roomId)
    if (!old) throw notFound('There is no such room')
    await this.#checkMayClose(old, userId)
    const replacement = (await this.#begun(old, request)) ?? (await this.#replacement(old, { ...request, rules }))
    const tombstone = { body: 'This room has been replaced', replacement_room: replacement }
    const alongside = () => request.alongside?.(replacement) ?? []
    await this.#deps.sender.send({ roomId, sender: userId, type: 'm.room.tombstone', stateKey: '', content: tombstone, alongside })
    await this.#moveAliases(old, replacement, userId)
    await this.#silence(old, userId)
    return replacement
  }

  /** A replacement that was made before, and never got so far that the old room was closed. */
  async #begun(old: Room, { userId, version }: { readonly userId: UserId; readonly version: string }): Promise<RoomId | undefined> {
    const { store } = this.#deps
    if (old.state.get(stateKeyOf('m.room.tombstone', '')) !== undefined) return undefined
    for (const roomId of await store.joinedRooms(userId)) {
      const room = await store.room(roomId)
      const create = room?.rules.version === version ? await store.stateEvent(room.state, 'm.room.create', '') : undefined
      const { predecessor } = create?.content ?? {}
      if (create?.sender === userId && isObject(predecessor) && predecessor.room_id === old.roomId) return roomId
    }
    return undefined
  }

  async #checkMayClose(room: Room, userId: UserId): Promise<void> {
    const member = await this.#deps.store.stateEvent(room.state, 'm.room.member', userId)
    if (member?.content.membership !== 'join') throw forbidden('You are not in this room')
    const levels = await this.#levels(room)
    if (levels.user(userId) < levels.event('m.room.tombstone', true)) throw forbidden('You may not close this room')
  }

  async #replacement(
    old: Room,
    request: { readonly userId: UserId; readonly rules: RoomVersionRules; readonly additionalCreators: readonly UserId[] },
  ): Promise<RoomId> {
    const { userId, rules, additionalCreators } = request
    const create = await this.#content(old, 'm.room.create')
    const type = create?.type
    const federates = create?.['m.federate']
    const predecessor: JsonObject = { room_id: old.roomId, ...(rules.auth.privilegedCreators ? {} : lastEvent(old.forwardExtremities)) }
    return this.#deps.creator.create({
      creator: userId,
      version: rules.version,
      preset: 'private_chat',
      published: await this.#deps.directory.isPublished(old.roomId),
      invite: [],
      isDirect: false,
      creationContent: {
        ...(typeof type === 'string' ? { type } : {}),
        ...(typeof federates === 'boolean' ? { 'm.federate': federates } : {}),
        ...(additionalCreators.length > 0 ? { additional_creators: [...additionalCreators] } : {}),
        predecessor,
      },
      initialState: await this.#transferred(old, { userId, rules, additionalCreators }),
      powerLevels: {},
    })
  }

  async #transferred(
    old: Room,
    {
      userId,
      rules,
      additionalCreators,
    }: { readonly userId: UserId; readonly rules: RoomVersionRules; readonly additionalCreators: readonly UserId[] },
  ): Promise<InitialEvent[]> {
    const events: InitialEvent[] = []
    for (const type of transferredTypes) {
      const content = await this.#content(old, type)
      if (content) events.push({ type, stateKey: '', content })
    }
    const levels = await this.#content(old, 'm.room.power_levels')
    if (levels)
      events.push({
        type: 'm.room.power_levels',
        stateKey: '',
        content: newLevels(levels, { old: old.rules, rules, creators: [userId, ...additionalCreators] }),
      })
    for (const [stateKey, content] of await this.#bans(old)) events.push({ type: 'm.room.member', stateKey, content })
    return events
  }

  /** Who was banned stays banned. */
  async #bans(old: Room): Promise<[UserId, JsonObject][]> {
    const banned = await this.#deps.store.membersOf(old.state, 'ban')
    return banned.map((userId) => [userId, { membership: 'ban' }])
  }

  async #moveAliases(old: Room, replacement: RoomId, userId: UserId): Promise<void> {
    const { directory, sender } = this.#deps
    await directory.move(old.roomId, replacement, userId)
    if (await directory.isPublished(old.roomId)) await directory.publish(old.roomId, false)
    const canonical = await this.#content(old, 'm.room.canonical_alias')
    if (!canonical) return
    // An alias belongs to one room: the old one lets go of it first. Who may not do that leaves it as it is.
    const state = { sender: userId, type: 'm.room.canonical_alias', stateKey: '' }
    await sender.send({ ...state, roomId: old.roomId, content: {} }).catch(() => undefined)
    await sender.send({ ...state, roomId: replacement, content: canonical }).catch(() => undefined)
  }

  /** Keeps people from going on in the old room, as far as the user may change its levels. */
  async #silence(old: Room, userId: UserId): Promise<void> {
    const content = await this.#content(old, 'm.room.power_levels')
    const usersDefault = (await this.#levels(old)).usersDefault
    const least = Math.max(50, usersDefault + 1)
    const raised = (key: string) => Math.max(readLevel(old.rules, content?.[key]) ?? 0, least)
    const levels = { ...content, events_default: raised('events_default'), invite: raised('invite') }
    await this.#deps.sender
      .send({ roomId: old.roomId, sender: userId, type: 'm.room.power_levels', stateKey: '', content: levels })
      .catch(() => undefined)
  }

  async #levels(room: Room) {
    const { store } = this.#deps
    const [create, levels] = await Promise.all([
      store.stateEvent(room.state, 'm.room.create', ''),
      store.stateEvent(room.state, 'm.room.power_levels', ''),
    ])
    return powerLevelsOf(room.rules, create, levels)
  }

  async #content(room: Room, type: string): Promise<JsonObject | undefined> {
    const eventId = room.state.get(stateKeyOf(type, ''))
    return eventId === undefined ? undefined : (await this.#deps.store.event(eventId))?.event.content
  }
}

function lastEvent([eventId]: readonly EventId[]): JsonObject {
  return eventId === undefined ? {} : { event_id: eventId }
}

/**
 * The old levels, so that the new room's rules take them: creators are not listed from version 12 on, where closing the room
 * takes more than any user has; before, the new creator has the highest level.
 */
function newLevels(
  levels: JsonObject,
  about: { readonly old: RoomVersionRules; readonly rules: RoomVersionRules; readonly creators: readonly UserId[] },
): JsonObject {
  const { rules, creators } = about
  const users = isObject(levels.users) ? levels.users : {}
  const events = isObject(levels.events) ? levels.events : {}
  if (!rules.auth.privilegedCreators) {
    const own = Math.max(100, ...Object.values(users).map((level) => readLevel(about.old, level) ?? 0))
    return { ...levels, users: { ...users, ...Object.fromEntries(creators.slice(0, 1).map((userId) => [userId, own])) } }
  }
  const others = Object.fromEntries(Object.entries(users).filter(([userId]) => !creators.includes(userId)))
  const tombstone = Math.max(150, readLevel(about.old, events['m.room.tombstone']) ?? 0)
  return { ...levels, users: others, events: { ...events, 'm.room.tombstone': tombstone } }
}
