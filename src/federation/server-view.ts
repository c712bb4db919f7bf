import type { EventRecord, Room, RoomStore } from '../rooms/room-store.ts'
import { memberEvents } from '../rooms/room-store.ts'
import { forbidden, notFound } from '../spec/errors.ts'
import { type EventId, type Pdu, type RoomId, type ServerName, stateKeyOf, type UserId } from '../spec/event.ts'
import { historyVisibilityOf, mayServerSee, type Viewer } from '../spec/history-visibility.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { redact } from '../spec/redaction.ts'
import { isAllowedByAcl } from '../spec/server-acl.ts'
import type { StateTrie } from '../spec/state-trie.ts'
import { outgoingPdu } from './outgoing-events.ts'
import type { RoomServers } from './room-servers.ts'

/** What another server may do and see in our rooms. */
export class ServerView {
  readonly #deps: { readonly store: RoomStore; readonly roomServers: RoomServers; readonly serverName: ServerName }

  constructor(deps: { readonly store: RoomStore; readonly roomServers: RoomServers; readonly serverName: ServerName }) {
    this.#deps = deps
  }

  /**
   * A room that we are in, or for `leave` one that nobody at all is in any more, from which its ACL does not ban the server.
   * Throws `M_NOT_FOUND` or `M_FORBIDDEN`.
   */
  async room(server: ServerName, roomId: RoomId, to: 'leave' | 'takePart' = 'takePart'): Promise<Room> {
    const room = await this.#deps.store.room(roomId)
    const servers = room && (await this.#deps.roomServers.at(roomId, room.state))
    const isOurs = servers?.has(this.#deps.serverName) || (to === 'leave' && servers?.size === 0)
    if (!room || !isOurs) throw notFound('This room is not known here')
    if (!(await this.isAllowed(server, room))) throw forbidden(`${server} is banned from this room`)
    return room
  }

  /**
   * A room that the server is in, and we are or were: what came right before our leaving nobody else may have. Throws
   * `M_NOT_FOUND` or `M_FORBIDDEN`.
   */
  async sharedRoom(server: ServerName, roomId: RoomId): Promise<Room> {
    const room = await this.#deps.store.room(roomId)
    if (!room) throw notFound('This room is not known here')
    if (!(await this.isAllowed(server, room))) throw forbidden(`${server} is banned from this room`)
    if (!(await this.#deps.roomServers.at(roomId, room.state)).has(server)) throw forbidden(`${server} is not in this room`)
    return room
  }

  /** Whether the room's ACL lets the server take part. */
  async isAllowed(server: ServerName, room: Room): Promise<boolean> {
    const acl = await this.#deps.store.stateEvent(room.state, 'm.room.server_acl', '')
    return isAllowedByAcl(server, acl?.content)
  }

  /** Whether the ACL of a room bans the server; not from a room that is not known. */
  async isBanned(server: ServerName, roomId: RoomId): Promise<boolean> {
    const room = await this.#deps.store.room(roomId)
    return room !== undefined && !(await this.isAllowed(server, room))
  }

  /** An event of a room that both are in. Throws `M_NOT_FOUND` where there is none, or it is of another room. */
  async event(room: Room, eventId: EventId): Promise<EventRecord> {
    const record = await this.#deps.store.event(eventId)
    if (!record || record.event.roomId !== room.roomId) throw notFound('This event is not known here')
    return record
  }

  /** The PDUs as the server may have them: redacted where the room's history visibility hides them from all its users. */
  async show(server: ServerName, room: Room, records: readonly EventRecord[]): Promise<Pdu[]> {
    const members = new Map<string, Promise<Viewer[]>>()
    const shown: Pdu[] = []
    for (const record of records) {
      const isVisible = await this.#isVisible(server, room, { record, members })
      shown.push(isVisible ? outgoingPdu(record) : redact(record.stored.pdu, room.rules))
    }
    return shown
  }

  async #isVisible(
    server: ServerName,
    room: Room,
    { record, members }: { readonly record: EventRecord; readonly members: Map<string, Promise<Viewer[]>> },
  ): Promise<boolean> {
    const { store, roomServers } = this.#deps
    const { stored, event } = record
    // An outlier is known as part of an auth chain or of a state; of others it is not known who was there.
    if (stored.stateBefore === undefined) return event.stateKey !== undefined
    const state = await store.stateBefore(record)
    const visibility = historyVisibilityOf((await store.stateEvent(state, 'm.room.history_visibility', ''))?.content)
    if ((await roomServers.at(room.roomId, state)).has(server)) return true
    const viewers = members.get(state.root) ?? this.#viewers(server, room, state)
    members.set(state.root, viewers)
    return mayServerSee(event, visibility, await viewers)
  }

  /** The server's users in a snapshot, and those who are in the room now. */
  async #viewers(server: ServerName, room: Room, state: StateTrie): Promise<Viewer[]> {
    const ofServer = ([userId]: [UserId, EventId]) => serverNameOf(userId) === server
    const then = memberEvents(state).filter(ofServer)
    const now = memberEvents(room.state).filter(ofServer)
    const records = await this.#deps.store.events([...then, ...now].map(([, eventId]) => eventId))
    const membershipIn = (snapshot: StateTrie, userId: UserId) =>
      records.get(snapshot.get(stateKeyOf('m.room.member', userId)) ?? '')?.event.content.membership
    return [...new Set([...then, ...now].map(([userId]) => userId))].map((userId) => ({
      userId,
      membership: membershipIn(state, userId),
      joinedAfter: membershipIn(room.state, userId) === 'join',
    }))
  }
}
