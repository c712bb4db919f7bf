import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { isObject } from '../../src/spec/json.ts'
import { rulesOf, supportedRoomVersions } from '../../src/spec/room-version.ts'
import type { SimulatedClient } from './simulated-client.ts'
import type { SimulatedRoom, World } from './world.ts'

/** Rooms are not replaced any more once there are so many. */
const mostRooms = 5

type Deed = (by: SimulatedClient, room: SimulatedRoom) => Promise<unknown>

/** All that users do to rooms and to each other, well-meaning or not: each asks its own server, which may refuse. */
export class Deeds {
  readonly #world: World
  readonly #moving: boolean
  /** Each as often as it is likely. */
  readonly #weighted: readonly Deed[]
  #count = 0

  /**
   * @param varied whether users also renew their devices' keys and look up those of others, and change visibility more often.
   * @param moving whether they also replace rooms by new ones, and close rooms to all but the members of others more often.
   */
  constructor(world: World, { varied, moving }: { readonly varied: boolean; readonly moving: boolean }) {
    this.#world = world
    this.#moving = moving
    const kinds: readonly (readonly [weight: number, Deed])[] = [
      [30, (by, room) => by.say(room.roomId, this.#words(by))],
      [6, (by) => by.post(this.#anyone().userId, this.#words(by))],
      [8, (by, room) => this.#setState(by, room, { type: 'm.room.topic', content: { topic: this.#words(by) } })],
      [8, (by, room) => this.#setState(by, room, { type: 'm.mark', stateKey: this.#anyMark(by), content: { mark: this.#words(by) } })],
      [8, (by, room) => this.#changePower(by, room)],
      [7, (by, room) => this.#member(by, room, 'kick')],
      [4, (by, room) => this.#member(by, room, 'ban')],
      [5, (by, room) => this.#member(by, room, 'unban')],
      [6, (by, room) => this.#member(by, room, 'invite')],
      [12, (by, room) => this.#enter(by, room, 'join')],
      [3, (by, room) => this.#enter(by, room, 'knock')],
      [3, (by, room) => by.ask('POST', `${pathOf(room)}/leave`, {})],
      [4, (by, room) => this.#changeJoinRule(by, room)],
      [3, (by, room) => this.#changeVisibility(by, room)],
      [6, (by, room) => this.#redact(by, room)],
      [2, (by, room) => this.#changeAcl(by, room)],
      [2, (by, room) => by.ask('PUT', `${pathOf(room)}/typing/${encodeURIComponent(by.userId)}`, { typing: true, timeout: 5_000 })],
      ...(varied ? this.#furtherDeeds() : []),
      ...(moving ? this.#movingDeeds() : []),
    ]
    this.#weighted = kinds.flatMap(([weight, deed]) => Array.from({ length: weight }, () => deed))
  }

  /** One deed that chance picks. */
  async any(by: SimulatedClient, room: SimulatedRoom): Promise<void> {
    await this.#world.random.pick(this.#weighted)(by, room)
  }

  /** Lets every server speak again, if this user may. */
  async liftAcl(by: SimulatedClient, room: SimulatedRoom): Promise<void> {
    const acl = await by.ask('GET', `${pathOf(room)}/state/m.room.server_acl/`)
    if (acl?.status !== 200 || JSON.stringify(acl.body.deny) === '[]') return
    await this.#setState(by, room, { type: 'm.room.server_acl', content: { allow: ['*'], deny: [] } })
  }

  #furtherDeeds(): [weight: number, Deed][] {
    return [
      [6, (by, room) => this.#changeVisibility(by, room)],
      [6, (by) => by.renewKeys(this.#words(by))],
      [12, (by) => by.lookUp(this.#anyone().userId)],
    ]
  }

  #movingDeeds(): [weight: number, Deed][] {
    return [
      [2, (by, room) => this.#upgrade(by, room)],
      [4, (by, room) => this.#restrict(by, room)],
      [6, (by, room) => this.#enter(by, room, 'join')],
      [4, (by, room) => this.#changeAcl(by, room)],
    ]
  }

  #words(by: SimulatedClient): string {
    return `${by.name} says ${this.#count++}`
  }

  #anyone(): SimulatedClient {
    return this.#world.random.pick(this.#world.clients)
  }

  #anyMark(by: SimulatedClient): string {
    return this.#world.random.pick(['', 'a', 'b', by.userId])
  }

  #setState(by: SimulatedClient, room: SimulatedRoom, state: { type: string; stateKey?: string; content: JsonObject }) {
    return by.ask('PUT', `${pathOf(room)}/state/${state.type}/${encodeURIComponent(state.stateKey ?? '')}`, state.content)
  }

  #member(by: SimulatedClient, room: SimulatedRoom, how: 'kick' | 'ban' | 'unban' | 'invite') {
    return by.ask('POST', `${pathOf(room)}/${how}`, { user_id: this.#anyone().userId })
  }

  #enter(by: SimulatedClient, room: SimulatedRoom, how: 'join' | 'knock') {
    const via = [this.#anyone(), this.#anyone()].map(({ server }) => `via=${server.name}`).join('&')
    return by.ask('POST', `/v3/${how}/${encodeURIComponent(room.roomId)}?${via}`, {})
  }

  async #changePower(by: SimulatedClient, room: SimulatedRoom): Promise<void> {
    const { random } = this.#world
    const levels = await by.ask('GET', `${pathOf(room)}/state/m.room.power_levels/`)
    if (levels?.status !== 200) return
    const users = isObject(levels.body.users) ? levels.body.users : {}
    const content = random.chance(0.8)
      ? { ...levels.body, users: { ...users, [this.#anyone().userId]: random.pick<JsonValue>([0, 40, 50, 60, 100]) } }
      : {
          ...levels.body,
          [random.pick(['events_default', 'state_default', 'kick', 'ban', 'invite', 'redact'])]: random.pick([0, 0, 50, 60]),
        }
    await this.#setState(by, room, { type: 'm.room.power_levels', content })
  }

  #changeJoinRule(by: SimulatedClient, room: SimulatedRoom) {
    const { random, rooms } = this.#world
    const auth = rulesOf(room.version)?.auth
    const rules = ['public', 'public', 'invite', ...(auth?.knock ? ['knock'] : []), ...(auth?.restricted ? ['restricted'] : [])]
    if (this.#moving && auth?.knockRestricted) rules.push('knock_restricted')
    const allow = [{ type: 'm.room_membership', room_id: random.pick(rooms).roomId }]
    return this.#setState(by, room, { type: 'm.room.join_rules', content: { join_rule: random.pick(rules), allow } })
  }

  /** Lets only members of another room in, and those who are invited; some of them only another server may let in. */
  async #restrict(by: SimulatedClient, room: SimulatedRoom): Promise<void> {
    const { random, rooms } = this.#world
    const auth = rulesOf(room.version)?.auth
    if (!auth?.restricted) return
    const others = rooms.filter(({ roomId }) => roomId !== room.roomId)
    const allow = others.map(({ roomId }) => ({ type: 'm.room_membership', room_id: roomId }))
    const rule = auth.knockRestricted && random.chance(0.5) ? 'knock_restricted' : 'restricted'
    const restricted = await this.#setState(by, room, { type: 'm.room.join_rules', content: { join_rule: rule, allow } })
    if (restricted?.status !== 200 || random.chance(0.5)) return
    const levels = await by.ask('GET', `${pathOf(room)}/state/m.room.power_levels/`)
    if (levels?.status === 200) await this.#setState(by, room, { type: 'm.room.power_levels', content: { ...levels.body, invite: 50 } })
  }

  /** Replaces the room by one of any version, which users then come to as to any other. */
  async #upgrade(by: SimulatedClient, room: SimulatedRoom): Promise<void> {
    const { random, rooms } = this.#world
    const version = random.pick(supportedRoomVersions())
    if (rooms.length >= mostRooms) return
    const replaced = await by.ask('POST', `${pathOf(room)}/upgrade`, { new_version: version })
    if (replaced?.status === 200) rooms.push({ roomId: String(replaced.body.replacement_room), version })
  }

  #changeVisibility(by: SimulatedClient, room: SimulatedRoom) {
    const visibility = this.#world.random.pick(['shared', 'shared', 'joined', 'invited', 'world_readable'])
    return this.#setState(by, room, { type: 'm.room.history_visibility', content: { history_visibility: visibility } })
  }

  #redact(by: SimulatedClient, room: SimulatedRoom) {
    const { random, clients } = this.#world
    const targets = clients.flatMap(({ said }) => said.filter(({ roomId }) => roomId === room.roomId))
    if (targets.length === 0) return Promise.resolve()
    return by.ask(
      'PUT',
      `${pathOf(room)}/redact/${encodeURIComponent(random.pick(targets).eventId)}/${this.#words(by).replaceAll(' ', '-')}`,
      {},
    )
  }

  #changeAcl(by: SimulatedClient, room: SimulatedRoom) {
    const other = this.#anyone().server
    const deny = this.#world.random.chance(0.5) && other !== by.server ? [other.name] : []
    return this.#setState(by, room, { type: 'm.room.server_acl', content: { allow: ['*'], deny } })
  }
}

function pathOf({ roomId }: SimulatedRoom): string {
  return `/v3/rooms/${encodeURIComponent(roomId)}`
}
