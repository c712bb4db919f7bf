import type { StickyPage } from '../rooms/sticky-events.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import type { Position } from '../streams/stream.ts'
import type { DeviceMembers } from './lazy-members.ts'
import type { AccountDataChange, ReceiptEntry } from './sources.ts'
import type { SyncFilter } from './sync-filter.ts'
import type { RoomNews } from './timeline.ts'

/** The field for the state at the end of the timeline: its name, or the one under which clients asked for it before v1.16. */
export type StateAfterField = 'state_after' | 'org.matrix.msc4222.state_after'

/** One pass over what is new for one device: what its parts have in common. */
export interface SyncPass {
  readonly userId: UserId
  readonly deviceId: string
  /** `undefined` on an initial sync. */
  readonly since: Position | undefined
  readonly upTo: Position
  readonly filter: SyncFilter
  readonly fullState: boolean
  /** Where the state at the end of the timeline goes, if the client wants that in place of the state at its start. */
  readonly stateAfter: StateAfterField | undefined
  readonly memberships: ReadonlyMap<RoomId, StoredMembership>
  /** What is new in the rooms the user is in, or has just left. */
  readonly news: ReadonlyMap<RoomId, RoomNews>
  readonly ignored: ReadonlySet<UserId>
  readonly blocksInvites: boolean
  readonly deviceMembers: DeviceMembers
  /** Changes of account data, by room; global ones under the empty key. */
  readonly accountData: ReadonlyMap<RoomId | '', readonly AccountDataChange[]>
  /** Receipts that moved, by room. */
  readonly receipts: ReadonlyMap<RoomId, readonly ReceiptEntry[]>
  /** Sticky events to be told, by room. */
  readonly sticky: StickyPage
  /** Rooms where typing changed. */
  readonly typing: ReadonlySet<RoomId>
}
