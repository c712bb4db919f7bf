import type { RoomMembers } from '../ports/room-members.ts'
import { last, type Storage } from '../ports/storage.ts'
import type { EventId, RoomEvent, RoomId, ServerName, StateMap, UserId } from '../spec/event.ts'
import { type StateKey, splitStateKey, stateKeyOf } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { rulesOf } from '../spec/room-version.ts'
import { type NodeHash, StateTrie } from '../spec/state-trie.ts'
import { Lru } from '../storage/lru.ts'
import {
  eventPacks,
  eventPositions,
  eventRuns,
  events,
  pendingRedactions,
  rooms,
  roomTails,
  type SentTransaction,
  type StoredEvent,
  type StoredMembership,
  type StoredRoom,
  timeline,
} from '../storage/tables/rooms.ts'
import type { Position } from '../streams/stream.ts'
import { eventView } from './event-view.ts'
import { type LocalMembership, LocalMemberships } from './local-memberships.ts'
import { LogTail } from './log-tail.ts'
import { NewestPlaces } from './newest-places.ts'
import { PackedEvents, type PackedRun } from './packed-events.ts'
import { RoomTails, tailLength, tailState } from './room-tails.ts'
import { SentTransactions } from './sent-transactions.ts'
import { Snapshots } from './snapshots.ts'

/** An event with where and how it is kept. */
export interface EventRecord {
  readonly position: number
  readonly stored: StoredEvent
  readonly event: RoomEvent
}

/** A room's moving parts; a new object replaces it with every commit. */
export interface Room {
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
  readonly forwardExtremities: readonly EventId[]
  readonly backwardExtremities: readonly EventId[]
  /** The current resolved state. */
  readonly state: StateTrie
}

/** What a commit of the pipeline made true. */
export interface Publication {
  readonly room?: Room
  readonly records?: readonly EventRecord[]
  /** Where those of the records lie that are packed. */
  readonly run?: PackedRun
  readonly nodes?: readonly NodeHash[]
  /** Memberships of local users. */
  readonly memberships?: readonly LocalMembership[]
}

/** A place in a room's topological order. */
export interface TimelinePoint {
  readonly depth: number
  readonly position: number
}

/** How many events are looked at in memory before a snapshot is read from storage. */
const hopLimit = 50
/** How many of a room's newest places are read at least: the next reader may want some more, and they cost nothing. */
const newestRead = 25

/**
 * Reads rooms and events, from memory where they are hot. The pipeline publishes into it after each durable commit;
 * nothing here writes to storage.
 */
export class RoomStore implements RoomMembers {
  readonly #storage: Storage
  readonly #rooms = new Lru<RoomId, Room>(1000)
  readonly #loading = new Map<RoomId, Promise<Room | undefined>>()
  readonly #records = new Lru<EventId, EventRecord>(40_000)
  readonly #packed = new PackedEvents()
  readonly #snapshots: Snapshots
  readonly #memberships: LocalMemberships
  readonly #sent: SentTransactions
  readonly #tail: LogTail<EventRecord>
  readonly #newest = new NewestPlaces()
  readonly #tails: RoomTails
  readonly #listeners = new Set<(change: Publication) => void>()

  /** @param from a position after which nothing has been committed: from there on the log is kept in memory. */
  constructor(storage: Storage, from: Position = Number.POSITIVE_INFINITY) {
    this.#storage = storage
    this.#snapshots = new Snapshots(storage)
    this.#memberships = new LocalMemberships(storage)
    this.#sent = new SentTransactions(storage)
    this.#tail = new LogTail(from)
    this.#tails = new RoomTails(storage, (roomId) => this.#tailOf(roomId))
  }

  /** The room, or `undefined` if this server never was in it. */
  async room(roomId: RoomId): Promise<Room | undefined> {
    const known = this.#rooms.get(roomId)
    if (known) return known
    const loading = this.#loading.get(roomId) ?? this.#loadRoom(roomId).finally(() => this.#loading.delete(roomId))
    this.#loading.set(roomId, loading)
    return loading
  }

  /** The snapshot whose root is `root`. */
  state(root: NodeHash): Promise<StateTrie> {
    return this.#snapshots.load(root)
  }

  async event(eventId: EventId): Promise<EventRecord | undefined> {
    return (await this.events([eventId])).get(eventId)
  }

