import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { put, remove, type Storage, StorageLost, type Write } from '../ports/storage.ts'
import { invalidParam, invalidRoomState, MatrixError, roomInUse, unsupportedRoomVersion } from '../spec/errors.ts'
import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { parseRoomAlias, parseUserId } from '../spec/identifiers.ts'
import type { JsonObject, JsonValue } from '../spec/json.ts'
import { defaultRoomVersion, type RoomVersionRules, rulesOf } from '../spec/room-version.ts'
import { aliases, publicRooms, unsentInvites } from '../storage/tables/rooms.ts'
import type { Directory } from './directory.ts'
import { foundRoom } from './found.ts'
import type { RoomMembership } from './membership.ts'
import type { SignEvent } from './remote.ts'
import type { RoomDraft } from './room-draft.ts'
import type { RoomQueue } from './room-queue.ts'
import type { RoomSender } from './send.ts'

export type Preset = 'private_chat' | 'trusted_private_chat' | 'public_chat'

/** A state event of a room to be. */
export interface InitialEvent {
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

/** A room as a user wants it (Client-Server API, `POST /createRoom`). */
export interface RoomPlan {
  readonly creator: UserId
  readonly version?: string
  readonly preset: Preset
  readonly published: boolean
  readonly aliasLocalpart?: string
  readonly name?: string
  readonly topic?: string
  readonly invite: readonly UserId[]
  readonly isDirect: boolean
  readonly creationContent: JsonObject
  readonly initialState: readonly InitialEvent[]
  readonly powerLevels: JsonObject
  /** Written in the commit that makes the room. */
  readonly alongside?: (roomId: RoomId) => readonly Write[]
}

interface RoomCreatorDeps {
  readonly storage: Storage
  readonly queue: RoomQueue
  readonly clock: Clock
  readonly random: Random
  readonly signEvent: SignEvent
  readonly serverName: ServerName
  readonly sender: RoomSender
  readonly membership: RoomMembership
  readonly directory: Directory
  readonly profileOf: (userId: UserId) => Promise<JsonObject>
}

/** Makes rooms. */
export class RoomCreator {
  readonly #deps: RoomCreatorDeps

  constructor(deps: RoomCreatorDeps) {
    this.#deps = deps
  }

