import { currentContent, currentState } from '../rooms/current-content.ts'
import type { MemberLists } from '../rooms/member-lists.ts'
import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import type { RoomEvent, RoomId, UserId } from '../spec/event.ts'
import { parseEvent } from '../spec/event-format.ts'
import { isObject, type JsonObject, type JsonValue } from '../spec/json.ts'
import { powerLevelsOf } from '../spec/power-levels.ts'
import { evaluatePushRules, type PushVerdict } from '../spec/push-rules.ts'
import { rulesOf } from '../spec/room-version.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import type { Stream } from '../streams/stream.ts'
import { type JudgeSources, mayNotify, PushJudge, readMarks } from './push-judge.ts'
import { RoomLog } from './room-log.ts'
import type { RoomViews } from './room-views.ts'
import type { SyncSources } from './sources.ts'
import { UnreadCounts } from './unread.ts'

/** What a push gateway is told of an event, its device and the counts left aside. */
export interface PushNotification {
  readonly eventId: string
  readonly roomId: RoomId
  /** All further fields: left out in the format `event_id_only`. */
  readonly details: JsonObject
  readonly tweaks: JsonObject
}

interface PushNotificationsDeps {
  readonly stream: Stream
  readonly store: RoomStore
  readonly members: MemberLists
  readonly views: RoomViews
  readonly sources: JudgeSources & Pick<SyncSources, 'receipts'>
}

/** What users are to be pushed, by their push rules (Client-Server API, "Push Notifications"; Push Gateway API). */
export class PushNotifications {
  readonly #deps: PushNotificationsDeps
  readonly #judge: PushJudge
  readonly #unread: UnreadCounts

  constructor(deps: PushNotificationsDeps) {
    this.#deps = deps
    const { relations, keptCounts: kept } = deps.views
    this.#judge = new PushJudge({ ...deps, relations })
    this.#unread = new UnreadCounts({ ...deps, relations, kept, log: new RoomLog(deps.store, deps.stream.current) })
  }

  /** What to tell a user of an event; nothing where the rules do not notify, and of what was read meanwhile, or may not be seen. */
  async about(userId: UserId, record: EventRecord): Promise<PushNotification | undefined> {
    const { event } = record
    if (!mayNotify(record) || event.sender === userId) return undefined
    const membership = (await this.#deps.store.memberships(userId)).get(event.roomId)
    const isInvite = membership?.membership === 'invite' && membership.eventId === event.eventId
    if (membership?.membership !== 'join' && !isInvite) return undefined
    const room = await this.#deps.store.room(event.roomId)
    const judge = room && (await this.#judge.of(userId, room))
    const verdict = await judge?.(event)
    if (!verdict?.notify || !(isInvite || (await this.#isNews(userId, record)))) return undefined
    return notificationOf(event, verdict, { userId, content: currentContent(record), ...(await this.#roomFields(event)) })
  }

  /** The same of an invitation to a room that nobody here is in. */
  async aboutInvite(userId: UserId, membership: StoredMembership): Promise<PushNotification | undefined> {
    const { outOfBand } = membership
    const rules = outOfBand && rulesOf(outOfBand.version)
    const parsed = rules && parseEvent(outOfBand.pdu, rules)
    if (!rules || !parsed || !('event' in parsed)) return undefined
    const { pushRules, accountData } = this.#deps.sources
    const { event } = parsed
    if ((await accountData.ignoredUsers(userId)).has(event.sender)) return undefined
    const context = { userId, displayName: undefined, memberCount: 0, powerLevels: powerLevelsOf(rules, undefined, undefined) }
    const verdict = evaluatePushRules(await pushRules.of(userId), event, context)
    if (!verdict?.notify) return undefined
    const name = outOfBand.strippedState.find(({ type }) => type === 'm.room.name')?.content
    return notificationOf(event, verdict, {
      userId,
      content: event.content,
      ...(isObject(name) && typeof name.name === 'string' ? { room_name: name.name } : {}),
    })
  }

  /** Unread notifications of all rooms of a user. */
  async unread(userId: UserId): Promise<number> {
    const { store, stream } = this.#deps
    const upTo = stream.current
    let sum = 0
    for (const [roomId, { membership, position }] of await store.memberships(userId)) {
      const room = membership === 'join' ? await store.room(roomId) : undefined
      if (!room) continue
      const { unread_notifications: counts } = await this.#unread.fields(userId, room, { upTo, joinedAt: position, byThread: false })
      if (isObject(counts) && typeof counts.notification_count === 'number') sum += counts.notification_count
    }
    return sum
  }

  async #isNews(userId: UserId, record: EventRecord): Promise<boolean> {
    const { store, views, sources } = this.#deps
    const { event, position } = record
    const marks = await readMarks(store, await sources.receipts.ofUser(event.roomId, userId))
    const read = Math.max(marks.get('') ?? 0, marks.get(await views.relations.threadOf(event)) ?? 0)
    if (position <= read) return false
    const view = await views.openJoined({ userId, deviceId: '' }, event.roomId)
    return view.viewpoint.maySee(record)
  }

  async #roomFields(event: RoomEvent): Promise<JsonObject> {
    const { store, members } = this.#deps
    const room = await store.room(event.roomId)
    if (!room) return {}
    const [name, alias, list] = await Promise.all([
      currentState(store, room.state, 'm.room.name'),
      currentState(store, room.state, 'm.room.canonical_alias'),
      members.of(room.roomId, room.state),
    ])
    const sender = list.get(event.sender)
    const fields: Record<string, JsonValue | undefined> = {
      room_name: name.name,
      room_alias: alias.alias,
      sender_display_name: sender && currentContent(sender.record).displayname,
    }
    return Object.fromEntries(
      Object.entries(fields).flatMap(([key, value]) => (typeof value === 'string' && value !== '' ? [[key, value]] : [])),
    )
  }
}

function notificationOf(
  event: RoomEvent,
  verdict: PushVerdict,
  { userId, ...fields }: JsonObject & { readonly userId: UserId },
): PushNotification {
  const tweaks = tweaksOf(verdict.actions)
  const isUrgent = event.type === 'm.room.encrypted' || tweaks.highlight === true || tweaks.sound !== undefined
  return {
    eventId: event.eventId,
    roomId: event.roomId,
    tweaks,
    details: {
      type: event.type,
      sender: event.sender,
      ...(event.type === 'm.room.member' ? { user_is_target: event.stateKey === userId } : {}),
      prio: isUrgent ? 'high' : 'low',
      ...fields,
    },
  }
}

/** What the actions of a rule set for the device; a tweak without a value is `true`. */
function tweaksOf(actions: readonly JsonValue[]): JsonObject {
  return Object.fromEntries(
    actions.flatMap((action) =>
      isObject(action) && typeof action.set_tweak === 'string' ? [[action.set_tweak, action.value ?? true]] : [],
    ),
  )
}
