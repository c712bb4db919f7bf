import type { Logger } from '../ports/logger.ts'
import type { RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import { receivePdus, valid } from './incoming.ts'
import type { EventPlacer } from './place.ts'
import type { EventVerifier, RemoteServers } from './remote.ts'
import type { Room, RoomStore } from './room-store.ts'

/** How many servers are asked before giving up. */
const serversAsked = 3

interface BackfillDeps {
  readonly store: RoomStore
  readonly remote: RemoteServers
  readonly verifier: EventVerifier
  readonly placer: EventPlacer
  readonly logger: Logger
  readonly serverName: ServerName
}

/** Fetches history from before we came to a room. */
export class Backfill {
  readonly #deps: BackfillDeps

  constructor(deps: BackfillDeps) {
    this.#deps = deps
  }

  /** Asks other servers for up to `limit` events before what we have. Resolves with how many were new. */
  async fill(roomId: RoomId, limit: number): Promise<number> {
    const room = await this.#deps.store.room(roomId)
    if (!room || room.backwardExtremities.length === 0) return 0
    const servers = [...(await this.#deps.store.servers(roomId))].filter((server) => server !== this.#deps.serverName)
    for (const server of servers.slice(0, serversAsked)) {
      const events = await this.#ask(server, room, limit)
      const added = await this.#deps.placer.place({ origin: server, roomId, rules: room.rules, events, live: false })
      if (added.length > 0) return added.length
    }
    return 0
  }

  async #ask(server: ServerName, room: Room, limit: number): Promise<RoomEvent[]> {
    const { remote, verifier, logger } = this.#deps
    try {
      const pdus = await remote.backfill(server, { roomId: room.roomId, from: room.backwardExtremities.slice(0, 20), limit })
      return valid(await receivePdus(pdus, room, verifier)).sort((a, b) => a.depth - b.depth)
    } catch (error) {
      logger.log('info', 'a server did not back-fill', { server, error: String(error) })
      return []
    }
  }
}
