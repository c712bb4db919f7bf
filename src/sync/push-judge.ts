import { currentContent } from '../rooms/current-content.ts'
import { countOf, type MemberLists } from '../rooms/member-lists.ts'
import type { EventRecord, Room, RoomStore } from '../rooms/room-store.ts'
import type { RoomEvent, UserId } from '../spec/event.ts'
import { powerLevelsOf } from '../spec/power-levels.ts'
import { evaluatePushRules, type PushContext, type PushVerdict } from '../spec/push-rules.ts'
import type { Position } from '../streams/stream.ts'
import type { ReceiptEntry, SyncSources } from './sources.ts'

/** Judges events by their readers' push rules. */
export class PushJudge {
  readonly #deps: {
    readonly store: RoomStore
    readonly members: MemberLists
    readonly sources: Pick<SyncSources, 'pushRules' | 'accountData'>
  }

  constructor(deps: {
    readonly store: RoomStore
    readonly members: MemberLists
    readonly sources: Pick<SyncSources, 'pushRules' | 'accountData'>
  }) {
    this.#deps = deps
  }

  /** What a user's rules say to events of a room, as both are now; nothing of one's own events and of those of someone ignored. */
  async of(userId: UserId, room: Room): Promise<(event: RoomEvent) => PushVerdict | undefined> {
    const { sources } = this.#deps
    const [rules, context, ignored] = await Promise.all([
      sources.pushRules.of(userId),
      this.#context(userId, room),
      sources.accountData.ignoredUsers(userId),
    ])
    return (event) => (ignored.has(event.sender) ? undefined : evaluatePushRules(rules, event, context))
  }

  async #context(userId: UserId, room: Room): Promise<PushContext> {
    const { store, members } = this.#deps
    const [list, create, levels] = await Promise.all([
      members.of(room.roomId, room.state),
      store.stateEvent(room.state, 'm.room.create', ''),
      store.stateEvent(room.state, 'm.room.power_levels', ''),
    ])
    const own = list.get(userId)
    const displayName = own && currentContent(own.record).displayname
    return {
      userId,
      displayName: typeof displayName === 'string' ? displayName : undefined,
      memberCount: countOf(list, 'join'),
      powerLevels: powerLevelsOf(room.rules, create, levels),
    }
  }
}

/** Whether an event may notify anyone at all: it is new here, accepted, and not redacted. */
export function mayNotify({ stored }: EventRecord): boolean {
  return stored.live && stored.status === 'accepted' && stored.redactedBy === undefined
}

/** Up to which position a user has read: all of a room under the empty key, or a thread of it. What is not live came before all that is. */
export async function readMarks(store: RoomStore, receipts: readonly ReceiptEntry[]): Promise<Map<string, Position>> {
  const records = await store.events(receipts.map(({ eventId }) => eventId))
  const marks = new Map<string, Position>()
  for (const { threadId = '', eventId } of receipts) {
    const record = records.get(eventId)
    const position = record?.stored.live ? record.position : 0
    marks.set(threadId, Math.max(position, marks.get(threadId) ?? 0))
  }
  return marks
}