  /** Those of the events that are stored, whatever their status. */
  async events(eventIds: Iterable<EventId>): Promise<Map<EventId, EventRecord>> {
    const found = new Map<EventId, EventRecord>()
    const missing: EventId[] = []
    for (const eventId of eventIds) {
      const record = this.#records.get(eventId)
      if (record) found.set(eventId, record)
      else missing.push(eventId)
    }
    if (missing.length === 0) return found
    const rows = await this.#storage.read([eventPositions, events, eventPacks, eventRuns], async (tx) => {
      const positions = await tx.getMany(eventPositions, missing)
      const known = positions.filter((position) => position !== undefined)
      const others = missing.filter((_, i) => positions[i] === undefined)
      const [stored, packed] = await Promise.all([tx.getMany(events, known), this.#packed.find(tx, others)])
      return [...known.map((position, i) => ({ position, stored: stored[i] })), ...packed]
    })
    for (const { position, stored } of rows) {
      if (stored) found.set(stored.eventId, this.#record(position, stored))
    }
    return found
  }

  /** The event that holds `(type, stateKey)` in `state`. */
  async stateEvent(state: StateMap, type: string, stateKey: string): Promise<RoomEvent | undefined> {
    const eventId = state.get(stateKeyOf(type, stateKey))
    return eventId === undefined ? undefined : (await this.event(eventId))?.event
  }

  /** The state after the event: what a client means by the state at it. Empty for an outlier. */
  stateAfter({ stored, event }: EventRecord): Promise<StateTrie> {
    return this.#stateOf(event.roomId, stored.stateAfter)
  }

  stateBefore({ stored, event }: EventRecord): Promise<StateTrie> {
    return this.#stateOf(event.roomId, stored.stateBefore)
  }

  /**
   * What held `key` in the state before an event. Events before it that are at hand tell, as most state differs from the one
   * before it in a single entry: a snapshot is dear to read.
   */
  async entryBefore(record: EventRecord, key: StateKey): Promise<EventId | undefined> {
    let at = record
    for (let hop = 0; hop < hopLimit; hop++) {
      const { stateBefore } = at.stored
      const known = stateBefore === undefined ? StateTrie.empty : this.#knownState(at.event.roomId, stateBefore)
      if (known) return known.get(key)
      const [previousId, ...others] = at.event.prevEvents
      const previous = previousId === undefined || others.length > 0 ? undefined : this.#records.get(previousId)
      if (!previous || previous.stored.stateAfter !== stateBefore) break
      const { event, stored } = previous
      const isHolder = event.stateKey !== undefined && stored.stateBefore !== stateBefore && stateKeyOf(event.type, event.stateKey) === key
      if (isHolder) return event.eventId
      at = previous
    }
    return (await this.stateBefore(record)).get(key)
  }

  async #stateOf(roomId: RoomId, root: NodeHash | undefined): Promise<StateTrie> {
    return root === undefined ? StateTrie.empty : (this.#knownState(roomId, root) ?? this.state(root))
  }

  /** A snapshot that is in memory: most often the room's current one. */
  #knownState(roomId: RoomId, root: NodeHash): StateTrie | undefined {
    const current = this.#rooms.get(roomId)?.state
    return current?.root === root ? current : this.#snapshots.known(root)
  }

