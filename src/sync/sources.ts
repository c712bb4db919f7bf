import type { EventId, RoomId, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { PushRuleset } from '../spec/push-rules.ts'
import type { Position } from '../streams/stream.ts'

/** A change of a user's account data: of a room, or global where `roomId` is empty. */
export interface AccountDataChange {
  readonly roomId: RoomId | ''
  readonly type: string
  readonly content: JsonObject
}

/** How far a user has read a room, or a thread of it. */
export interface ReceiptEntry {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly type: 'm.read' | 'm.read.private'
  readonly threadId?: string
  readonly eventId: string
  readonly ts: number
}

/** A thread that a user subscribes to, or does no more. */
export interface ThreadSubscriptionChange {
  readonly roomId: RoomId
  readonly root: EventId
  readonly subscribed: boolean
  readonly automatic: boolean
  readonly position: Position
}

export type PresenceState = 'online' | 'unavailable' | 'offline'

/** What `/sync` reads of users and their devices, beside rooms. "Since" excludes, "up to" includes. */
export interface SyncSources {
  readonly accountData: {
    changedSince(userId: UserId, since: Position, upTo: Position): Promise<readonly AccountDataChange[]>
    all(userId: UserId): Promise<readonly AccountDataChange[]>
    ignoredUsers(userId: UserId): Promise<ReadonlySet<UserId>>
    blocksInvites(userId: UserId): Promise<boolean>
  }
  readonly pushRules: { of(userId: UserId): Promise<PushRuleset> }
  readonly threadSubscriptions: {
    inRoom(userId: UserId, roomId: RoomId): Promise<ReadonlySet<EventId>>
    newest(
      userId: UserId,
      span: { readonly since: Position; readonly upTo: Position; readonly limit: number },
    ): Promise<{ readonly changes: readonly ThreadSubscriptionChange[]; readonly olderUpTo: Position | undefined }>
  }
  readonly profiles: {
    /** The fields that changed, by user. */
    changedSince(since: Position, upTo: Position): Promise<ReadonlyMap<UserId, readonly string[]>>
    /** The profiles of those who are users of this server, and fields that they had. */
    ofLocal(
      userIds: readonly UserId[],
    ): Promise<ReadonlyMap<UserId, { readonly profile: JsonObject; readonly removed: ReadonlySet<string> }>>
  }
  readonly filters: { get(userId: UserId, filterId: string): Promise<JsonObject | undefined> }
  readonly receipts: {
    changedSince(since: Position, upTo: Position): Promise<readonly ReceiptEntry[]>
    inRoom(roomId: RoomId): Promise<readonly ReceiptEntry[]>
    ofUser(roomId: RoomId, userId: UserId): Promise<readonly ReceiptEntry[]>
  }
  readonly typing: {
    changedSince(since: Position, upTo: Position): readonly RoomId[]
    now(roomId: RoomId): readonly UserId[]
    event(roomId: RoomId): JsonObject
  }
  readonly presence: {
    changedSince(since: Position, upTo: Position): readonly UserId[]
    event(userId: UserId): JsonObject | undefined
    online(userId: UserId, deviceId: string, setPresence?: PresenceState): Promise<void>
  }
  readonly deviceLists: { changedSince(userId: UserId, since: Position, upTo: Position): Promise<readonly UserId[]> }
  readonly oneTimeKeys: {
    counts(userId: UserId, deviceId: string): Promise<Record<string, number>>
    unusedFallbackTypes(userId: UserId, deviceId: string): Promise<string[]>
    changedAfter(userId: UserId, deviceId: string, since: Position): boolean
  }
  readonly toDevice: {
    pending(
      userId: UserId,
      deviceId: string,
      page: { readonly since: Position; readonly upTo: Position; readonly limit: number },
    ): Promise<{ readonly events: readonly JsonObject[]; readonly through: Position }>
    acknowledge(userId: UserId, deviceId: string, position: Position): Promise<void>
  }
}
