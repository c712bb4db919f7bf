import { currentContent } from '../../rooms/current-content.ts'
import type { EventRecord, Room } from '../../rooms/room-store.ts'
import { type EventId, type RoomId, type StateKey, stateKeyOf, type UserId } from '../../spec/event.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import { StateTrie } from '../../spec/state-trie.ts'
import type { Position } from '../../streams/stream.ts'
import type { EventAudience } from '../client-event.ts'
import { strippedStateFor } from '../other-rooms.ts'
import type { RoomLog } from '../room-log.ts'
import { memberOf, roomStateAfter, roomStateBefore, sendersOf } from '../room-state.ts'
import type { RoomViews } from '../room-views.ts'
import { summaryOf } from '../summary.ts'
import { newsTimeline, pointAfter, type RoomNews, recentTimeline, type TimelinePart } from '../timeline.ts'
import type { Tokens } from '../token.ts'
import type { UnreadCounts } from '../unread.ts'
import { Viewpoint } from '../viewpoint.ts'
import type { SentRoom } from './connections.ts'
import type { RoomConfig } from './room-config.ts'
import type { ListedRoom } from './room-lists.ts'

/** One pass over what is new for one connection: what its rooms have in common. */
export interface SlidingPass {
  readonly userId: UserId
  readonly deviceId: string
  /** Where the connection stands; `undefined` at its beginning. */
  readonly since: Position | undefined
  readonly upTo: Position
  readonly ignored: ReadonlySet<UserId>
  readonly direct: ReadonlySet<string>
  /** What is new since then in the user's rooms. */
  readonly news: ReadonlyMap<RoomId, RoomNews>
}

/** A room as a pass finds it. */
export interface WantedRoom {
  readonly room: ListedRoom
  readonly config: RoomConfig
  readonly sent: SentRoom | undefined
}

interface Deps {
  readonly views: RoomViews
  readonly log: RoomLog
  readonly unread: UnreadCounts
  readonly tokens: Tokens
}

/** What is told of a room, and what the connection will have been sent with it. */
interface Written {
  readonly json: JsonObject
  readonly sent: SentRoom
}

/** The part of a room's history and state that a response covers. */
interface Stretch {
  readonly timeline: TimelinePart
  /** The state that the client has; empty where it is told all anew. */
  readonly known: StateTrie
  readonly end: StateTrie
  readonly isInitial: boolean
  readonly isExpanded: boolean
}

const nameKey = stateKeyOf('m.room.name', '')
const avatarKey = stateKeyOf('m.room.avatar', '')

