import type { Clock } from '../ports/clock.ts'
import type { Storage } from '../ports/storage.ts'
import type { MemberLists } from '../rooms/member-lists.ts'
import type { EventRecord, Room, RoomStore } from '../rooms/room-store.ts'
import { forbidden, notFound } from '../spec/errors.ts'
import type { EventId, RoomId, UserId } from '../spec/event.ts'
import { historyVisibilityOf, isVisibleTo } from '../spec/history-visibility.ts'
import type { JsonObject } from '../spec/json.ts'
import type { StateTrie } from '../spec/state-trie.ts'
import { Aggregations } from './aggregations.ts'
import { ClientEvents, type EventAudience } from './client-event.ts'
import { KeptCounts } from './kept-counts.ts'
import { Relations } from './relations.ts'
import type { SyncSources } from './sources.ts'
import type { PageToken } from './token.ts'
import { Viewpoint } from './viewpoint.ts'

/** Who reads. */
export interface Reader {
  readonly userId: UserId
  readonly deviceId: string
}

/** A room as one reader may see it. */
export interface RoomView {
  readonly room: Room
  readonly audience: EventAudience
  readonly viewpoint: Viewpoint
}

/** Rooms as their readers may see them: what all endpoints that show events share. */
export class RoomViews {
  readonly store: RoomStore
  readonly members: MemberLists
  readonly relations: Relations
  readonly events: ClientEvents
  readonly aggregations: Aggregations
  readonly keptCounts: KeptCounts
  readonly #accountData: Pick<SyncSources['accountData'], 'ignoredUsers'>

  constructor(deps: {
    readonly storage: Storage
    readonly clock: Clock
    readonly store: RoomStore
    readonly members: MemberLists
    readonly accountData: Pick<SyncSources['accountData'], 'ignoredUsers'>
  }) {
    this.store = deps.store
    this.members = deps.members
    this.relations = new Relations(deps.storage, deps.store)
    this.events = new ClientEvents(deps.store, deps.clock)
    this.aggregations = new Aggregations(this.events, this.relations)
    this.keptCounts = new KeptCounts(deps.storage)
    this.#accountData = deps.accountData
  }

  /**
   * The room for a reader who is, or was, in it, or who may read it because anyone may. Throws `M_FORBIDDEN`: who is not in
   * a room does not learn whether there is one.
   */
  async open(reader: Reader, roomId: RoomId): Promise<RoomView> {
    const room = await this.store.room(roomId)
    const membership = (await this.store.memberships(reader.userId)).get(roomId)
    const knows =
      membership !== undefined && membership.forgotten !== true && membership.membership !== 'invite' && membership.membership !== 'knock'
    if (!room || !(knows || (await this.#isWorldReadable(room)))) throw forbidden('You are not in this room')
    const ignored = await this.#accountData.ignoredUsers(reader.userId)
    const viewpoint = new Viewpoint(this.store, { userId: reader.userId, roomId, ignored })
    return { room, viewpoint, audience: { viewpoint, deviceId: reader.deviceId, withRoomId: true } }
  }

  /** The room of a joined user. Throws `M_FORBIDDEN`. */
  async openJoined(reader: Reader, roomId: RoomId): Promise<RoomView> {
    const membership = (await this.store.memberships(reader.userId)).get(roomId)
    if (membership?.membership !== 'join') throw forbidden('You are not in this room')
    return this.open(reader, roomId)
  }

  /** Throws `M_FORBIDDEN` for who has left the room, or is not in it, and may not read it because anyone may. */
  async requireReadable(reader: Reader, { room }: RoomView): Promise<void> {
    const membership = (await this.store.memberships(reader.userId)).get(room.roomId)
    if (membership?.membership !== 'join' && !(await this.#isWorldReadable(room))) throw forbidden('You are not in this room')
  }

  /** The state that a reader may see: the current one, or that in which they left the room. Throws `M_FORBIDDEN`. */
  async stateFor(reader: Reader, { room }: RoomView): Promise<StateTrie> {
    const membership = (await this.store.memberships(reader.userId)).get(room.roomId)
    if (membership?.membership === 'join' || (await this.#isWorldReadable(room))) return room.state
    const end = membership && (await this.store.event(membership.eventId))
    const before = end && (await this.store.stateEvent(await this.store.stateBefore(end), 'm.room.member', reader.userId))
    if (!end || before?.content.membership !== 'join') throw forbidden('You have not been in this room')
    return this.store.stateAfter(end)
  }

  /** Whether a place in the history lies before the reader left the room. Whoever has left sees the room as it was then, and no later. */
  async isBeforeEnd(reader: Reader, { room }: RoomView, place: PageToken): Promise<boolean> {
    const membership = (await this.store.memberships(reader.userId)).get(room.roomId)
    if (membership?.membership === 'join' || (await this.#isWorldReadable(room))) return true
    return membership !== undefined && ('position' in place ? place.position : place.point.position) < membership.position
  }

  /**
   * Throws `M_FORBIDDEN` where the reader may not see what was sent when this was the state of the room
   * (Client-Server API, "Room history visibility").
   */
  async requireVisible({ userId }: Reader, { room }: RoomView, state: StateTrie): Promise<void> {
    const wasIn = (await this.store.memberships(userId)).has(room.roomId)
    const [setting, member] = await Promise.all([
      this.store.stateEvent(state, 'm.room.history_visibility', ''),
      this.store.stateEvent(state, 'm.room.member', userId),
    ])
    const membership = member?.content.membership
    if (!isVisibleTo(historyVisibilityOf(setting?.content), membership, wasIn)) throw forbidden('You may not see the room as it was then')
  }

  /** An event that the reader may see. Throws `M_NOT_FOUND`. */
  async eventFor(view: RoomView, eventId: EventId): Promise<EventRecord> {
    const record = await this.store.event(eventId)
    if (!record || !(await view.viewpoint.maySee(record))) throw notFound('There is no such event, or you may not see it')
    return record
  }

  /** The state events of a snapshot, written for the reader. */
  async writeState(view: RoomView, state: StateTrie, wanted: (record: EventRecord) => boolean = () => true): Promise<JsonObject[]> {
    const records = await this.store.events(state.values())
    return this.events.writeState([...records.values()].filter(wanted), view.audience)
  }

  async #isWorldReadable({ state }: Room): Promise<boolean> {
    const visibility = await this.store.stateEvent(state, 'm.room.history_visibility', '')
    return visibility?.content.history_visibility === 'world_readable'
  }
}
