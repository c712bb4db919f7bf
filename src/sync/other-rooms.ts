import { currentPdu } from '../rooms/current-content.ts'
import { strippedStateOf } from '../rooms/membership-rules.ts'
import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import type { RoomId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import { strippedEvent } from './client-event.ts'
import { type RoomSectionDeps, roomAccountData } from './joined-rooms.ts'
import { roomStateBefore } from './room-state.ts'
import { StateSection } from './state-section.ts'
import type { SyncPass } from './sync-request.ts'
import { newsTimeline, pointAfter, type RoomNews, recentTimeline, type TimelinePart } from './timeline.ts'
import { Viewpoint } from './viewpoint.ts'

/** The stripped state of a room that a user is invited to or knocks at, with the user's own membership in it. */
export async function strippedStateFor(
  store: RoomStore,
  userId: string,
  { roomId, membership }: { readonly roomId: RoomId; readonly membership: StoredMembership },
): Promise<JsonObject[]> {
  const { outOfBand, sender } = membership
  if (outOfBand) return [...outOfBand.strippedState.map(strippedEvent), strippedEvent(outOfBand.pdu)]
  const room = await store.room(roomId)
  const events = room ? await strippedStateOf(room, { store, members: [...new Set([sender, userId])] }) : []
  return [...(await store.events(events.map(({ eventId }) => eventId))).values()].map((record) => strippedEvent(currentPdu(record)))
}

/** A room that a user has left, as a pass finds it. */
interface LeftRoom {
  /** The event that ended the user's stay. */
  readonly end: EventRecord
  /** Whether it ended a stay, and not only an invitation or a knock. */
  readonly wasJoined: boolean
  /** The room's state where the client stands; empty where it knows nothing of the room. */
  readonly known: StateTrie
  readonly news: RoomNews | undefined
}

/** Writes the `leave` section of `/sync`. */
export class LeftRooms {
  readonly #deps: RoomSectionDeps
  readonly #state: StateSection

  constructor(deps: RoomSectionDeps) {
    this.#deps = deps
    this.#state = new StateSection(deps.views)
  }

  /** A room as it was when the user left it: nothing that came after is in it. */
  async write(
    pass: SyncPass,
    { roomId, membership, news }: { readonly roomId: RoomId; readonly membership: StoredMembership; readonly news: RoomNews | undefined },
  ): Promise<JsonObject> {
    const { views, tokens, sources } = this.#deps
    const viewpoint = new Viewpoint(views.store, { userId: pass.userId, roomId, ignored: pass.ignored })
    const end = await views.store.event(membership.eventId)
    if (!end) return outOfBandEnd(membership, pass.stateAfter ?? 'state')
    const left = { end, news, wasJoined: await this.#wasJoined(pass, end), known: await this.#known(pass, { end, news }) }
    const timeline = await this.#timeline(pass, left, viewpoint)
    const audience = { viewpoint, deviceId: pass.deviceId, format: pass.filter.format }
    const { prevBatch, limited } = timeline
    return {
      [pass.stateAfter ?? 'state']: { events: await this.#stateOf(pass, { ...left, timeline }, viewpoint) },
      timeline: {
        events: await (limited ? views.aggregations : views.events).write(timeline.records, audience),
        limited,
        ...(prevBatch ? { prev_batch: tokens.page(prevBatch) } : {}),
      },
      account_data: { events: await roomAccountData(pass, roomId, { isNew: left.known.size === 0, sources }) },
    }
  }

  async #timeline(pass: SyncPass, { end, news, wasJoined, known }: LeftRoom, viewpoint: Viewpoint): Promise<TimelinePart> {
    const { filter, upTo, since } = pass
    const alone = { ...noTimeline, records: isTold(pass, end) ? [] : [end] }
    if (!wasJoined) return alone
    if (known.size === 0) {
      const wish = { passes: filter.timeline, limit: filter.timelineLimit, upTo, from: pointAfter(end) }
      const recent = await recentTimeline(this.#deps.views.store, viewpoint, wish)
      return { ...recent, limited: recent.limited || since !== undefined }
    }
    const room = await this.#deps.views.store.room(end.event.roomId)
    if (!news || !room) return alone
    const records = news.records.filter(({ position }) => position <= end.position)
    return newsTimeline({ ...news, records }, viewpoint, { room, limit: filter.timelineLimit })
  }

  /** The state as far as the user knew the room: their own membership, where the timeline does not say it, for who never was in it. */
  async #stateOf(pass: SyncPass, left: LeftRoom & { readonly timeline: TimelinePart }, viewpoint: Viewpoint): Promise<JsonObject[]> {
    const { store, events } = this.#deps.views
    if (!left.wasJoined) {
      const isUnsaid = isTold(pass, left.end) || pass.stateAfter !== undefined
      return isUnsaid && pass.filter.state(left.end.event)
        ? events.writeState([left.end], { viewpoint, deviceId: pass.deviceId, format: pass.filter.format })
        : []
    }
    const wish = {
      known: left.known,
      end: await store.stateAfter(left.end),
      timeline: left.timeline.records,
      limited: left.timeline.limited,
      after: pass.stateAfter !== undefined,
    }
    return this.#state.write(pass, wish, { viewpoint, heroes: [] })
  }

  /** The state that the client has: none of a room that the user was not in when it last asked, nor had left then. */
  async #known(pass: SyncPass, { end, news }: Pick<LeftRoom, 'end' | 'news'>): Promise<StateTrie> {
    const { store } = this.#deps.views
    if (pass.since === undefined || !news) return StateTrie.empty
    const state = await roomStateBefore(store, news.first)
    const member = await store.stateEvent(state, 'm.room.member', pass.userId)
    if (member?.content.membership === 'join') return state
    return isTold(pass, end) ? store.stateAfter(end) : StateTrie.empty
  }

  async #wasJoined(pass: SyncPass, end: EventRecord): Promise<boolean> {
    const { store } = this.#deps.views
    const before = await store.stateEvent(await store.stateBefore(end), 'm.room.member', pass.userId)
    return before?.content.membership === 'join'
  }
}

const noTimeline: TimelinePart = { records: [], limited: false, prevBatch: undefined }

/** Whether the client was told of it before: state resolution may have undone what came after. */
function isTold({ since }: SyncPass, { position }: EventRecord): boolean {
  return since !== undefined && position <= since
}

/** How an invitation or a knock ended, of a room that we never were in: nothing but the event that ended it is known. */
function outOfBandEnd({ eventId, outOfBand }: StoredMembership, stateField: string): JsonObject {
  const { origin_server_ts: sentTs } = outOfBand?.pdu ?? {}
  const events = outOfBand
    ? [{ ...strippedEvent(outOfBand.pdu), event_id: eventId, ...(sentTs === undefined ? {} : { origin_server_ts: sentTs }) }]
    : []
  return { [stateField]: { events: [] }, timeline: { events, limited: false }, account_data: { events: [] } }
}