/** Writes rooms of a sliding sync (MSC4186, "Room results"). */
export class SlidingRooms {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The room's part of the response, or `undefined` where the client has all that it wants of it. */
  async write(pass: SlidingPass, wanted: WantedRoom): Promise<Written | undefined> {
    const { room, sent } = wanted
    if (sent && !this.#isConcerned(pass, wanted, sent)) return undefined
    const { membership } = room.membership
    if (membership === 'invite' || membership === 'knock') return this.#stripped(pass, wanted)
    const known = await this.#deps.views.store.room(room.roomId)
    const stretch = known && (await this.#stretch(pass, wanted, known))
    return stretch ? this.#write(pass, wanted, { room: known, ...stretch }) : undefined
  }

  /** Asked for every wanted room, so it must be cheap. */
  #isConcerned(pass: SlidingPass, { room, config }: WantedRoom, sent: SentRoom): boolean {
    return (
      sent.position !== undefined ||
      pass.news.has(room.roomId) ||
      room.membership.position > (pass.since ?? 0) ||
      config.timelineLimit > sent.timelineLimit ||
      config.stateId !== sent.config.stateId
    )
  }

  async #stripped(pass: SlidingPass, { room, config }: WantedRoom): Promise<Written> {
    const { roomId, membership, activity } = room
    const events = await strippedStateFor(this.#deps.views.store, pass.userId, { roomId, membership })
    return {
      json: { initial: true, bump_stamp: activity.bump, invite_state: events, notification_count: 0, highlight_count: 0 },
      // Of a room that shows no timeline all is sent that is wanted.
      sent: { config, timelineLimit: config.timelineLimit, members: new Map() },
    }
  }

  async #stretch(pass: SlidingPass, wanted: WantedRoom, room: Room): Promise<Stretch | undefined> {
    const { config, sent } = wanted
    const { membership } = wanted.room
    const { store } = this.#deps.views
    const viewpoint = this.#viewpoint(pass, room)
    const end = membership.membership === 'join' ? undefined : await store.event(membership.eventId)
    if (membership.membership !== 'join' && !end) return undefined
    const isNew = !sent || (membership.membership === 'join' && membership.position > (sent.position ?? pass.since ?? 0))
    const news = isNew ? undefined : await this.#news(pass, room, sent)
    const recent = () =>
      recentTimeline(store, viewpoint, {
        passes: () => true,
        limit: config.timelineLimit,
        upTo: pass.upTo,
        ...(end ? { from: pointAfter(end) } : {}),
      })
    if (isNew || news === 'forgotten') {
      const timeline = await recent()
      const limited = timeline.limited || sent !== undefined || room.backwardExtremities.length > 0
      const state = end ? await store.stateAfter(end) : room.state
      return { timeline: { ...timeline, limited }, known: StateTrie.empty, end: state, isInitial: true, isExpanded: false }
    }
    const fresh = end && news ? { ...news, records: news.records.filter(({ position }) => position <= end.position) } : news
    const isExpanded = config.timelineLimit > sent.timelineLimit
    if (!fresh && !isExpanded && config.stateId === sent.config.stateId) return undefined
    const timeline = isExpanded
      ? await recent()
      : fresh
        ? await newsTimeline(fresh, viewpoint, { room, limit: config.timelineLimit })
        : nothing
    const [before, after] = fresh
      ? await Promise.all([roomStateBefore(store, fresh.first), end ? store.stateAfter(end) : roomStateAfter(store, fresh.last)])
      : [room.state, room.state]
    return { timeline, known: before, end: after, isInitial: false, isExpanded }
  }

