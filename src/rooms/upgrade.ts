import { put, remove, type Write } from '../ports/storage.ts'
import { forbidden, MatrixError, notFound, unsupportedRoomVersion } from '../spec/errors.ts'
import { type EventId, type RoomId, stateKeyOf, type UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { isObject } from '../spec/json.ts'
import { powerLevelsOf, readLevel } from '../spec/power-levels.ts'
import { type RoomVersionRules, rulesOf } from '../spec/room-version.ts'
import { unclosedRooms } from '../storage/tables/rooms.ts'
import type { InitialEvent, RoomCreator } from './create.ts'
import type { Directory } from './directory.ts'
import { mayNeedPolicyServer } from './policy-servers.ts'
import type { RoomQueue } from './room-queue.ts'
import type { Room, RoomStore } from './room-store.ts'
import type { LocalEvent, RoomSender } from './send.ts'

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
  'm.room.canonical_alias',
]

interface RoomUpgraderDeps {
  readonly queue: RoomQueue
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
   * Makes the replacement in one commit and closes the old room in another: a crash between them leaves the second to the next
   * start. Resolves with the new room. Throws `M_UNSUPPORTED_ROOM_VERSION`,
   * `M_NOT_FOUND`, `M_FORBIDDEN` for who may not send a tombstone.
   */
  async upgrade(request: {
    readonly userId: UserId
    readonly roomId: RoomId
    readonly version: string
    readonly additionalCreators: readonly UserId[]
    /** Written in the commit that makes the replacement. */
    readonly alongside?: (replacement: RoomId) => readonly Write[]
  }): Promise<RoomId> {
    const { userId, roomId, version } = request
    const rules = rulesOf(version)
    if (!rules) throw unsupportedRoomVersion(`Room version ${version} is not supported`)
    const old = await this.#deps.store.room(roomId)
    if (!old) throw notFound('There is no such room')
    await this.#checkMayClose(old, userId)
    const additionalCreators = rules.auth.privilegedCreators ? request.additionalCreators : []
    const replacement = await this.#replacement(old, { ...request, rules, additionalCreators })
    await this.close(old.roomId, replacement, userId)
    return replacement
  }

  /**
   * Closes a room that has a replacement: the tombstone, and what may follow from it. An alias belongs to one room, so that the old
   * one lets go of its own; it is kept silent, as far as the user may change its levels. Throws `M_FORBIDDEN`, or the refusal of
   * the room's policy server.
   */
  async close(roomId: RoomId, replacement: RoomId, userId: UserId): Promise<void> {
    const { directory, queue, sender, store } = this.#deps
    const done = [...(await directory.replaced(roomId, replacement, userId)), remove(unclosedRooms, [roomId, replacement])]
    const tombstone: LocalEvent = {
      roomId,
      sender: userId,
      stateKey: '',
      type: 'm.room.tombstone',
      content: { body: 'This room has been replaced', replacement_room: replacement },
      alongside: () => done,
    }
    const room = await store.room(roomId)
    if (room && mayNeedPolicyServer(room.state, tombstone)) {
      // The policy server signs each event before the next is made, so that they cannot share a commit.
      await sender.send(tombstone)
      for (const change of closingChanges) {
        await ifAllowed(async () => {
          const changed = await change(room, store)
          if (changed) await sender.send({ ...changed, roomId, sender: userId, stateKey: '' })
        })
      }
      return
    }
    await queue.enqueue(roomId, async (draft) => {
      await sender.sendIn(draft, tombstone)
      for (const change of closingChanges) {
        const undo = draft.savepoint()
        await ifAllowed(async () => {
          const changed = await change(draft, draft)
          if (changed) await sender.sendIn(draft, { ...changed, roomId, sender: userId, stateKey: '' })
        }, undo)
      }
    })
  }

  async #checkMayClose(room: Room, userId: UserId): Promise<void> {
    const member = await this.#deps.store.stateEvent(room.state, 'm.room.member', userId)
    if (member?.content.membership !== 'join') throw forbidden('You are not in this room')
    const levels = await this.#levels(room)
    if (levels.user(userId) < levels.event('m.room.tombstone', true)) throw forbidden('You may not close this room')
  }

  async #replacement(
    old: Room,
    request: {
      readonly userId: UserId
      readonly rules: RoomVersionRules
      readonly additionalCreators: readonly UserId[]
      readonly alongside?: (replacement: RoomId) => readonly Write[]
    },
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
      alongside: (replacement) => [put(unclosedRooms, [old.roomId, replacement], userId), ...(request.alongside?.(replacement) ?? [])],
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

/** State of a room that changes because it is closed. */
type ClosingChange = Pick<LocalEvent, 'type' | 'content'>

/** What follows from a tombstone, each told from the state before it. */
const closingChanges: readonly ((room: Pick<Room, 'rules' | 'state'>, reader: StateReader) => Promise<ClosingChange | undefined>)[] = [
  async ({ state }, reader) =>
    (await reader.stateEvent(state, 'm.room.canonical_alias', '')) && { type: 'm.room.canonical_alias', content: {} },
  async (room, reader) => ({ type: 'm.room.power_levels', content: await silencedLevels(room, reader) }),
]

async function ifAllowed(send: () => Promise<void>, undo?: () => void): Promise<void> {
  try {
    await send()
  } catch (failure) {
    if (!(failure instanceof MatrixError)) throw failure
    undo?.()
  }
}

type StateReader = Pick<RoomStore, 'stateEvent'>

/** The levels of a room in which nobody ordinary is to say anything, or to invite. */
async function silencedLevels({ rules, state }: Pick<Room, 'rules' | 'state'>, reader: StateReader): Promise<JsonObject> {
  const [create, levels] = await Promise.all([
    reader.stateEvent(state, 'm.room.create', ''),
    reader.stateEvent(state, 'm.room.power_levels', ''),
  ])
  const least = Math.max(50, powerLevelsOf(rules, create, levels).usersDefault + 1)
  const raised = (key: string) => Math.max(readLevel(rules, levels?.content[key]) ?? 0, least)
  return { ...levels?.content, events_default: raised('events_default'), invite: raised('invite') }
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
