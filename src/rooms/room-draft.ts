import type { Write } from '../ports/storage.ts'
import { authEventKeys } from '../spec/auth-events.ts'
import { checkAuth, type Verdict } from '../spec/auth-rules.ts'
import { encodeBase64 } from '../spec/base64.ts'
import { type EventId, type RoomEvent, type RoomId, type StateKey, type StateMap, stateKeyOf } from '../spec/event.ts'
import { referenceHash } from '../spec/event-hash.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { type NodeHash, StateTrie } from '../spec/state-trie.ts'
import { thirdPartySigned } from '../spec/third-party-signature.ts'
import type { EventStatus, StoredEvent } from '../storage/tables/rooms.ts'
import { boundedEnds, headsBeside, lackingBefore } from './graph-ends.ts'
import { type KnownEvent, resolveSnapshots } from './resolve.ts'
import type { Room, RoomStore } from './room-store.ts'

/** An event decided, and not yet stored. */
export interface DraftEvent {
  readonly event: RoomEvent
  readonly status: EventStatus
  readonly stateBefore?: StateTrie
  readonly stateAfter?: StateTrie
  /** One more than the greatest of its auth events' ranks. */
  readonly rank: number
  /** The room's resolved state before and after it was placed. */
  readonly roomBefore?: StateTrie
  readonly roomAfter?: StateTrie
  readonly live: boolean
  readonly reason?: string
  readonly distributedBy?: NonNullable<StoredEvent['distributedBy']>
  readonly transaction?: NonNullable<StoredEvent['transaction']>
  /** Made here just now. */
  readonly isOwn?: boolean
}

/** How an event is to be placed. */
export interface Placement {
  /** New to clients: it may become a forward extremity. Back-filled events are not. */
  readonly live: boolean
  /** The state before it, where a server told us; else it follows from its `prev_events`. */
  readonly stateBefore?: StateTrie
  /** Why its own `auth_events` or its signatures forbid it. */
  readonly rejection?: string
  readonly distributedBy?: NonNullable<StoredEvent['distributedBy']>
  /** The state of the room now, where more is known of it than the ends of its graph here say. */
  readonly current?: StateTrie
  /** Why it must not be shown though the rules allow it. */
  readonly softFailure?: string
  readonly transaction?: NonNullable<StoredEvent['transaction']>
  /** Made here just now: it cannot be known already. */
  readonly isOwn?: boolean
}

const createKey = stateKeyOf('m.room.create', '')

/**
 * A room as it will be once what is being decided is committed: an overlay over the store.
 *
 * Decisions read and write the draft alone; it becomes true for others by one commit, or is thrown away.
 */
export class RoomDraft {
  readonly roomId: RoomId
  /** What the room was before; `undefined` for one that is new here. */
  readonly before: Room | undefined
  readonly #store: RoomStore
  #rules: RoomVersionRules | undefined
  #added: DraftEvent[] = []
  #byId = new Map<EventId, DraftEvent>()
  #writes: Write[] = []
  #extremities: ReadonlySet<EventId>
  #backward: ReadonlySet<EventId>
  #state: StateTrie

  constructor(roomId: RoomId, before: Room | undefined, store: RoomStore) {
    this.roomId = roomId
    this.before = before
    this.#store = store
    this.#rules = before?.rules
    this.#extremities = new Set(before?.forwardExtremities)
    this.#backward = new Set(before?.backwardExtremities)
    this.#state = before?.state ?? StateTrie.empty
  }

