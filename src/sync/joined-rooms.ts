import { currentState } from '../rooms/current-content.ts'
import type { Room } from '../rooms/room-store.ts'
import { type RoomId, stateKeyOf, type UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import { receiptEvents } from '../users/receipts.ts'
import type { EventAudience } from './client-event.ts'
import { memberOf, roomStateAfter, roomStateBefore, type StateWish } from './room-state.ts'
import type { RoomViews } from './room-views.ts'
import type { SyncSources } from './sources.ts'
import { StateSection } from './state-section.ts'
import { writeSticky } from './sticky.ts'
import { type RoomSummary, summaryOf } from './summary.ts'
import type { SyncPass } from './sync-request.ts'
import { newsTimeline, type RoomNews, recentTimeline, type TimelinePart } from './timeline.ts'
import type { Tokens } from './token.ts'
import type { UnreadCounts } from './unread.ts'
import { Viewpoint } from './viewpoint.ts'

export interface RoomSectionDeps {
  readonly views: RoomViews
  readonly unread: UnreadCounts
  readonly tokens: Tokens
  readonly sources: Pick<SyncSources, 'accountData' | 'receipts' | 'typing'>
}

/** A joined room as the pass finds it. */
export interface JoinedRoom {
  readonly room: Room
  readonly membership: StoredMembership
  /** What is new since the client's last sync, if anything. */
  readonly news: RoomNews | undefined
}

const noState = StateTrie.empty

/** Writes the `join` section of `/sync`. */
export class JoinedRooms {
  readonly #deps: RoomSectionDeps
  readonly #state: StateSection

  constructor(deps: RoomSectionDeps) {
    this.#deps = deps
    this.#state = new StateSection(deps.views)
  }

  /** The room's part of the response, or `undefined` if nothing in it changed. */
  async write(pass: SyncPass, joined: JoinedRoom): Promise<JsonObject | undefined> {
    const { room, membership, news } = joined
    const isNew = pass.since === undefined || membership.position > pass.since
    const [ephemeral, accountData] = await Promise.all([
      this.#ephemeral(pass, room, isNew),
      roomAccountData(pass, room.roomId, { isNew, sources: this.#deps.sources }),
    ])
    // Counts are told as they change, whatever the filter shows of what changed them.
    const hasRead = pass.receipts.get(room.roomId)?.some(({ userId }) => userId === pass.userId) ?? false
    const stickyIds = pass.sticky.byRoom.get(room.roomId) ?? []
    const hasNoNews = !isNew && !pass.fullState && !news && !hasRead
    if (hasNoNews && ephemeral.length + accountData.length + stickyIds.length === 0) return undefined
    const viewpoint = new Viewpoint(this.#deps.views.store, { userId: pass.userId, roomId: room.roomId, ignored: pass.ignored })
    const timeline = await this.#timeline(pass, joined, viewpoint)
    const wish: StateWish = {
      known: isNew || pass.fullState || !news ? noState : await roomStateBefore(this.#deps.views.store, news.first),
      end: isNew || pass.fullState || !news ? room.state : await roomStateAfter(this.#deps.views.store, news.last),
      timeline: timeline.records,
      limited: timeline.limited,
      after: pass.stateAfter !== undefined,
    }
    const audience: EventAudience = { viewpoint, deviceId: pass.deviceId, format: pass.filter.format }
    const shown = new Set(timeline.records.map(({ event }) => event.eventId))
    const sticky = await writeSticky(this.#deps.views, audience, { eventIds: stickyIds, shown, ignored: pass.ignored })
    const hasState = isNew || pass.fullState || news !== undefined
    const summary = hasState ? await this.#summary(pass, room, wish) : undefined
    const heroes = (summary?.heroes ?? []).flatMap(({ record }) => record.event.stateKey ?? [])
    const state = hasState ? await this.#state.write(pass, wish, { viewpoint, heroes }) : []
    const isQuiet = !isNew && !pass.fullState && !timeline.limited && !hasRead
    if (
      isQuiet &&
      timeline.records.length + state.length + ephemeral.length + accountData.length + sticky.length === 0 &&
      !(await this.#deps.unread.moved(pass.userId, room, { since: pass.since ?? 0, upTo: pass.upTo }))
    ) {
      return undefined
    }
    const { prevBatch } = timeline
    return {
      summary: summary?.json ?? {},
      [pass.stateAfter ?? 'state']: { events: state },
      timeline: {
        events: await (timeline.limited ? this.#deps.views.aggregations : this.#deps.views.events).write(timeline.records, audience),
        limited: timeline.limited,
        ...(prevBatch ? { prev_batch: this.#deps.tokens.page(prevBatch) } : {}),
      },
      ephemeral: { events: ephemeral },
      account_data: { events: accountData },
      ...(sticky.length > 0 ? { msc4354_sticky: { events: sticky } } : {}),
      ...(await this.#deps.unread.fields(pass.userId, room, {
        upTo: pass.upTo,
        joinedAt: membership.position,
        byThread: pass.filter.countsByThread,
      })),
    }
  }

  async #timeline(pass: SyncPass, { room, membership, news }: JoinedRoom, viewpoint: Viewpoint): Promise<TimelinePart> {
    const { filter, upTo, since } = pass
    if (since === undefined || membership.position > since) {
      const wish = { passes: filter.timeline, limit: filter.timelineLimit, upTo }
      const recent = await recentTimeline(this.#deps.views.store, viewpoint, wish)
      // A client that was in the room before must not take this for what follows what it has.
      return { ...recent, limited: recent.limited || since !== undefined || room.backwardExtremities.length > 0 }
    }
    if (!news) return { records: [], limited: false, prevBatch: undefined }
    return newsTimeline(news, viewpoint, { room, limit: filter.timelineLimit })
  }

  /** Counts and heroes, where members or the room's name may have changed. */
  async #summary(pass: SyncPass, room: Room, wish: StateWish): Promise<RoomSummary | undefined> {
    const changes = wish.known.size === 0 ? undefined : [...StateTrie.diff(wish.known, wish.end)]
    const nameKeys = [stateKeyOf('m.room.name', ''), stateKeyOf('m.room.canonical_alias', '')]
    // A redaction takes a name without changing the state.
    const isUnnamed = wish.timeline.some(({ event }) =>
      nameKeys.some((key) => event.redacts !== undefined && wish.end.get(key) === event.redacts),
    )
    if (changes && !isUnnamed && !changes.some(({ key }) => memberOf(key) !== undefined || nameKeys.includes(key))) return undefined
    const { store, members } = this.#deps.views
    const [list, name, alias] = await Promise.all([
      members.of(room.roomId, wish.end),
      currentState(store, wish.end, 'm.room.name'),
      currentState(store, wish.end, 'm.room.canonical_alias'),
    ])
    const isNamed = [name.name, alias.alias].some((text) => typeof text === 'string' && text !== '')
    return summaryOf(list, pass.userId, isNamed)
  }

  async #ephemeral(pass: SyncPass, { roomId }: Room, isNew: boolean): Promise<JsonObject[]> {
    const { typing, receipts } = this.#deps.sources
    const typists = typing.now(roomId).filter((userId) => !pass.ignored.has(userId))
    const isTyping = isNew ? typists.length > 0 : pass.typing.has(roomId)
    const entries = isNew ? await receipts.inRoom(roomId) : (pass.receipts.get(roomId) ?? [])
    const found = [
      ...(isTyping ? [{ type: 'm.typing', content: { user_ids: typists } }] : []),
      ...receiptEvents(withoutIgnored(entries, pass.ignored), pass.userId),
    ]
    return found.filter((event) => pass.filter.ephemeral({ type: String(event.type), roomId, content: {} }))
  }
}

/**
 * Account data of a room, changed since the last sync; for who has come to the room since then, all of it: what was set
 * before was not told while they were not in it.
 */
export async function roomAccountData(
  pass: SyncPass,
  roomId: RoomId,
  from: { readonly isNew: boolean; readonly sources: Pick<SyncSources, 'accountData'> },
): Promise<JsonObject[]> {
  const isLate = from.isNew && pass.since !== undefined
  const all = isLate ? (await from.sources.accountData.all(pass.userId)).filter((change) => change.roomId === roomId) : undefined
  return (all ?? pass.accountData.get(roomId) ?? [])
    .map(({ type, content }) => ({ type, content }))
    .filter((event) => pass.filter.roomAccountData({ ...event, roomId }))
}

function withoutIgnored<T extends { readonly userId: UserId }>(entries: readonly T[], ignored: ReadonlySet<UserId>): T[] {
  return entries.filter(({ userId }) => !ignored.has(userId))
}
