import type { Logger } from '../ports/logger.ts'
import type { RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import type { GapFiller } from './gap-filler.ts'
import { addOutliers, rejectionByAuthEvents, snapshotOf } from './import.ts'
import { receivePdus, valid } from './incoming.ts'
import type { EventVerifier, RemoteServers } from './remote.ts'
import type { RoomQueue } from './room-queue.ts'
import type { Room, RoomStore } from './room-store.ts'

/** How many servers are asked before giving up. */
const serversAsked = 3

interface BackfillDeps {
  readonly store: RoomStore
  readonly queue: RoomQueue
  readonly remote: RemoteServers
  readonly verifier: EventVerifier
  readonly gapFiller: GapFiller
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
      const added = events.length === 0 ? 0 : await this.#take(server, room, events)
      if (added > 0) return added
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

  // Oldest first: the state before the oldest is asked for, and the others' follow from it.
  async #take(server: ServerName, room: Room, events: readonly RoomEvent[]): Promise<number> {
    let added = 0
    for (const event of events) added += (await this.#place(server, room, event)) ? 1 : 0
    return added
  }

  async #place(server: ServerName, room: Room, event: RoomEvent): Promise<boolean> {
    const { store, gapFiller, queue } = this.#deps
    if ((await store.event(event.eventId))?.stored.stateAfter !== undefined) return false
    const authEvents = await gapFiller.authEvents(server, [event], room.rules)
    const previous = await store.events(event.prevEvents)
    const lacksPrevious = event.prevEvents.some((eventId) => previous.get(eventId)?.stored.stateAfter === undefined)
    const told = lacksPrevious ? await gapFiller.stateBefore(server, event, room.rules) : undefined
    if (lacksPrevious && !told) return false
    return queue.enqueue(room.roomId, async (draft) => {
      await addOutliers(draft, [...authEvents, ...(told?.events ?? [])])
      const rejection = await rejectionByAuthEvents(draft, event)
      await draft.place(event, {
        live: false,
        ...(told ? { stateBefore: await snapshotOf(draft, told.state) } : {}),
        ...(rejection === undefined ? {} : { rejection }),
      })
      return true
    })
  }
}
