import { table } from '../../ports/storage.ts'
import type { EventId, Pdu, RoomId, ServerName, UserId } from '../../spec/event.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { NodeHash, StateNode } from '../../spec/state-trie.ts'

/** What the pipeline decided about an event. */
export type EventStatus = 'accepted' | 'soft-failed' | 'rejected' | 'outlier'

/** An event as it is kept, by its position in the stream: the events table is also the log that readers follow. */
export interface StoredEvent {
  readonly eventId: EventId
  readonly roomId: RoomId
  /** The room's version: events are read before their room is known, as with invites. */
  readonly version: string
  readonly pdu: Pdu
  readonly status: EventStatus
  /** Greater than the rank of each of its auth events: an order that no sender can choose. */
  readonly rank: number
  /** Snapshot before the event; absent for an outlier, whose state is not known. */
  readonly stateBefore?: NodeHash
  /** Snapshot after the event: the same as before unless it is an accepted state event. */
  readonly stateAfter?: NodeHash
  /** The room's resolved state before the event was committed, where that is not `stateBefore`: of live events alone. */
  readonly roomBefore?: NodeHash
  /** The room's resolved state once the event was committed, where that is not `stateAfter`: of live events alone. */
  readonly roomAfter?: NodeHash
  /** Whether clients may see it in a timeline as new: false for back-filled and outlying events. */
  readonly live: boolean
  /** Server time of arrival, ms. */
  readonly receivedTs: number
  /** The event that redacts this one, once it has been applied. */
  readonly redactedBy?: EventId
  /** For the sender's own device: the transaction it sent this with. */
  readonly transaction?: SentTransaction
  /** Why it was rejected or soft-failed. */
  readonly reason?: string
  /**
   * Who sends it on to the room's other servers, where that is not simply the sender's server: we, for a membership event that
   * another server handed to us; or a resident server, for one of ours that we handed to it.
   */
  readonly distributedBy?: 'us' | 'resident'
}

/** A transaction of a client: its id counts for one device and one request path (Client-Server API, "Transaction identifiers"). */
export interface SentTransaction {
  readonly userId: UserId
  readonly deviceId: string
  /** The request's path between the room and the id. */
  readonly endpoint?: string
  readonly id: string
}

/** A PDU that was answered for; its signatures are verified, unless it says otherwise. */
export interface StagedPdu {
  readonly origin: ServerName
  readonly pdu: Pdu
  readonly roomId: RoomId
  readonly unverified?: boolean
}

/** Transactions of one device, by room, path and id, with the event that each became. */
export interface PackedTransactions {
  readonly sent: readonly (readonly [string, EventId])[]
  /** When the newest was sent (ms). */
  readonly ts: number
}

/** A room as the homeserver knows it; written with every event that moves it. */
export interface StoredRoom {
  readonly roomId: RoomId
  readonly version: string
  readonly forwardExtremities: readonly EventId[]
  /** The current resolved state. */
  readonly state: NodeHash
  /** Events whose `prev_events` we lack: where back-fill goes on. */
  readonly backwardExtremities: readonly EventId[]
}

/** A local user's membership, kept per user: what `/sync` starts from. */
export interface StoredMembership {
  readonly membership: 'join' | 'invite' | 'leave' | 'ban' | 'knock'
  readonly eventId: EventId
  /** Position at which this membership began. */
  readonly position: number
  readonly sender: UserId
  /** For invites and knocks of rooms we are not in: what the other server told us. */
  readonly outOfBand?: { readonly version: string; readonly pdu: Pdu; readonly strippedState: readonly Pdu[]; readonly via: ServerName }
  /** The room was forgotten by the user. */
  readonly forgotten?: boolean
}

/** An event that is sent when its time has come, unless it is restarted or cancelled before. */
export interface StoredDelayedEvent {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly type: string
  readonly stateKey?: string
  readonly content: JsonObject
  readonly delayMs: number
  /** When its delay began: on our clock, ms. */
  readonly runningSince: number
  readonly createdTs: number
  readonly stickyMs?: number
  /** A repeat of the request is the same delayed event. */
  readonly transaction?: Omit<SentTransaction, 'userId'>
}

/** An event that is delivered to everyone in its room until it expires. */
export interface StoredStickyEvent {
  readonly roomId: RoomId
  readonly eventId: EventId
  /** On our clock, ms. */
  readonly expiresTs: number
}