  /** What is new for the client; `forgotten` where that goes back further than is remembered. */
  async #news(pass: SlidingPass, { roomId }: Room, { position, timelineLimit }: SentRoom): Promise<RoomNews | undefined | 'forgotten'> {
    if (position === undefined) return pass.news.get(roomId)
    const records = await this.#deps.log.ofRoom(roomId, position, pass.upTo)
    if (!records || records.length > 4 * (timelineLimit + 50)) return 'forgotten'
    const [first, last] = [records[0], records.at(-1)]
    return first && last && { first, last, records, omitted: undefined }
  }

  async #write(pass: SlidingPass, wanted: WantedRoom, stretch: Stretch & { readonly room: Room }): Promise<Written> {
    const { room, timeline, isInitial, isExpanded } = stretch
    const { views, tokens, unread } = this.#deps
    const { roomId, membership, activity } = wanted.room
    const audience: EventAudience = { viewpoint: this.#viewpoint(pass, room), deviceId: pass.deviceId }
    const members = new Map(isInitial ? [] : wanted.sent?.members)
    const entries = this.#state(pass, wanted, { ...stretch, members })
    const [events, state, overview, counts] = await Promise.all([
      (timeline.limited || isExpanded ? views.aggregations : views.events).write(timeline.records, audience),
      views.store.events(entries.values()).then((records) => views.events.writeState([...records.values()], audience)),
      this.#overview(pass, stretch),
      unread.fields(pass.userId, room, { upTo: pass.upTo, joinedAt: membership.position, byThread: false }),
    ])
    const liveAfter = isInitial ? (pass.since ?? pass.upTo) : (wanted.sent?.position ?? pass.since ?? 0)
    return {
      json: {
        ...(isInitial ? { initial: true } : {}),
        ...(isExpanded ? { unstable_expanded_timeline: true } : {}),
        ...overview,
        ...(pass.direct.has(roomId) ? { is_dm: true } : {}),
        ...(state.length > 0 ? { required_state: state } : {}),
        ...(events.length > 0 ? { timeline: events } : {}),
        ...(timeline.prevBatch ? { prev_batch: tokens.page(timeline.prevBatch) } : {}),
        limited: timeline.limited,
        num_live: timeline.records.filter(({ position }) => position > liveAfter).length,
        bump_stamp: activity.bump,
        ...(isObject(counts.unread_notifications) ? counts.unread_notifications : {}),
      },
      sent: {
        config: wanted.config,
        timelineLimit: Math.max(wanted.config.timelineLimit, isInitial ? 0 : (wanted.sent?.timelineLimit ?? 0)),
        members,
      },
    }
  }

  /** The state to tell; notes in `members` which membership events that are. */
  #state(
    pass: SlidingPass,
    { config, sent }: WantedRoom,
    stretch: Stretch & { readonly members: Map<UserId, EventId> },
  ): Map<StateKey, EventId> {
    const { known, end, timeline, members } = stretch
    const entries = stretch.isInitial ? config.entriesOf(end, pass.userId) : new Map<StateKey, EventId>()
    if (!stretch.isInitial) {
      const follows = (key: StateKey) => {
        const member = config.lazyMembers ? memberOf(key) : undefined
        // Whoever caches members needs every change of them, unless there is a gap anyway.
        return config.wants(key, pass.userId) || (member !== undefined && (!timeline.limited || members.has(member)))
      }
      for (const { key, after } of StateTrie.diff(known, end)) if (after !== undefined && follows(key)) entries.set(key, after)
      if (sent && sent.config.stateId !== config.stateId)
        for (const [key, eventId] of config.entriesOf(end, pass.userId)) if (!sent.config.wants(key, pass.userId)) entries.set(key, eventId)
    }
    if (config.lazyMembers) {
      for (const userId of mentioned(timeline.records)) {
        const key = stateKeyOf('m.room.member', userId)
        const eventId = end.get(key)
        if (eventId !== undefined && members.get(userId) !== eventId) entries.set(key, eventId)
      }
    }
    for (const [key, eventId] of entries) {
      const userId = memberOf(key)
      if (userId !== undefined) members.set(userId, eventId)
    }
    return entries
  }

  /** Name, avatar, heroes and counts, where they may have changed. */
  async #overview({ userId }: SlidingPass, { room, known, end, isInitial }: Stretch & { readonly room: Room }): Promise<JsonObject> {
    const changed = isInitial ? new Set<StateKey>() : new Set([...StateTrie.diff(known, end)].map(({ key }) => key))
    const movedMembers = isInitial || [...changed].some((key) => memberOf(key) !== undefined)
    const movedName = isInitial || changed.has(nameKey)
    if (!movedMembers && !movedName && !changed.has(avatarKey)) return {}
    const { store, members } = this.#deps.views
    const [nameEvent, avatarEvent] = await Promise.all([nameKey, avatarKey].map((key) => store.event(end.get(key) ?? '')))
    const name = textOf(nameEvent, 'name')
    const avatar = textOf(avatarEvent, 'url')
    const summary = movedMembers || movedName ? summaryOf(await members.of(room.roomId, end), userId, name !== undefined) : undefined
    return {
      ...(movedName && name !== undefined ? { name } : {}),
      ...((isInitial || changed.has(avatarKey)) && avatar !== undefined ? { avatar } : {}),
      ...(summary && summary.heroes.length > 0 ? { heroes: summary.heroes.map(({ record }) => heroOf(record)) } : {}),
      ...(summary ? { joined_count: summary.json['m.joined_member_count'], invited_count: summary.json['m.invited_member_count'] } : {}),
    }
  }

  #viewpoint({ userId, ignored }: SlidingPass, { roomId }: Room): Viewpoint {
    return new Viewpoint(this.#deps.views.store, { userId, roomId, ignored })
  }
}

const nothing: TimelinePart = { records: [], limited: false, prevBatch: undefined }

/** Whose memberships a client needs to show events: their senders', and those of whom they tell. */
function mentioned(records: readonly EventRecord[]): Set<UserId> {
  const users = sendersOf(records)
  for (const { event } of records) if (event.type === 'm.room.member' && event.stateKey !== undefined) users.add(event.stateKey)
  return users
}

function textOf(record: EventRecord | undefined, field: string): string | undefined {
  const value = record && currentContent(record)[field]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function heroOf(record: EventRecord): JsonObject {
  const { displayname: name, avatar_url: avatar } = currentContent(record)
  return {
    user_id: record.event.stateKey ?? '',
    ...(typeof name === 'string' ? { displayname: name } : {}),
    ...(typeof avatar === 'string' ? { avatar_url: avatar } : {}),
  }
}
