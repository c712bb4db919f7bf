import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import { type EventId, type RoomEvent, type StateKey, splitStateKey, stateKeyOf, type UserId } from '../spec/event.ts'
import { type NodeHash, StateTrie } from '../spec/state-trie.ts'

/** The state that goes with a timeline in `/sync`. */
export interface StateWish {
  /** The room's state where the client stands; empty if it knows nothing. */
  readonly known: StateTrie
  /** The room's state at the end of the timeline. */
  readonly end: StateTrie
  readonly timeline: readonly EventRecord[]
  /** Whether there is a gap before the timeline. */
  readonly limited: boolean
  /** Give the state at the end of the timeline (`state_after`) instead of that at its start (`state`). */
  readonly after: boolean
}

/**
 * The state entries to tell a client so that, with the timeline, it arrives at the room's state (Client-Server API,
 * `GET /sync`, `state` and `state_after`).
 */
export async function stateEntries(store: RoomStore, wish: StateWish): Promise<Map<StateKey, EventId>> {
  const entries = new Map<StateKey, EventId>()
  for (const { key, after } of StateTrie.diff(wish.known, wish.end)) if (after !== undefined) entries.set(key, after)
  if (wish.after) return entries
  const fromTimeline = wish.limited || wish.known.size === 0
  const start = wish.timeline[0] && fromTimeline ? await store.stateBefore(wish.timeline[0]) : wish.known
  const shown = new Set(wish.timeline.map(({ event }) => event.eventId))
  for (const key of keysOf(wish.timeline)) {
    // The timeline itself brings the client to the end; here it needs what was there before.
    const before = start.get(key)
    if (before === undefined || before === wish.known.get(key) || shown.has(before)) entries.delete(key)
    else entries.set(key, before)
  }
  return entries
}

/** The membership entries of users, as they were where the timeline starts, or ends for `state_after`. */
export async function memberEntries(store: RoomStore, wish: StateWish, userIds: Iterable<UserId>): Promise<Map<UserId, EventId>> {
  const start = wish.timeline[0]
  const state = wish.after || !start ? wish.end : await store.stateBefore(start)
  const members = new Map<UserId, EventId>()
  for (const userId of userIds) {
    const key = stateKeyOf('m.room.member', userId)
    const eventId = state.get(key) ?? wish.end.get(key)
    if (eventId !== undefined) members.set(userId, eventId)
  }
  return members
}

/** The room's state before an event of the log came: what a client has that knows all before it. */
export function roomStateBefore(store: RoomStore, { stored }: EventRecord): Promise<StateTrie> {
  return snapshot(store, stored.roomBefore ?? stored.stateBefore)
}

/** The room's state once an event of the log had come. */
export function roomStateAfter(store: RoomStore, { stored }: EventRecord): Promise<StateTrie> {
  return snapshot(store, stored.roomAfter ?? stored.stateAfter)
}

async function snapshot(store: RoomStore, root: NodeHash | undefined): Promise<StateTrie> {
  return root === undefined ? StateTrie.empty : store.state(root)
}

/** The users whose membership events a client needs to show events: their senders. */
export function sendersOf(records: Iterable<EventRecord>): Set<UserId> {
  return new Set(Array.from(records, ({ event }) => event.sender))
}

/** The user whose membership a state key holds; `undefined` for other state. */
export function memberOf(key: StateKey): UserId | undefined {
  const { type, stateKey } = splitStateKey(key)
  return type === 'm.room.member' ? stateKey : undefined
}

function keysOf(records: readonly EventRecord[]): Set<StateKey> {
  return new Set(records.flatMap(({ event }) => stateKeyOfEvent(event) ?? []))
}

function stateKeyOfEvent({ type, stateKey }: RoomEvent): StateKey | undefined {
  return stateKey === undefined ? undefined : stateKeyOf(type, stateKey)
}