  /** Events of all rooms in (after, upTo], oldest first, at most `limit`: the log that readers follow. It lacks packed ones, which are outliers. */
  async log(after: number, upTo: number, limit: number): Promise<EventRecord[]> {
    const recent = this.#tail.range(after, upTo, limit)
    if (recent) return recent
    const rows = await this.#storage.read([events], (tx) => tx.range(events, { after, to: upTo, limit }))
    return rows.map(([position, stored]) => this.#record(position, stored))
  }

  /** The room's events in topological order from a point on (exclusive), outliers left out, rejected ones included. */
  async timeline(
    roomId: RoomId,
    page: { readonly direction: 'backwards' | 'forwards'; readonly from?: TimelinePoint; readonly limit: number },
  ): Promise<EventRecord[]> {
    const { from, limit } = page
    const isNewest = page.direction === 'backwards' && from === undefined
    const newest = isNewest ? this.#newest.of(roomId, limit) : undefined
    if (newest?.every(([, , eventId]) => this.#records.has(eventId))) {
      return newest.flatMap(([, , eventId]) => this.#records.get(eventId) ?? [])
    }
    const keepNewest = isNewest ? this.#newest.reading(roomId) : undefined
    const border = from ? ([roomId, from.depth, from.position] as const) : undefined
    const end = [roomId, Number.POSITIVE_INFINITY, 0] as const
    const range =
      page.direction === 'backwards'
        ? {
            from: [roomId, 0, 0] as const,
            ...(border ? { before: border } : { to: end }),
            reverse: true,
            limit: isNewest ? Math.max(limit, newestRead) : limit,
          }
        : { ...(border ? { after: border } : { from: [roomId, 0, 0] as const }), to: end, limit }
    // With the tail comes the state of a small room, which readers of its newest events want next.
    // The events by their positions, which the timeline names, in the same transaction: each read is dear.
    const { places, tail, missing } = await this.#storage.read([timeline, events, roomTails], async (tx) => {
      const [places, tail = []] = await Promise.all([tx.range(timeline, range), isNewest ? tx.get(roomTails, roomId) : undefined])
      const inTail = new Set(tail.map(([position]) => position))
      const unknown = places
        .slice(0, limit)
        .flatMap(([[, , position], eventId]) => (this.#records.has(eventId) || inTail.has(position) ? [] : position))
      const stored = await tx.getMany(events, unknown)
      return { places, tail, missing: unknown.map((position, i) => [position, stored[i]] as const) }
    })
    for (const [position, stored] of tail) if (!this.#records.has(stored.eventId)) this.#record(position, stored)
    keepNewest?.({
      places: places.map(([[, depth, position], eventId]) => [depth, position, eventId]),
      whole: places.length < Math.max(limit, newestRead),
    })
    const read = new Map(missing.flatMap(([position, stored]) => (stored ? [[stored.eventId, this.#record(position, stored)]] : [])))
    return places.slice(0, limit).flatMap(([, eventId]) => read.get(eventId) ?? this.#records.get(eventId) ?? [])
  }

  /** Every membership of a local user, by room. */
  async memberships(userId: UserId): Promise<ReadonlyMap<RoomId, StoredMembership>> {
    return this.#memberships.of(userId)
  }

  /** The event a device already sent to the room with this transaction id. */
  async transaction(roomId: RoomId, transaction: SentTransaction): Promise<EventId | undefined> {
    return this.#sent.find(roomId, transaction)
  }

  /** Accepted redactions of events that were not there when they came, by what they redact. */
  async pendingRedactions(targets: readonly EventId[]): Promise<Map<EventId, EventId[]>> {
    const rows = await this.#storage.read([pendingRedactions], async (tx) => {
      // Most often there is none at all, and a join brings thousands of events.
      if ((await tx.range(pendingRedactions, { limit: 1 })).length === 0) return []
      const ofTarget = (target: EventId) => tx.range(pendingRedactions, { from: [target, ''], to: [target, last] })
      return (await Promise.all(targets.map(ofTarget))).flat()
    })
    const found = new Map<EventId, EventId[]>()
    for (const [[target, redaction]] of rows) found.set(target, [...(found.get(target) ?? []), redaction])
    return found
  }

  async joinedRooms(userId: UserId): Promise<RoomId[]> {
    return [...(await this.memberships(userId))].filter(([, { membership }]) => membership === 'join').map(([roomId]) => roomId)
  }

  async joinedUsers(roomId: RoomId): Promise<UserId[]> {
    const room = await this.room(roomId)
    return room ? this.membersOf(room.state, 'join') : []
  }

  async servers(roomId: RoomId): Promise<Set<ServerName>> {
    return new Set((await this.joinedUsers(roomId)).flatMap((userId) => serverNameOf(userId) ?? []))
  }

  async sharesRoom(userId: UserId, server: ServerName): Promise<boolean> {
    for (const roomId of await this.roomIds()) {
      const state = (await this.room(roomId))?.state
      const member = state && (await this.stateEvent(state, 'm.room.member', userId))
      if (member?.content.membership === 'join' && (await this.servers(roomId)).has(server)) return true
    }
    return false
  }

  /** Users with a membership in a snapshot. */
  async membersOf(state: StateMap, membership: string): Promise<UserId[]> {
    const members = memberEvents(state)
    const records = await this.events(members.map(([, eventId]) => eventId))
    return members.filter(([, eventId]) => records.get(eventId)?.event.content.membership === membership).map(([userId]) => userId)
  }

  /** Whether a node of a snapshot is known to be stored, with all below it. */
  hasNode(hash: NodeHash): boolean {
    return this.#snapshots.hasNode(hash)
  }

  /** Every room this server has. */
  async roomIds(): Promise<RoomId[]> {
    return (await this.#storage.read([rooms], (tx) => tx.range(rooms, {}))).map(([roomId]) => roomId)
  }

  /** Calls `listener` with everything the pipeline publishes, once it is visible here. Returns the way to stop. */
  onPublish(listener: (change: Publication) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** For the pipeline, after its commit is durable. */
  publish(change: Publication): void {
    if (change.room) {
      this.#rooms.set(change.room.roomId, change.room)
      this.#snapshots.add(change.room.state)
    }
    this.#snapshots.addNodes(change.nodes ?? [])
    if (change.run) this.#packed.add(change.run)
    for (const record of change.records ?? []) {
      const { eventId } = record.event
      if (!isIn(change.run, record)) this.#tail.add(record, this.#records.get(eventId)?.position)
      this.#records.set(eventId, record)
      this.#sent.add(record.position, record.stored)
      if (record.stored.stateAfter !== undefined) this.#newest.add(record.event.roomId, [record.event.depth, record.position, eventId])
    }
    this.#memberships.add(change.memberships ?? [])
    if (change.room) this.#tails.note(change.room.roomId, change.records ?? [])
    for (const listener of this.#listeners) listener(change)
  }

  /** Forgets events that have been removed. */
  forget(eventIds: readonly EventId[], runs: readonly PackedRun[]): void {
    for (const eventId of eventIds) this.#records.delete(eventId)
    for (const run of runs) this.#packed.remove(run)
  }

  /** The events that lie together in storage; `undefined` while the newest are not in memory, where they soon will be. */
  #tailOf(roomId: RoomId): EventRecord[] | undefined {
    const newest = this.#newest.known(roomId, tailLength)
    if (!newest) {
      void this.timeline(roomId, { direction: 'backwards', limit: tailLength }).catch(() => undefined)
      return undefined
    }
    const state = this.#rooms.get(roomId)?.state
    const ofState = state && state.size <= tailState ? state.values() : []
    const eventIds = new Set([...newest.map(([, , eventId]) => eventId), ...ofState])
    return [...eventIds].flatMap((eventId) => this.#records.get(eventId) ?? [])
  }

  async #loadRoom(roomId: RoomId): Promise<Room | undefined> {
    const stored = await this.#storage.read([rooms], (tx) => tx.get(rooms, roomId))
    if (!stored) return undefined
    const room = await this.#roomOf(stored)
    this.#rooms.set(roomId, room)
    return room
  }

  async #roomOf(stored: StoredRoom): Promise<Room> {
    return {
      roomId: stored.roomId,
      rules: servedRules(stored.version),
      forwardExtremities: stored.forwardExtremities,
      backwardExtremities: stored.backwardExtremities,
      state: await this.state(stored.state),
    }
  }

  #record(position: number, stored: StoredEvent): EventRecord {
    const known = this.#records.get(stored.eventId)
    if (known && known.position === position && known.stored.redactedBy === stored.redactedBy) return known
    const record = { position, stored, event: eventView(stored.pdu, stored, servedRules(stored.version)) }
    this.#records.set(stored.eventId, record)
    return record
  }
}

/** `[user id, event id]` of every membership event in a snapshot. */
export function memberEvents(state: StateMap): [UserId, EventId][] {
  const members: [UserId, EventId][] = []
  for (const [key, eventId] of state) {
    if (!key.startsWith('13:m.room.member')) continue
    members.push([splitStateKey(key).stateKey, eventId])
  }
  return members
}

function isIn(run: PackedRun | undefined, { position }: EventRecord): boolean {
  return run !== undefined && position >= run.first && position < run.first + run.numbers.length
}

function servedRules(version: string): RoomVersionRules {
  const rules = rulesOf(version)
  if (!rules) throw new Error(`a room of the unserved version ${version} is stored`)
  return rules
}
