import { currentContent } from '../rooms/current-content.ts'
import { countOf, type MemberLists } from '../rooms/member-lists.ts'
import type { EventRecord, Room, RoomStore } from '../rooms/room-store.ts'
import type { RoomEvent, UserId } from '../spec/event.ts'
import { powerLevelsOf } from '../spec/power-levels.ts'
import { evaluatePushRules, type PushContext, type PushVerdict } from '../spec/push-rules.ts'
import type { Position } from '../streams/stream.ts'
import type { Relations } from './relations.ts'
import type { ReceiptEntry, SyncSources } from './sources.ts'

/** What of users push rules are judged by. */
export type JudgeSources = Pick<SyncSources, 'pushRules' | 'accountData' | 'threadSubscriptions'>

interface JudgeDeps {
  readonly store: RoomStore
  readonly members: MemberLists
  readonly relations: Relations
  readonly sources: JudgeSources
}

/** Judges events by their readers' push rules. */
export class PushJudge {
  readonly #deps: JudgeDeps

  constructor(deps: JudgeDeps) {
    this.#deps = deps
  }

  /** What a user's rules say to events of a room, as both are now; nothing of one's own events and of those of someone ignored. */
  async of(userId: UserId, room: Room): Promise<(event: RoomEvent) => Promise<PushVerdict | undefined>> {
    const { sources, relations } = this.#deps
    const [rules, context, ignored, threads] = await Promise.all([
      sources.pushRules.of(userId),
      this.#context(userId, room),
      sources.accountData.ignoredUsers(userId),
      sources.threadSubscriptions.inRoom(userId, room.roomId),
    ])
    return async (event) => {
      if (ignored.has(event.sender)) return undefined
      const thread = await relations.threadOf(event)
      return evaluatePushRules(rules, event, thread === 'main' ? context : { ...context, threadSubscribed: threads.has(thread) })
    }
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
