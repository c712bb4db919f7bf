import type { MemberLists } from '../rooms/member-lists.ts'
import { overviewOf, type RoomOverview, roomSummary } from '../rooms/room-overview.ts'
import { memberEvents, type Room, type RoomStore } from '../rooms/room-store.ts'
import { notFound } from '../spec/errors.ts'
import { type RoomEvent, type RoomId, type ServerName, splitStateKey } from '../spec/event.ts'
import { isRoomId, serverNameOf } from '../spec/identifiers.ts'
import type { JsonObject } from '../spec/json.ts'
import type { RoomServers } from './room-servers.ts'

/** Rooms of a space that another server is told of. */
const mostChildren = 100

/** Spaces as other servers may see them (Server-Server API, "Spaces"). */
export class SpaceView {
  readonly #deps: {
    readonly store: RoomStore
    readonly members: MemberLists
    readonly roomServers: RoomServers
    readonly serverName: ServerName
  }

  constructor(deps: {
    readonly store: RoomStore
    readonly members: MemberLists
    readonly roomServers: RoomServers
    readonly serverName: ServerName
  }) {
    this.#deps = deps
  }

  /** The room and those of its children that we know. Throws `M_NOT_FOUND` where the server may not see the room itself. */
  async hierarchy(server: ServerName, roomId: RoomId, suggestedOnly: boolean): Promise<JsonObject> {
    const room = await this.#residentRoom(roomId)
    const overview = room && (await overviewOf(room, this.#deps))
    if (!room || !overview || !(await this.#mayPreview(server, room, overview))) throw notFound('This room is not known here')
    const links = overview.roomType === 'm.space' ? await this.#children(room, suggestedOnly) : []
    const children: JsonObject[] = []
    const inaccessible: RoomId[] = []
    for (const { stateKey = '' } of links) {
      const child = await this.#residentRoom(stateKey)
      if (!child) continue
      const summary = await overviewOf(child, this.#deps)
      if (await this.#mayPreview(server, child, summary)) children.push(roomSummary(summary))
      else inaccessible.push(stateKey)
    }
    return {
      room: { ...roomSummary(overview), children_state: links.map(strippedLink) },
      children,
      inaccessible_children: inaccessible,
    }
  }

  async #residentRoom(roomId: RoomId): Promise<Room | undefined> {
    const isHere = (await this.#deps.roomServers.now(roomId)).has(this.#deps.serverName)
    return isHere ? this.#deps.store.room(roomId) : undefined
  }

  async #children(room: Room, suggestedOnly: boolean): Promise<RoomEvent[]> {
    const eventIds = [...room.state].flatMap(([key, eventId]) => (splitStateKey(key).type === 'm.space.child' ? [eventId] : []))
    const records = await this.#deps.store.events(eventIds)
    return [...records.values()]
      .map(({ event }) => event)
      .filter(
        ({ stateKey, content }) => isRoomId(stateKey ?? '') && Array.isArray(content.via) && (!suggestedOnly || content.suggested === true),
      )
      .slice(0, mostChildren)
  }

  /** Whether some user of the server may be told of the room. */
  async #mayPreview(server: ServerName, room: Room, overview: RoomOverview): Promise<boolean> {
    if (overview.worldReadable || ['public', 'knock', 'knock_restricted'].includes(overview.joinRule)) return true
    if (await this.#hasMember(server, room)) return true
    if (overview.joinRule !== 'restricted') return false
    const allowed = await Promise.all(overview.allowedRoomIds.map((roomId) => this.#deps.roomServers.now(roomId)))
    return allowed.some((servers) => servers.has(server))
  }

  async #hasMember(server: ServerName, room: Room): Promise<boolean> {
    if ((await this.#deps.roomServers.at(room.roomId, room.state)).has(server)) return true
    const ofServer = memberEvents(room.state).filter(([userId]) => serverNameOf(userId) === server)
    const records = await this.#deps.store.events(ofServer.map(([, eventId]) => eventId))
    return [...records.values()].some(({ event }) => event.content.membership === 'invite')
  }
}

function strippedLink({ type, stateKey = '', content, sender, originServerTs }: RoomEvent): JsonObject {
  return { type, state_key: stateKey, content, sender, origin_server_ts: originServerTs }
}
