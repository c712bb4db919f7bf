import type { Clock } from '../ports/clock.ts'
import type { RoomMembers } from '../ports/room-members.ts'
import { forbidden } from '../spec/errors.ts'
import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import type { SendEphemeral } from '../streams/edu.ts'
import type { Position, Stream } from '../streams/stream.ts'

/** The longest anyone types without saying so again. */
const timeoutLimitMs = 120_000
/** How long a user of another server types, who need not say when it ends. */
const remoteTimeoutMs = 60_000
/** Rooms in which it is known who types. */
const roomLimit = 10_000

interface RoomTyping {
  /** Who types, each with the way to stop its timer. */
  readonly users: Map<UserId, AbortController>
  position: Position
}

/** Who is typing, in memory; each change takes a position, so that `/sync` wakes (Client-Server API, "Typing Notifications"). */
export class Typing {
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #members: RoomMembers
  readonly #serverName: ServerName
  readonly #send: SendEphemeral
  readonly #rooms = new Map<RoomId, RoomTyping>()

  constructor(deps: { stream: Stream; clock: Clock; members: RoomMembers; serverName: ServerName; sendEphemeral: SendEphemeral }) {
    this.#stream = deps.stream
    this.#clock = deps.clock
    this.#members = deps.members
    this.#serverName = deps.serverName
    this.#send = deps.sendEphemeral
  }

  /** A local user types for `timeoutMs`, or stops at 0. Throws `M_FORBIDDEN` for a user who is not joined. */
  async set(roomId: RoomId, userId: UserId, timeoutMs: number): Promise<void> {
    if (!(await this.#members.joinedRooms(userId)).includes(roomId)) throw forbidden('You are not in this room')
    await this.#change(roomId, userId, Math.min(timeoutMs, timeoutLimitMs))
    await this.#tell(roomId, userId, timeoutMs > 0)
  }

  /** Takes an `m.typing` EDU. */
  readonly receive = async (origin: ServerName, content: JsonObject): Promise<void> => {
    const { room_id: roomId, user_id: userId, typing } = content
    if (typeof roomId !== 'string' || typeof userId !== 'string' || typeof typing !== 'boolean') return
    if (serverNameOf(userId) !== origin || !(await this.#members.joinedUsers(roomId)).includes(userId)) return
    await this.#change(roomId, userId, typing ? remoteTimeoutMs : 0)
  }

  /** Rooms where typing changed after `since` and up to `upTo`. */
  changedSince(since: Position, upTo: Position): RoomId[] {
    return [...this.#rooms].flatMap(([roomId, { position }]) => (position > since && position <= upTo ? [roomId] : []))
  }

  now(roomId: RoomId): UserId[] {
    return [...(this.#rooms.get(roomId)?.users.keys() ?? [])]
  }

  /** The `m.typing` event of a room. */
  event(roomId: RoomId): JsonObject {
    return { type: 'm.typing', content: { user_ids: this.now(roomId) } }
  }

  async #change(roomId: RoomId, userId: UserId, timeoutMs: number): Promise<void> {
    const room = this.#room(roomId)
    const timer = room.users.get(userId)
    timer?.abort()
    if (timeoutMs > 0) this.#expireLater(roomId, userId, timeoutMs)
    else room.users.delete(userId)
    if ((timer !== undefined) === timeoutMs > 0) return
    await this.#moved(room)
  }

  async #moved(room: RoomTyping): Promise<void> {
    const published = (position: Position) => {
      room.position = Math.max(room.position, position)
    }
    await this.#stream.commit(1, () => [], { durability: 'relaxed', published })
  }

  #expireLater(roomId: RoomId, userId: UserId, timeoutMs: number): void {
    const timer = new AbortController()
    this.#room(roomId).users.set(userId, timer)
    void this.#clock
      .sleep(timeoutMs, timer.signal)
      .then(async () => {
        const room = this.#rooms.get(roomId)
        if (timer.signal.aborted || room?.users.get(userId) !== timer) return
        room.users.delete(userId)
        await this.#moved(room)
        if (serverNameOf(userId) === this.#serverName) await this.#tell(roomId, userId, false)
        // A store that is gone stops the homeserver by itself; nobody waits for this.
      })
      .catch(() => undefined)
  }

  #room(roomId: RoomId): RoomTyping {
    const known = this.#rooms.get(roomId)
    if (known) return known
    if (this.#rooms.size >= roomLimit) this.#forgetQuietRooms()
    const room = { users: new Map<UserId, AbortController>(), position: 0 }
    this.#rooms.set(roomId, room)
    return room
  }

  #forgetQuietRooms(): void {
    for (const [roomId, { users }] of this.#rooms) if (users.size === 0) this.#rooms.delete(roomId)
  }

  async #tell(roomId: RoomId, userId: UserId, typing: boolean): Promise<void> {
    const servers = new Set(await this.#members.servers(roomId))
    servers.delete(this.#serverName)
    const content = { room_id: roomId, user_id: userId, typing }
    this.#send(servers, { edu_type: 'm.typing', content }, JSON.stringify(['m.typing', roomId, userId]))
  }
}
