import type { Write } from '../ports/storage.ts'
import type { UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { Position } from '../streams/stream.ts'

/** A change of one device of a local user. */
export interface DeviceChange {
  readonly deviceId: string
  readonly deleted?: boolean
  readonly displayName?: string
  /** The device keys, where they are new. */
  readonly keys?: JsonObject
}

/** What a change takes to be committed beside what caused it. */
export interface PreparedChange {
  /** Positions it needs. */
  readonly count: number
  readonly writes: (first: Position) => readonly Write[]
  readonly published: (first: Position) => void
}

/** How users who share a room, and their servers, learn of changed devices. */
export interface DeviceChanges {
  prepare(userId: UserId, changes: readonly DeviceChange[]): Promise<PreparedChange>
}
