import { strippedStateOf } from '../rooms/membership-rules.ts'
import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import type { RoomId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import { currentPdu, strippedEvent } from './client-event.ts'
import type { RoomSectionDeps } from './joined-rooms.ts'
import { stateEntries } from './room-state.ts'
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

/** Writes the `leave` section of `/sync`. */
export class LeftRooms {
  readonly #deps: RoomSectionDeps

  constructor(deps: RoomSectionDeps) {
    this.#deps = deps
  }

  /** A room as it was when the user left it: nothing that came after is in it. */
  async write(
    pass: SyncPass,
    left: { readonly roomId: RoomId; readonly membership: StoredMembership; readonly news: RoomNews | undefined },
  ): Promise<JsonObject> {
    const viewpoint = new Viewpoint(this.#deps.views.store, { userId: pass.userId, roomId: left.roomId, ignored: pass.ignored })
    const end = await this.#deps.views.store.event(left.membership.eventId)
    const timeline = end ? await this.#timeline(pass, { end, news: left.news }, viewpoint) : noTimeline
    const audience = { viewpoint, deviceId: pass.deviceId, format: pass.filter.format }
    const { prevBatch } = timeline
    return {
      [pass.stateAfter ?? 'state']: {
        events: end ? await this.#state(pass, { end, timeline, news: left.news }, viewpoint) : [],
      },
      timeline: {
        events: await this.#deps.views.events.write(timeline.records, audience),
        limited: timeline.limited,
        ...(prevBatch ? { prev_batch: this.#deps.tokens.page(prevBatch) } : {}),
      },
      account_data: { events: [] },
    }
  }

  async #timeline(
    pass: SyncPass,
    { end, news }: { readonly end: EventRecord; readonly news: RoomNews | undefined },
    viewpoint: Viewpoint,
  ): Promise<TimelinePart> {
    const { filter, upTo } = pass
    const alone = { ...noTimeline, records: isTold(pass, end) ? [] : [end] }
    if (!(await this.#wasJoined(pass, end))) return alone
    if (pass.since === undefined) {
      return recentTimeline(this.#deps.views.store, viewpoint, {
        passes: filter.timeline,
        limit: filter.timelineLimit,
        upTo,
        from: pointAfter(end),
      })
    }
    const room = await this.#deps.views.store.room(end.event.roomId)
    if (!news || !room) return alone
    const records = news.records.filter(({ position }) => position <= end.position)
    return newsTimeline({ ...news, records }, viewpoint, { room, limit: filter.timelineLimit })
  }

  /** The state as far as the user knew the room: their own membership, where the timeline does not say it, for who never was in it. */
  async #state(
    pass: SyncPass,
    left: { readonly end: EventRecord; readonly timeline: TimelinePart; readonly news: RoomNews | undefined },
    viewpoint: Viewpoint,
  ): Promise<JsonObject[]> {
    const { store, events } = this.#deps.views
    if (!(await this.#wasJoined(pass, left.end))) {
      const isUnsaid = isTold(pass, left.end) || pass.stateAfter !== undefined
      return isUnsaid && pass.filter.state(left.end.event)
        ? events.writeState([left.end], { viewpoint, deviceId: pass.deviceId, format: pass.filter.format })
        : []
    }
    const { first } = left.news ?? {}
    const since = pass.since === undefined || !first ? undefined : (first.stored.roomBefore ?? first.stored.stateBefore)
    const entries = await stateEntries(store, {
      known: since === undefined ? StateTrie.empty : await store.state(since),
      end: await store.stateAfter(left.end),
      timeline: left.timeline.records,
      limited: left.timeline.limited,
      after: pass.stateAfter !== undefined,
    })
    const records = [...(await store.events(entries.values())).values()].filter(({ event }) => pass.filter.state(event))
    return events.writeState(records, { viewpoint, deviceId: pass.deviceId, format: pass.filter.format })
  }

  async #wasJoined(pass: SyncPass, end: EventRecord): Promise<boolean> {
    const { store } = this.#deps.views
    const before = await store.stateEvent(await store.stateBefore(end), 'm.room.member', pass.userId)
    return before?.content.membership === 'join'
  }
}

/** Whether the client was told of it before: state resolution may have undone what came after. */
function isTold({ since }: SyncPass, { position }: EventRecord): boolean {
  return since !== undefined && position <= since
}

const noTimeline: TimelinePart = { records: [], limited: false, prevBatch: undefined }