/** What was unread for a user in a room. */
export interface StoredUnreadCounts {
  readonly upTo: number
  /** What the counts depend on beside the events. */
  readonly basis: string
  /** By thread. */
  readonly counts: readonly (readonly [string, { readonly notifications: number; readonly highlights: number }])[]
}

/** Position → event. */
export const events = table<number, StoredEvent>('events')
/** Event id → position. */
export const eventPositions = table<EventId, number>('event_positions')
/**
 * Position of the first → events at consecutive positions that are kept in one row: outliers, where a join brings many. An event
 * that is in {@link eventPositions} as well has changed since, and counts from there.
 */
export const eventPacks = table<number, readonly StoredEvent[]>('event_packs')
/** [room id, position of the first] → a number for each of a run of packed events: how they are found. */
export const eventRuns = table<readonly [RoomId, number], Uint32Array>('event_runs')
/** [room id, depth, position] → event id: the room's topological order, without outliers. */
export const timeline = table<readonly [RoomId, number, number], EventId>('timeline')
export const rooms = table<RoomId, StoredRoom>('rooms')
export const stateNodes = table<NodeHash, StateNode>('state_nodes')
/** [local user id, room id] → membership. */
export const memberships = table<readonly [UserId, RoomId], StoredMembership>('memberships')
/** [user id, device id, position up to which they go] → transactions of a device. What is newer, the events themselves say. */
export const transactions = table<readonly [UserId, string, number], PackedTransactions>('transactions')
/** Room alias → room. */
export const aliases = table<string, { readonly roomId: RoomId; readonly creator: UserId }>('aliases')
/** Room id → shown in the public directory. */
export const publicRooms = table<RoomId, true>('public_rooms')
/** PDUs of transactions already answered, until the pipeline has dealt with them: [arrival position, index]. */
export const stagedPdus = table<readonly [number, number], StagedPdu>('staged_pdus')
/** [target event id, redaction event id]: redactions that came before what they redact. */
export const pendingRedactions = table<readonly [EventId, EventId], true>('pending_redactions')
/** [room id, parent event id, relation type, position] → child event id. */
export const relations = table<readonly [RoomId, EventId, string, number], EventId>('relations')
/** [room id, parent event id, depth, position] → relation type and id of the child: the children of all types, in the room's order. */
export const childrenInOrder = table<readonly [RoomId, EventId, number, number], readonly [string, EventId]>('children_in_order')
/** [room id, depth, position] → the root and the id of a reply in a thread: those of all threads, in the room's order. */
export const threadReplies = table<readonly [RoomId, number, number], readonly [EventId, EventId]>('thread_replies')
/** Rooms whose relations are all in the two tables above: those that are older than the tables come in when they are read. */
export const orderedRelations = table<RoomId, true>('ordered_relations')

/** [room id, user id] → an invitation that making the room brings, until it is sent or refused. */
export const unsentInvites = table<readonly [RoomId, UserId], { readonly sender: UserId; readonly content: JsonObject }>('unsent_invites')
/** [room id, id of the room that replaces it] → who upgrades it, until it is closed. */
export const unclosedRooms = table<readonly [RoomId, RoomId], UserId>('unclosed_rooms')
/** [room id, first of the events] → those of them that are not packed: of a room that is being joined, kept before anyone here is in it. */
export const unfinishedJoins = table<readonly [RoomId, EventId], readonly EventId[]>('unfinished_joins')

/** Delay id → an event that is to be sent later. */
export const delayedEvents = table<string, StoredDelayedEvent>('delayed_events')

/** Position → a sticky event that came there. */
export const stickyEvents = table<number, StoredStickyEvent>('sticky_events')
/** [user id, room id] → what was unread at a position, where counting it took many events. */
export const unreadCounts = table<readonly [UserId, RoomId], StoredUnreadCounts>('unread_counts')

/**
 * Room id → events of the room with their positions, just as {@link events} has them: the newest, and the state of a small room.
 * They lie together here, as they do not there, and are read in one piece. Newer events may be missing.
 */
export const roomTails = table<RoomId, readonly (readonly [number, StoredEvent])[]>('room_tails')

export const roomTables = {
  events,
  eventPositions,
  timeline,
  rooms,
  stateNodes,
  memberships,
  transactions,
  aliases,
  publicRooms,
  stagedPdus,
  pendingRedactions,
  relations,
  unfinishedJoins,
  delayedEvents,
  unsentInvites,
  unclosedRooms,
}
