import type { EventRecord, Room } from '../rooms/room-store.ts'
import { stateKeyOf, type UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import { receiptEvents } from '../users/receipts.ts'
import type { EventAudience } from './client-event.ts'
import { memberEntries, memberOf, roomStateAfter, roomStateBefore, type StateWish, sendersOf, stateEntries } from './room-state.ts'
import type { RoomViews } from './room-views.ts'
import type { SyncSources } from './sources.ts'
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

  constructor(deps: RoomSectionDeps) {
    this.#deps = deps
  }

  /** The room's part of the response, or `undefined` if nothing in it changed. */
  async write(pass: SyncPass, joined: JoinedRoom): Promise<JsonObject | undefined> {
    const { room, membership, news } = joined
    const isNew = pass.since === undefined || membership.position > pass.since
    const [ephemeral, accountData] = await Promise.all([this.#ephemeral(pass, room, isNew), this.#accountData(pass, room, isNew)])
    if (!isNew && !pass.fullState && !news && ephemeral.length + accountData.length === 0) return undefined
    const viewpoint = new Viewpoint(this.#deps.views.store, { userId: pass.userId, roomId: room.roomId, ignored: pass.ignored })
    const timeline = await this.#timeline(pass, joined, viewpoint)
    const wish: StateWish = {
      known: isNew || pass.fullState || !news ? noState : await roomStateBefore(this.#deps.views.store, news.first),
      end: isNew || pass.fullState || !news ? room.state : await roomStateAfter(this.#deps.views.store, news.last),
      timeline: timeline.records,
      limited: timeline.limited,
      after: pass.stateAfter !== undefined,
    }
    const hasState = isNew || pass.fullState || news !== undefined
    const summary = hasState ? await this.#summary(pass, room, wish) : undefined
    const state = hasState ? await this.#state(pass, wish, { viewpoint, summary }) : []
    if (
      !isNew &&
      !pass.fullState &&
      timeline.records.length + state.length + ephemeral.length + accountData.length === 0 &&
      !timeline.limited
    ) {
      return undefined
    }
    const audience: EventAudience = { viewpoint, deviceId: pass.deviceId, format: pass.filter.format }
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
    if (changes && !changes.some(({ key }) => memberOf(key) !== undefined || nameKeys.includes(key))) return undefined
    const { store, members } = this.#deps.views
    const [list, name, alias] = await Promise.all([
      members.of(room.roomId, wish.end),
      store.stateEvent(wish.end, 'm.room.name', ''),
      store.stateEvent(wish.end, 'm.room.canonical_alias', ''),
    ])
    const isNamed = [name?.content.name, alias?.content.alias].some((text) => typeof text === 'string' && text !== '')
    return summaryOf(list, pass.userId, isNamed)
  }

  async #state(
    pass: SyncPass,
    wish: StateWish,
    { viewpoint, summary }: { readonly viewpoint: Viewpoint; readonly summary: RoomSummary | undefined },
  ): Promise<JsonObject[]> {
    const { store, events } = this.#deps.views
    const entries = await stateEntries(store, wish)
    if (pass.filter.lazyMembers) await this.#keepNeededMembers(pass, wish, { entries, viewpoint, summary })
    const records = await store.events(entries.values())
    const shown = [...entries.values()].flatMap((eventId) => {
      const record = records.get(eventId)
      return record && pass.filter.state(record.event) ? [record] : []
    })
    return events.writeState(shown, { viewpoint, deviceId: pass.deviceId, format: pass.filter.format })
  }

  /** Lazy loading: of the members, only those the timeline needs, those in the summary, and what changed in a gap. */
  async #keepNeededMembers(
    pass: SyncPass,
    wish: StateWish,
    room: {
      readonly entries: Map<ReturnType<typeof stateKeyOf>, string>
      readonly viewpoint: Viewpoint
      readonly summary: RoomSummary | undefined
    },
  ): Promise<void> {
    const { entries, viewpoint, summary } = room
    const { roomId } = viewpoint
    const isWhole = wish.known.size === 0
    if (isWhole) for (const key of entries.keys()) if (memberOf(key) !== undefined) entries.delete(key)
    const needed = sendersOf(wish.timeline)
    for (const { record } of summary?.heroes ?? []) if (record.event.stateKey !== undefined) needed.add(record.event.stateKey)
    if (isWhole) needed.add(pass.userId)
    const shown = new Set(wish.after ? [] : wish.timeline.map(({ event }) => event.eventId))
    for (const [userId, eventId] of await memberEntries(this.#deps.views.store, wish, needed)) {
      const isRedundant = !pass.filter.redundantMembers && pass.deviceMembers.has(roomId, { userId, eventId })
      if (!shown.has(eventId) && !isRedundant) entries.set(stateKeyOf('m.room.member', userId), eventId)
    }
    for (const [key, eventId] of entries) {
      const userId = memberOf(key)
      if (userId !== undefined) pass.deviceMembers.send(roomId, { userId, eventId }, pass.upTo)
    }
    if (!wish.after) this.#noteShownMembers(pass, wish.timeline)
  }

  #noteShownMembers(pass: SyncPass, timeline: readonly EventRecord[]): void {
    for (const { event } of timeline) {
      if (event.type !== 'm.room.member' || event.stateKey === undefined) continue
      pass.deviceMembers.send(event.roomId, { userId: event.stateKey, eventId: event.eventId }, pass.upTo)
    }
  }

  async #ephemeral(pass: SyncPass, { roomId }: Room, isNew: boolean): Promise<JsonObject[]> {
    const { typing, receipts } = this.#deps.sources
    const isTyping = isNew ? typing.now(roomId).length > 0 : pass.typing.has(roomId)
    const entries = isNew ? await receipts.inRoom(roomId) : (pass.receipts.get(roomId) ?? [])
    const found = [...(isTyping ? [typing.event(roomId)] : []), ...receiptEvents(withoutIgnored(entries, pass.ignored), pass.userId)]
    return found.filter((event) => pass.filter.ephemeral({ type: String(event.type), roomId, content: {} }))
  }

  async #accountData(pass: SyncPass, { roomId }: Room, isNew: boolean): Promise<JsonObject[]> {
    // What was set before a join was not told while the user was not in the room.
    const isLate = isNew && pass.since !== undefined
    const all = isLate ? (await this.#deps.sources.accountData.all(pass.userId)).filter((change) => change.roomId === roomId) : undefined
    return (all ?? pass.accountData.get(roomId) ?? [])
      .map(({ type, content }) => ({ type, content }))
      .filter((event) => pass.filter.roomAccountData({ ...event, roomId }))
  }
}

function withoutIgnored<T extends { readonly userId: UserId }>(entries: readonly T[], ignored: ReadonlySet<UserId>): T[] {
  return entries.filter(({ userId }) => !ignored.has(userId))
}