  get rules(): RoomVersionRules {
    if (!this.#rules) throw new Error(`${this.roomId} has no rules yet`)
    return this.#rules
  }

  get exists(): boolean {
    return this.#rules !== undefined
  }

  get state(): StateTrie {
    return this.#state
  }

  get forwardExtremities(): ReadonlySet<EventId> {
    return this.#extremities
  }

  get backwardExtremities(): ReadonlySet<EventId> {
    return this.#backward
  }

  get added(): readonly DraftEvent[] {
    return this.#added
  }

  /** What else is to be written in the same commit. */
  get writes(): readonly Write[] {
    return this.#writes
  }

  /** Begins a room that is new here. */
  begin(rules: RoomVersionRules): void {
    this.#rules = rules
  }

  /** Forgets all ends of the graph but these: what a join through another server brings has replaced the others. */
  startAfresh(remaining: ReadonlySet<EventId>): void {
    this.#extremities = remaining
  }

  /** The state of the room, if one of its ends is where the state is `told`. */
  async stateBeside(told: StateTrie): Promise<StateTrie> {
    return this.#resolve([told, ...(await this.#statesAfter([...this.#extremities]))])
  }

  write(...writes: readonly Write[]): void {
    this.#writes = [...this.#writes, ...writes]
  }

  /** Remembers where the draft stands. The answer brings it back there. */
  savepoint(): () => void {
    const { length } = this.#added
    const saved = [this.#rules, this.#writes, this.#extremities, this.#backward, this.#state] as const
    return () => {
      for (const { event } of this.#added.splice(length)) this.#byId.delete(event.eventId)
      ;[this.#rules, this.#writes, this.#extremities, this.#backward, this.#state] = saved
    }
  }

  /** Events of the room by id, the draft's own first. */
  async find(eventIds: Iterable<EventId>): Promise<Map<EventId, KnownEvent>> {
    const found = await this.findAnywhere(eventIds)
    for (const [eventId, { event }] of found) if (event.roomId !== this.roomId) found.delete(eventId)
    return found
  }

  /** Like {@link find}, of whatever room: an event may refer to those of another, and is refused for it. */
  async findAnywhere(eventIds: Iterable<EventId>): Promise<Map<EventId, KnownEvent>> {
    const found = new Map<EventId, KnownEvent>()
    const elsewhere: EventId[] = []
    for (const eventId of eventIds) {
      const own = this.#byId.get(eventId)
      if (own) found.set(eventId, known(own, own.stateAfter !== undefined))
      else elsewhere.push(eventId)
    }
    for (const [eventId, { event, stored }] of await this.#store.events(elsewhere)) {
      found.set(eventId, known({ ...stored, event }, stored.stateAfter !== undefined))
    }
    return found
  }

  /** Whether another event has this one's id already: in room versions 1 and 2 servers choose the ids of their events. */
  async isImpostor(event: RoomEvent): Promise<boolean> {
    if (this.rules.eventId !== 'chosen') return false
    const known = (await this.findAnywhere([event.eventId])).get(event.eventId)?.event
    return known !== undefined && (known.roomId !== event.roomId || this.#hashOf(known) !== this.#hashOf(event))
  }

  /** The event that holds `(type, stateKey)` in `state`. */
  async stateEvent(state: StateMap, type: string, stateKey: string): Promise<RoomEvent | undefined> {
    const eventId = state.get(stateKeyOf(type, stateKey))
    return eventId === undefined ? undefined : (await this.find([eventId])).get(eventId)?.event
  }

  /** Whether the authorisation rules allow `event` in `state`. Its signatures must have been verified. */
  async judge(event: RoomEvent, state: StateMap): Promise<Verdict> {
    const holders = new Map<StateKey, EventId>()
    for (const key of [createKey, ...authEventKeys(this.rules, event)]) {
      const holder = state.get(key)
      if (holder !== undefined) holders.set(key, holder)
    }
    const events = await this.find(holders.values())
    const lookup = (type: string, stateKey: string) => events.get(holders.get(stateKeyOf(type, stateKey)) ?? '')?.event
    return checkAuth(this.rules, event, lookup, { authoriserSigned: true, thirdPartySigned })
  }

  /**
   * Decides an event and puts it in its place: rejected by its auth events, rejected by the state before it, soft-failed by the
   * current state, or accepted (Server-Server API, "Checks performed on receipt of a PDU"). Missing `prev_events` become
   * backward extremities; there must be a `stateBefore` for such an event.
   */
  async place(event: RoomEvent, placement: Placement): Promise<DraftEvent> {
    const stateBefore = placement.stateBefore ?? (await this.#stateBefore(event))
    const { status, reason } = await this.#decide(event, stateBefore, placement)
    const changesState = event.stateKey !== undefined && status !== 'rejected'
    const stateAfter = changesState ? stateBefore.set(stateKeyOf(event.type, event.stateKey ?? ''), event.eventId) : stateBefore
    const { live, transaction, distributedBy, isOwn } = placement
    const isNew = live && status === 'accepted'
    const roomBefore = this.#state
    // An accepted event that is known already comes after this one, which thus is no head any more.
    const isReferenced = this.#backward.has(event.eventId)
    if (status === 'accepted') await this.#moveBackward(event)
    const rank = await this.#rank(event)
    if (isNew) await this.#moveForward({ event, rank, status }, { stateAfter, isReferenced })
    const placed: DraftEvent = {
      event,
      status,
      rank,
      stateBefore,
      stateAfter,
      live: isNew,
      ...(live ? { roomBefore, roomAfter: this.#state } : {}),
      ...(reason === undefined ? {} : { reason }),
      ...(transaction ? { transaction } : {}),
      ...(distributedBy ? { distributedBy } : {}),
      ...(isOwn ? { isOwn } : {}),
    }
    this.#add(placed)
    return placed
  }

  /** Keeps an event without a place in the graph: part of a state or an auth chain that another server gave. */
  async addOutlier(event: RoomEvent, rejection?: string): Promise<void> {
    const rank = await this.#rank(event)
    this.#add({
      event,
      rank,
      live: false,
      ...(rejection === undefined ? { status: 'outlier' } : { status: 'rejected', reason: rejection }),
    })
  }

  /** The distinct snapshots after placed events: the ends of a room are many at times, and most often share theirs. */
  async #statesAfter(eventIds: readonly EventId[]): Promise<StateTrie[]> {
    const states = new Map<NodeHash | undefined, StateTrie>()
    const elsewhere: EventId[] = []
    for (const eventId of eventIds) {
      const own = this.#byId.get(eventId)
      if (!own) elsewhere.push(eventId)
      else if (own.stateAfter) states.set(own.stateAfter.root, own.stateAfter)
      else states.set(undefined, StateTrie.empty)
    }
    if (elsewhere.length === 0) return [...states.values()]
    const records = await this.#store.events(elsewhere)
    if (records.size < elsewhere.length) states.set(undefined, StateTrie.empty)
    const distinct = new Map([...records.values()].map((record) => [record.stored.stateAfter, record]))
    const loads = [...distinct].filter(([root]) => !states.has(root)).map(([, record]) => this.#store.stateAfter(record))
    return [...states.values(), ...(await Promise.all(loads))]
  }

  async #decide(event: RoomEvent, stateBefore: StateTrie, placement: Placement): Promise<{ status: EventStatus; reason?: string }> {
    if (placement.rejection !== undefined) return { status: 'rejected', reason: placement.rejection }
    const before = await this.judge(event, stateBefore)
    if (!before.allowed) return { status: 'rejected', reason: before.reason }
    if (!placement.live) return { status: 'accepted' }
    if (placement.softFailure !== undefined) return { status: 'soft-failed', reason: placement.softFailure }
    const { current = this.#state } = placement
    if (stateBefore.root === current.root || this.#extremities.size === 0) return { status: 'accepted' }
    const now = await this.judge(event, current)
    return now.allowed ? { status: 'accepted' } : { status: 'soft-failed', reason: now.reason }
  }

  async #stateBefore(event: RoomEvent): Promise<StateTrie> {
    const { prevEvents } = event
    const isHead = prevEvents.length === this.#extremities.size && prevEvents.every((eventId) => this.#extremities.has(eventId))
    if (isHead) return this.#state
    return this.#resolve(await this.#statesAfter(prevEvents))
  }

  async #moveForward(deciding: Judged, placed: { readonly stateAfter: StateTrie; readonly isReferenced: boolean }): Promise<void> {
    const { event } = deciding
    const others = await headsBeside(event, this.#extremities, this)
    if (placed.isReferenced && others.length === this.#extremities.size) return
    this.#extremities = new Set(placed.isReferenced ? others : [...others, event.eventId])
    const snapshots = await this.#statesAfter(others)
    this.#state = await this.#resolve(placed.isReferenced ? snapshots : [...snapshots, placed.stateAfter], deciding)
  }

  async #rank(event: RoomEvent): Promise<number> {
    const cited = await this.find(event.authEvents)
    return 1 + Math.max(0, ...[...cited.values()].map(({ rank }) => rank))
  }

  async #moveBackward(event: RoomEvent): Promise<void> {
    const missing = await lackingBefore(event, this)
    if (missing.length === 0 && !this.#backward.has(event.eventId)) return
    const backward = new Set([...this.#backward, ...missing])
    backward.delete(event.eventId)
    this.#backward = boundedEnds(backward)
  }

  // `deciding` is the event being placed, which is not yet among the draft's own.
  #resolve(snapshots: readonly StateTrie[], deciding?: Judged): Promise<StateTrie> {
    return resolveSnapshots(this.rules, snapshots, async (eventIds) => {
      const found = await this.find(eventIds)
      if (deciding && eventIds.includes(deciding.event.eventId)) found.set(deciding.event.eventId, known(deciding, true))
      return found
    })
  }

  #hashOf({ pdu }: RoomEvent): string {
    return encodeBase64(referenceHash(pdu, this.rules))
  }

  #add(draftEvent: DraftEvent): void {
    this.#added.push(draftEvent)
    this.#byId.set(draftEvent.event.eventId, draftEvent)
  }
}

type Judged = Pick<DraftEvent, 'event' | 'rank' | 'status'>

function known({ event, rank, status }: Judged, placed: boolean): KnownEvent {
  return { event, rank, status, placed, rejected: status === 'rejected' }
}
