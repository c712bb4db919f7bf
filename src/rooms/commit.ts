import type { Clock } from '../ports/clock.ts'
import { put, remove, type Write } from '../ports/storage.ts'
import { type EventId, type RoomId, type ServerName, splitStateKey, type UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { type NodeHash, type StateNode, StateTrie } from '../spec/state-trie.ts'
import {
  eventPositions,
  events,
  memberships,
  orderedRelations,
  rooms,
  type StoredEvent,
  type StoredMembership,
  stateNodes,
  timeline,
} from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import { type PackedRun, packRun } from './packed-events.ts'
import { packedOf } from './packed-outliers.ts'
import { appliedRedactions, type RedactionChange } from './redactions.ts'
import { relationWrites } from './relation-writes.ts'
import type { DraftEvent, RoomDraft } from './room-draft.ts'
import type { EventRecord, Room, RoomStore } from './room-store.ts'
import { withoutTail } from './room-tails.ts'
import { stickyWrites } from './sticky-events.ts'

type MembershipRow = readonly [UserId, RoomId, StoredMembership]

/** A membership to be written; it began with its event, or at `since` if it only changed its looks. */
interface MembershipChange {
  readonly userId: UserId
  readonly eventId: EventId
  readonly membership: StoredMembership['membership']
  readonly sender: UserId
  readonly since: number | undefined
}

/** Makes a draft true: one batch with all that follows from its events, then the caches. */
export class RoomCommitter {
  readonly #deps: { readonly stream: Stream; readonly store: RoomStore; readonly clock: Clock; readonly serverName: ServerName }

  constructor(deps: { readonly stream: Stream; readonly store: RoomStore; readonly clock: Clock; readonly serverName: ServerName }) {
    this.#deps = deps
  }

  /** Resolves once the draft is durable and visible. A draft without changes is nothing. */
  async commit(draft: RoomDraft): Promise<void> {
    if (draft.added.length === 0 && draft.writes.length === 0) return
    const { stream, store } = this.#deps
    // What was made here just now is nowhere yet, nor is an outlier: only events of others may have been kept as outliers before.
    const known = await store.events(draft.added.flatMap(({ event, stateAfter, isOwn }) => (isOwn || !stateAfter ? [] : event.eventId)))
    const redactions = await appliedRedactions(draft, store, this.#deps.serverName)
    const changes = await this.#membershipChanges(draft)
    const nodes = newNodes(draft, store)
    const packed = packedOf(draft)
    const single = without(draft.added, packed)
    // Without an event in its place it is none yet: outliers of a room that is being joined come first.
    const room = draft.before || draft.forwardExtremities.size > 0 ? roomAt(draft) : undefined
    let records: EventRecord[] = []
    let run: PackedRun | undefined
    let members: MembershipRow[] = []
    await stream.commit(
      Math.max(1, draft.added.length),
      (first) => {
        const receivedTs = this.#deps.clock.now()
        records = [...single, ...packed].map((added, i) => recordOf(draft, added, { position: first + i, receivedTs, redactions }))
        const inRun = records.slice(single.length).map(({ stored }) => stored)
        const kept = inRun.length > 0 ? packRun(draft.roomId, first + single.length, inRun) : undefined
        run = kept?.run
        members = changes.map((change) => membershipRow(draft.roomId, change, { first, records }))
        return [
          ...records.slice(0, single.length).flatMap((record) => eventWrites(record, known.get(record.event.eventId))),
          ...(kept?.writes ?? []),
          ...redactions.writes,
          ...[...nodes].map(([hash, node]) => put(stateNodes, hash, node)),
          ...(draft.before ? [] : [put(orderedRelations, draft.roomId, true as const)]),
          ...(room ? [put(rooms, room.roomId, storedRoom(room))] : []),
          ...members.map(([userId, roomId, membership]) => put(memberships, [userId, roomId], membership)),
          ...(redactions.records.length + known.size > 0 ? [withoutTail(draft.roomId)] : []),
          ...draft.writes,
        ]
      },
      {
        published: () =>
          store.publish({
            ...(room ? { room } : {}),
            records: [...redactions.records, ...records],
            ...(run ? { run } : {}),
            nodes: [...nodes.keys()],
            memberships: members,
          }),
      },
    )
  }

  /** Memberships of our users that the new current state changes, by whatever event or resolution. */
  async #membershipChanges(draft: RoomDraft): Promise<MembershipChange[]> {
    const { store, serverName } = this.#deps
    const ours = [...StateTrie.diff(draft.before?.state ?? StateTrie.empty, draft.state)].flatMap(({ key, after }) => {
      const { type, stateKey } = splitStateKey(key)
      return type === 'm.room.member' && serverNameOf(stateKey) === serverName ? [{ userId: stateKey, eventId: after ?? '' }] : []
    })
    const found = await draft.find(ours.map(({ eventId }) => eventId))
    return Promise.all(
      ours.map(async ({ userId, eventId }) => {
        const event = found.get(eventId)?.event
        const membership = membershipOf(event?.content.membership)
        const before = (await store.memberships(userId)).get(draft.roomId)
        const since = before?.membership === membership ? before.position : undefined
        return { userId, eventId, membership, sender: event?.sender ?? userId, since }
      }),
    )
  }
}

function membershipOf(value: unknown): StoredMembership['membership'] {
  return value === 'join' || value === 'invite' || value === 'ban' || value === 'knock' ? value : 'leave'
}

function membershipRow(
  roomId: RoomId,
  { userId, eventId, membership, sender, since }: MembershipChange,
  { first, records }: { readonly first: number; readonly records: readonly EventRecord[] },
): MembershipRow {
  const position = since ?? records.find(({ event }) => event.eventId === eventId)?.position ?? first
  return [userId, roomId, { membership, eventId, position, sender }]
}

function newNodes(draft: RoomDraft, store: RoomStore): Map<NodeHash, StateNode> {
  const nodes = new Map<NodeHash, StateNode>()
  const snapshots = [draft.state, ...draft.added.flatMap(snapshotsOf)]
  for (const snapshot of new Set(snapshots)) {
    const fresh = snapshot.newNodes((hash) => nodes.has(hash) || store.hasNode(hash))
    for (const [hash, node] of [...fresh]) nodes.set(hash, node)
  }
  return nodes
}

function snapshotsOf({ stateBefore, stateAfter, roomBefore, roomAfter }: DraftEvent): StateTrie[] {
  return [stateBefore, stateAfter, roomBefore, roomAfter].filter((snapshot) => snapshot !== undefined)
}

function roomAt(draft: RoomDraft): Room {
  return {
    roomId: draft.roomId,
    rules: draft.rules,
    forwardExtremities: [...draft.forwardExtremities],
    backwardExtremities: [...draft.backwardExtremities],
    state: draft.state,
  }
}

function storedRoom(room: Room) {
  return {
    roomId: room.roomId,
    version: room.rules.version,
    forwardExtremities: room.forwardExtremities,
    backwardExtremities: room.backwardExtremities,
    state: room.state.root,
  }
}

function recordOf(
  draft: RoomDraft,
  added: DraftEvent,
  at: { readonly position: number; readonly receivedTs: number; readonly redactions: RedactionChange },
): EventRecord {
  const { event, status, rank, stateBefore, stateAfter, roomBefore, roomAfter, live, reason, transaction, distributedBy } = added
  const redactedBy = at.redactions.ofDraft.get(event.eventId)
  const stored: StoredEvent = {
    eventId: event.eventId,
    roomId: event.roomId,
    version: draft.rules.version,
    pdu: event.pdu,
    status,
    rank,
    live,
    receivedTs: at.receivedTs,
    ...(stateBefore ? { stateBefore: stateBefore.root } : {}),
    ...(stateAfter ? { stateAfter: stateAfter.root } : {}),
    ...(roomBefore && roomBefore.root !== stateBefore?.root ? { roomBefore: roomBefore.root } : {}),
    ...(roomAfter && roomAfter.root !== stateAfter?.root ? { roomAfter: roomAfter.root } : {}),
    ...(reason === undefined ? {} : { reason }),
    ...(distributedBy ? { distributedBy } : {}),
    ...(transaction ? { transaction } : {}),
    ...(redactedBy === undefined ? {} : { redactedBy }),
  }
  return { position: at.position, stored, event }
}

function without<T>(all: readonly T[], some: readonly T[]): readonly T[] {
  if (some.length === 0) return all
  const left = new Set(all)
  for (const each of some) left.delete(each)
  return [...left]
}

function eventWrites(record: EventRecord, previous: EventRecord | undefined): Write[] {
  const { position, stored, event } = record
  const placed = stored.stateAfter !== undefined
  return [
    // An outlier that found its place moves to its new position.
    ...(previous ? [remove(events, previous.position)] : []),
    put(events, position, stored),
    put(eventPositions, event.eventId, position),
    ...(placed ? [put(timeline, [event.roomId, event.depth, position], event.eventId)] : []),
    ...(placed && stored.status === 'accepted' ? relationWrites(record) : []),
    ...stickyWrites(record),
  ]
}
