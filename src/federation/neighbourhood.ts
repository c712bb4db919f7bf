import type { DeviceLists } from '../keys/device-lists.ts'
import type { RemoteDeviceLists } from '../keys/remote-device-lists.ts'
import type { Logger } from '../ports/logger.ts'
import type { RoomMembers } from '../ports/room-members.ts'
import type { Publication, RoomStore } from '../rooms/room-store.ts'
import type { RoomEvent, RoomId, ServerName, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { Presence } from '../users/presence.ts'
import type { RoomServers } from './room-servers.ts'

interface NeighbourhoodDeps {
  readonly store: RoomStore
  readonly currentMembers: RoomMembers
  readonly roomServers: RoomServers
  readonly deviceLists: DeviceLists
  readonly remoteDeviceLists: RemoteDeviceLists
  readonly presence: Presence
  readonly serverName: ServerName
  readonly logger: Logger
}

interface LocalMembership {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly membership: string
}

/**
 * Follows who comes to share a room with whom: a server that is new to a local user learns of the user's devices and presence
 * (Server-Server API, "Device Management"), and what is known of users who share no room any more is forgotten.
 */
export class Neighbourhood {
  readonly #deps: NeighbourhoodDeps
  readonly #working = new Set<Promise<void>>()

  constructor(deps: NeighbourhoodDeps) {
    this.#deps = deps
    deps.store.onPublish((change) => this.#follow(change))
  }

  /** Resolves once everything published so far was followed. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working)
  }

  #follow(change: Publication): void {
    const ours = (change.memberships ?? []).filter(([, , { position }]) => isNew(change, position))
    const others = (change.records ?? []).filter(({ stored, event }) => stored.live && stored.status === 'accepted' && this.#isOther(event))
    if (ours.length + others.length === 0) return
    const work = this.#work(
      ours.map(([userId, roomId, { membership }]) => ({ userId, roomId, membership })),
      others.map(({ event }) => event),
    )
      .catch((failure: unknown) => this.#deps.logger.log('warn', 'cannot follow memberships', { reason: String(failure) }))
      .finally(() => this.#working.delete(work))
    this.#working.add(work)
  }

  async #work(ours: readonly LocalMembership[], others: readonly RoomEvent[]): Promise<void> {
    for (const { userId, roomId, membership } of ours) {
      if (membership === 'join') await this.#localJoin(userId, roomId)
      if (membership === 'leave' || membership === 'ban') await this.#forgetStrangers(await this.#deps.currentMembers.joinedUsers(roomId))
    }
    for (const event of others) {
      if (event.content.membership === 'join') await this.#otherJoin(event)
      else await this.#forgetStrangers([event.stateKey ?? ''])
    }
  }

  async #localJoin(userId: UserId, roomId: RoomId): Promise<void> {
    const present = await this.#deps.store.joinedUsers(roomId)
    const isFirst = !present.some((other) => other !== userId && serverNameOf(other) === this.#deps.serverName)
    // What is still kept of them, by a crash or otherwise, is from before they were strangers.
    if (isFirst) await this.#forgetStrangers(present, roomId)
    const known = await this.#neighbours(userId, roomId)
    const servers = [...(await this.#deps.roomServers.now(roomId))].filter((server) => !known.has(server))
    await this.#deps.deviceLists.announce(userId, servers)
    this.#deps.presence.tell(userId, servers)
  }

  /** A user of another server joined: local users of the room show themselves to that server, if it is new to them. */
  async #otherJoin({ roomId, stateKey = '' }: RoomEvent): Promise<void> {
    const server = serverNameOf(stateKey) ?? ''
    const joined = await this.#deps.store.joinedUsers(roomId)
    if (joined.some((userId) => userId !== stateKey && serverNameOf(userId) === server)) return
    for (const userId of joined.filter((each) => serverNameOf(each) === this.#deps.serverName)) {
      if (!(await this.#neighbours(userId, roomId)).has(server)) this.#deps.presence.tell(userId, [server])
    }
  }

  /**
   * Forgets the devices of those users of other servers who share no room with anyone here, `exceptIn` left aside: nobody tells
   * us of changes.
   */
  async #forgetStrangers(candidates: readonly UserId[], exceptIn?: RoomId): Promise<void> {
    const { store, currentMembers, remoteDeviceLists } = this.#deps
    const strangers = new Set(await remoteDeviceLists.kept(candidates))
    const rooms = strangers.size === 0 ? [] : (await store.roomIds()).filter((roomId) => roomId !== exceptIn)
    for (const roomId of rooms) {
      const users = await currentMembers.joinedUsers(roomId)
      if (users.some((userId) => serverNameOf(userId) === this.#deps.serverName)) for (const userId of users) strangers.delete(userId)
    }
    for (const userId of strangers) await remoteDeviceLists.unsubscribed(userId)
  }

  /** Servers that share a room with a local user, `exceptIn` left aside. */
  async #neighbours(userId: UserId, exceptIn: RoomId): Promise<Set<ServerName>> {
    const rooms = (await this.#deps.store.joinedRooms(userId)).filter((roomId) => roomId !== exceptIn)
    const servers = await Promise.all(rooms.map((roomId) => this.#deps.roomServers.now(roomId)))
    return new Set([this.#deps.serverName, ...servers.flatMap((each) => [...each])])
  }

  #isOther({ type, stateKey }: RoomEvent): boolean {
    return type === 'm.room.member' && stateKey !== undefined && serverNameOf(stateKey) !== this.#deps.serverName
  }
}

/** Whether a membership began with this very change, and is not one of old that only changed its looks. */
function isNew({ records = [] }: Publication, position: number): boolean {
  return records.some((record) => record.position === position)
}
