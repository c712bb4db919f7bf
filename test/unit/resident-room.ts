import { authEventKeys } from '../../src/spec/auth-events.ts'
import type { EventId, Pdu, UserId } from '../../src/spec/event.ts'
import { roomIdOfCreate } from '../../src/spec/event-hash.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import type { Asked, RogueServer } from './rogue-server.ts'

/** A public room of another server and `members` users of it, which others may join through it. */
export class ResidentRoom {
  readonly server: RogueServer
  /** What it would answer to `send_join`, before a test bends it. */
  bend: (answer: { state: Pdu[]; auth_chain: Pdu[]; event: Pdu }) => JsonObject = (answer) => answer
  /** Joins that were sent to it, by event id. */
  readonly joins = new Map<EventId, Pdu>()

  private constructor(server: RogueServer) {
    this.server = server
  }

  static async found(server: RogueServer, members: number): Promise<ResidentRoom> {
    const room = new ResidentRoom(server)
    const create = await server.make({ type: 'm.room.create', stateKey: '', content: { room_version: '12' }, prevEvents: [], aside: true })
    const { room_id: _, ...bare } = create
    server.know(bare)
    server.roomId = roomIdOfCreate(bare, server.rules) ?? ''
    await server.make({ type: 'm.room.member', stateKey: server.userId, content: { membership: 'join' } })
    await server.make({ type: 'm.room.power_levels', stateKey: '', content: {} })
    await server.make({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } })
    for (let i = 0; i < members; i++) await room.admit(`@member${i}:${server.name}`)
    server.script = (asked) => room.answer(asked)
    return room
  }

  get roomId(): string {
    return this.server.roomId
  }

  /** A user of the server joins. */
  admit(userId: UserId): Promise<Pdu> {
    return this.server.make({ type: 'm.room.member', stateKey: userId, sender: userId, content: { membership: 'join' } })
  }

  /** Its whole state. */
  get state(): Pdu[] {
    return [...this.server.state.values()].map((eventId) => this.server.events.get(eventId) ?? {})
  }

  /** Those of the events that are no memberships. */
  static withoutMembers(state: readonly Pdu[]): Pdu[] {
    return state.filter(({ type }) => type !== 'm.room.member')
  }

  /** What an honest resident server answers. */
  answer({ path, body }: Asked): JsonObject | undefined {
    const last = decodeURIComponent(path.split('/').at(-1) ?? '')
    if (path.includes('/make_join/')) return this.#template(last)
    if (path.includes('/send_join/')) {
      this.joins.set(last, body)
      return this.bend({ state: this.state, auth_chain: ResidentRoom.withoutMembers(this.state), event: body })
    }
    if (path.includes('/state/')) return { pdus: this.state, auth_chain: this.state }
    return undefined
  }

  #template(userId: UserId): JsonObject {
    const { rules, state, head, depth, roomId } = this.server
    const event = { type: 'm.room.member', sender: userId, state_key: userId, room_id: roomId, content: { membership: 'join' } }
    const keys = authEventKeys(rules, { ...event, stateKey: userId })
    const cited = { auth_events: keys.flatMap((key) => state.get(key) ?? []), prev_events: [head], depth: depth + 1 }
    return { room_version: rules.version, event: { ...event, ...cited, origin_server_ts: 1 } }
  }
}
