import type { Clock } from '../../ports/clock.ts'
import type { StickyEvents } from '../../rooms/sticky-events.ts'
import type { RoomId, UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { StoredMembership } from '../../storage/tables/rooms.ts'
import type { Position, Stream } from '../../streams/stream.ts'
import { waitPast } from '../../streams/wait.ts'
import type { DeviceListTracker } from '../device-list-changes.ts'
import type { RoomLog } from '../room-log.ts'
import type { RoomViews } from '../room-views.ts'
import type { PresenceState, SyncSources } from '../sources.ts'
import { readNews } from '../timeline.ts'
import type { Tokens } from '../token.ts'
import type { UnreadCounts } from '../unread.ts'
import { Connections, type SentRoom, unknownPosition } from './connections.ts'
import { Extensions } from './extensions.ts'
import type { SlidingSyncBody } from './request.ts'
import { RoomActivity } from './room-activity.ts'
import { RoomLabels } from './room-labels.ts'
import { RoomLists, type Wanted } from './room-lists.ts'
import { RoomTraits } from './room-traits.ts'
import { type SlidingPass, SlidingRooms } from './sliding-room.ts'

/** A sliding sync as a device asks it. */
export interface SlidingSyncRequest {
  readonly userId: UserId
  readonly deviceId: string
  readonly pos?: string
  readonly timeoutMs: number
  readonly setPresence?: PresenceState
  readonly body: SlidingSyncBody
  readonly signal: AbortSignal
}

interface SlidingSyncDeps {
  readonly stream: Stream
  readonly clock: Clock
  readonly views: RoomViews
  readonly tokens: Tokens
  readonly sources: SyncSources
  readonly sticky: StickyEvents
  readonly log: RoomLog
  readonly unread: UnreadCounts
  readonly deviceLists: DeviceListTracker
  /** The newest position, and the user's memberships at it. */
  readonly now: (userId: UserId) => Promise<{ readonly upTo: Position; readonly memberships: ReadonlyMap<RoomId, StoredMembership> }>
}

/** The most that one room's news may hold before it is cut to what a timeline shows. */
const newsLimit = 50
const longestWaitMs = 30_000

/** Answers simplified sliding sync (MSC4186). */
export class SlidingSync {
  readonly #deps: SlidingSyncDeps
  readonly #connections = new Connections()
  readonly #lists: RoomLists
  readonly #labels: RoomLabels
  readonly #rooms: SlidingRooms
  readonly #extensions: Extensions

  constructor(deps: SlidingSyncDeps) {
    this.#deps = deps
    const { store } = deps.views
    this.#lists = new RoomLists({ store, activity: new RoomActivity(store), traits: new RoomTraits(store) })
    this.#labels = new RoomLabels(deps.sources.accountData)
    this.#rooms = new SlidingRooms(deps)
    this.#extensions = new Extensions(deps)
  }

  /**
   * The response, at once if there is anything to say, else as soon as there is, at the latest after `timeoutMs` (30 s at
   * most). Throws `M_UNKNOWN_POS` where the connection is not known any more.
   */
  async sync(request: SlidingSyncRequest): Promise<JsonObject> {
    const { stream, clock, sources, tokens } = this.#deps
    const { userId, deviceId, body } = request
    void sources.presence.online(userId, deviceId, request.setPresence).catch(() => undefined)
    const key = { userId, deviceId, connId: body.conn_id ?? '' }
    const connection = this.#connections.open(key, request.pos === undefined ? undefined : this.#connectionNumber(request.pos))
    const since = connection.position
    const deadline = clock.now() + Math.min(request.timeoutMs, longestWaitMs)
    for (;;) {
      const at = await this.#deps.now(userId)
      const { json, rooms, isNews } = await this.#pass({ ...request, ...at, since, sent: connection.rooms })
      const remainingMs = deadline - clock.now()
      if (since === undefined || isNews || remainingMs <= 0 || request.signal.aborted) {
        const number = this.#connections.issue(key, connection, { position: at.upTo, rooms })
        return { pos: tokens.sync({ position: at.upTo, connection: number }), ...json }
      }
      await waitPast(stream, at.upTo, { clock, timeoutMs: remainingMs, signal: request.signal })
    }
  }

  #connectionNumber(pos: string): number {
    try {
      const { connection } = this.#deps.tokens.parseSync(pos)
      if (connection !== undefined) return connection
    } catch {
      // A token of before a restart, or none of ours: the client starts anew.
    }
    throw unknownPosition()
  }

  async #pass(
    request: SlidingSyncRequest & {
      readonly since: Position | undefined
      readonly upTo: Position
      readonly memberships: ReadonlyMap<RoomId, StoredMembership>
      readonly sent: ReadonlyMap<RoomId, SentRoom>
    },
  ): Promise<{ json: JsonObject; rooms: ReadonlyMap<RoomId, SentRoom>; isNews: boolean }> {
    const { userId, since, upTo, memberships, sent, body } = request
    const [ignored, blocksInvites, labels, news] = await Promise.all([
      this.#deps.sources.accountData.ignoredUsers(userId),
      this.#deps.sources.accountData.blocksInvites(userId),
      this.#labels.of(userId, upTo),
      since === undefined ? new Map() : this.#news({ memberships, since, upTo }),
    ])
    const wanted = await this.#lists.select({ userId, memberships, ignored, blocksInvites, labels, sent }, body)
    const pass: SlidingPass = { ...request, since, upTo, ignored, direct: labels.direct, news }
    const written = await this.#write(pass, wanted, sent)
    const shown = new Map([...written].map(([roomId, { json }]) => [roomId, eventIdsOf(json)]))
    const told = await this.#extensions.write({ ...pass, body, wanted, sent, memberships, shown })
    return {
      json: {
        ...(wanted.lists.size > 0 ? { lists: listsJson(wanted) } : {}),
        rooms: Object.fromEntries([...written].map(([roomId, { json }]) => [roomId, json])),
        extensions: told.json,
      },
      rooms: new Map([...fallenBehind(pass, wanted, sent), ...[...written].map(([roomId, room]) => [roomId, room.sent] as const)]),
      isNews: written.size > 0 || told.isNews,
    }
  }

  async #write(pass: SlidingPass, wanted: Wanted, sent: ReadonlyMap<RoomId, SentRoom>) {
    const rooms = await Promise.all(
      [...wanted.rooms].map(
        async ([roomId, room]) => [roomId, await this.#rooms.write(pass, { ...room, sent: sent.get(roomId) })] as const,
      ),
    )
    return new Map(rooms.flatMap(([roomId, written]) => (written ? [[roomId, written] as const] : [])))
  }

  #news(span: { readonly memberships: ReadonlyMap<RoomId, StoredMembership>; readonly since: Position; readonly upTo: Position }) {
    const wanted = (roomId: RoomId) => span.memberships.has(roomId)
    return readNews(this.#deps.log, { ...span, wanted }, { passes: () => true, limit: newsLimit })
  }
}

/** Rooms that changed and were not among those wanted: from here on the client lacks something of them. */
function fallenBehind(pass: SlidingPass, wanted: Wanted, sent: ReadonlyMap<RoomId, SentRoom>): [RoomId, SentRoom][] {
  const { since } = pass
  if (since === undefined) return []
  return [...pass.news.keys()].flatMap((roomId): [RoomId, SentRoom][] => {
    const room = sent.get(roomId)
    return room && room.position === undefined && !wanted.rooms.has(roomId) ? [[roomId, { ...room, position: since }]] : []
  })
}

/** `ops` is what clients of the first sliding sync read; the others count. */
function listsJson({ lists }: Wanted): JsonObject {
  return Object.fromEntries(
    [...lists].map(([name, { count, windows }]) => [
      name,
      { count, ops: windows.map(({ range, roomIds }) => ({ op: 'SYNC', range: [...range], room_ids: [...roomIds] })) },
    ]),
  )
}

function eventIdsOf({ timeline }: JsonObject): Set<string> {
  const events = Array.isArray(timeline) ? timeline : []
  return new Set(
    events.flatMap((event) => (event !== null && typeof event === 'object' && 'event_id' in event ? [String(event.event_id)] : [])),
  )
}
