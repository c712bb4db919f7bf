import type { RoomId, UserId } from '../spec/event.ts'
import type { Position } from '../streams/stream.ts'
import type { DeviceMembers } from './lazy-members.ts'
import type { AccountDataChange, ReceiptEntry } from './sources.ts'
import type { SyncFilter } from './sync-filter.ts'

/** One pass over what is new for one device: what its parts have in common. */
export interface SyncPass {
  readonly userId: UserId
  readonly deviceId: string
  /** `undefined` on an initial sync. */
  readonly since: Position | undefined
  readonly upTo: Position
  readonly filter: SyncFilter
  readonly fullState: boolean
  readonly stateAfter: boolean
  readonly ignored: ReadonlySet<UserId>
  readonly deviceMembers: DeviceMembers
  /** Changes of account data, by room; global ones under the empty key. */
  readonly accountData: ReadonlyMap<RoomId | '', readonly AccountDataChange[]>
  /** Receipts that moved, by room. */
  readonly receipts: ReadonlyMap<RoomId, readonly ReceiptEntry[]>
  /** Rooms where typing changed. */
  readonly typing: ReadonlySet<RoomId>
}