  /**
   * Makes the room in one commit, with all that the plan implies in the order of the specification, and invites whom it names:
   * what a crash leaves of that, the next start goes on with.
   * Throws `M_UNSUPPORTED_ROOM_VERSION`, `M_ROOM_IN_USE`, `M_INVALID_PARAM`, `M_INVALID_ROOM_STATE`, and what an invited
   * user's server answers: the room is there then, without that user.
   */
  async create(plan: RoomPlan): Promise<RoomId> {
    const { directory } = this.#deps
    const rules = rulesOf(plan.version ?? defaultRoomVersion)
    if (!rules) throw unsupportedRoomVersion(`Room version ${plan.version} is not supported`)
    const alias = await this.#freeAlias(plan)
    const join = { ...(await this.#deps.profileOf(plan.creator)), membership: 'join' }
    const state = [{ type: 'm.room.member', stateKey: plan.creator, content: join }, ...stateOf(plan, rules, alias)]
    const foundation = {
      ...{ rules, creator: plan.creator, createContent: createContent(plan, rules) },
      furnish: async (draft: RoomDraft) => {
        await this.#send(draft, state, plan.creator)
        draft.write(...rowsOf(draft.roomId, plan, alias))
      },
    }
    const found = () => foundRoom(foundation, this.#deps)
    const roomId = alias === undefined ? await found() : await directory.claim(alias, found)
    await this.#invite(roomId, plan)
    return roomId
  }

  async #freeAlias({ aliasLocalpart }: RoomPlan): Promise<string | undefined> {
    if (aliasLocalpart === undefined) return undefined
    const alias = `#${aliasLocalpart}:${this.#deps.serverName}`
    if (!parseRoomAlias(alias) || /[\s:]/.test(aliasLocalpart)) throw invalidParam('room_alias_name is not the local part of a room alias')
    if (await this.#deps.directory.isTaken(alias)) throw roomInUse()
    return alias
  }

  async #send(draft: RoomDraft, state: readonly InitialEvent[], sender: UserId): Promise<void> {
    try {
      for (const event of state) await this.#deps.sender.sendIn(draft, { ...event, roomId: draft.roomId, sender })
    } catch (error) {
      throw error instanceof MatrixError && error.errcode === 'M_FORBIDDEN' ? invalidRoomState(error.message) : error
    }
  }

  // Whom one server turns away must not keep the others from being invited.
  async #invite(roomId: RoomId, plan: RoomPlan): Promise<void> {
    const { membership, storage } = this.#deps
    const outcomes = await Promise.allSettled(
      plan.invite.map(async (target) => {
        const alongside = () => [remove(unsentInvites, [roomId, target])]
        const invite = { sender: plan.creator, target, roomId, content: inviteContent(plan), alongside }
        await membership.invite(invite).catch(async (failure: unknown) => {
          if (!(failure instanceof StorageLost)) await storage.commit(alongside(), 'strict')
          throw failure
        })
      }),
    )
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }
}

/** What belongs to a room beside its events. */
function rowsOf(roomId: RoomId, plan: RoomPlan, alias: string | undefined): Write[] {
  const { creator } = plan
  return [
    ...(alias === undefined ? [] : [put(aliases, alias, { roomId, creator })]),
    ...(plan.published ? [put(publicRooms, roomId, true)] : []),
    ...plan.invite.map((target) => put(unsentInvites, [roomId, target], { sender: creator, content: inviteContent(plan) })),
    ...(plan.alongside?.(roomId) ?? []),
  ]
}

function inviteContent({ isDirect }: RoomPlan): JsonObject {
  return isDirect ? { is_direct: true } : {}
}

/** Content of the create event; throws `M_INVALID_PARAM` for `additional_creators` that are no users. */
function createContent({ creationContent, preset, invite }: RoomPlan, rules: RoomVersionRules): JsonObject {
  const { creator: _, room_version: __, ...content } = creationContent
  if (!rules.auth.privilegedCreators) return content
  const named = content.additional_creators ?? []
  if (!Array.isArray(named) || !named.every((userId) => typeof userId === 'string' && parseUserId(userId) !== undefined)) {
    throw invalidParam('additional_creators is not a list of user ids')
  }
  const creators = [...new Set([...named, ...(preset === 'trusted_private_chat' ? invite : [])])]
  return { ...content, ...(creators.length > 0 ? { additional_creators: creators } : {}) }
}

/** All state that follows the creator's join, in the order of the specification. */
function stateOf(plan: RoomPlan, rules: RoomVersionRules, alias: string | undefined): InitialEvent[] {
  const { initialState, name, topic } = plan
  const given = new Set(initialState.map(({ type, stateKey }) => `${type} ${stateKey}`))
  const powerLevels = initialState.find(({ type, stateKey }) => type === 'm.room.power_levels' && stateKey === '')
  const overridden = new Set([...(name === undefined ? [] : ['m.room.name ']), ...(topic === undefined ? [] : ['m.room.topic '])])
  return [
    powerLevels ?? event('m.room.power_levels', { ...defaultPowerLevels(plan, rules), ...plan.powerLevels }),
    ...(alias === undefined ? [] : [event('m.room.canonical_alias', { alias })]),
    ...presetState(plan.preset).filter(({ type }) => !given.has(`${type} `)),
    ...initialState.filter((one) => one !== powerLevels && !overridden.has(`${one.type} ${one.stateKey}`)),
    ...(name === undefined ? [] : [event('m.room.name', { name })]),
    ...(topic === undefined ? [] : [event('m.room.topic', { topic, 'm.topic': { 'm.text': [{ body: topic }] } })]),
  ]
}

function presetState(preset: Preset): InitialEvent[] {
  const isPublic = preset === 'public_chat'
  return [
    event('m.room.join_rules', { join_rule: isPublic ? 'public' : 'invite' }),
    event('m.room.history_visibility', { history_visibility: 'shared' }),
    event('m.room.guest_access', { guest_access: isPublic ? 'forbidden' : 'can_join' }),
  ]
}

/** What only those who run the room may change takes 100; the tombstone of a room of version 12 takes more than any user's level. */
function defaultPowerLevels({ creator, preset, invite }: RoomPlan, rules: RoomVersionRules): JsonObject {
  const operators = rules.auth.privilegedCreators ? [] : [creator, ...(preset === 'trusted_private_chat' ? invite : [])]
  return {
    users: Object.fromEntries(operators.map((userId): [string, JsonValue] => [userId, 100])),
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.encryption': 100,
      'm.room.server_acl': 100,
      'm.room.tombstone': rules.auth.privilegedCreators ? 150 : 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: preset === 'public_chat' ? 50 : 0,
  }
}

function event(type: string, content: JsonObject): InitialEvent {
  return { type, stateKey: '', content }
}
