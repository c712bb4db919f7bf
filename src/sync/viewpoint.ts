import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import { type RoomEvent, type RoomId, stateKeyOf, type UserId } from '../spec/event.ts'
import { type HistoryVisibility, historyVisibilityOf, mayUserSee } from '../spec/history-visibility.ts'
import type { JsonValue } from '../spec/json.ts'

/** What decided visibility in one snapshot. */
interface Circumstances {
  readonly visibility: HistoryVisibility
  readonly membership: JsonValue | undefined
}

const visibilityKey = stateKeyOf('m.room.history_visibility', '')
/** How far back a chain of changes of one user's membership is followed. */
const chainLimit = 50

/** What one user may see of one room (Client-Server API, "Room history visibility"), for as long as one request takes. */
export class Viewpoint {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly #store: RoomStore
  readonly #ignored: ReadonlySet<UserId>
  /** By root of a snapshot: neighbouring events share theirs. */
  readonly #circumstances = new Map<string, Promise<Circumstances>>()
  #joinedUntil: Promise<number> | undefined

  constructor(store: RoomStore, viewer: { readonly userId: UserId; readonly roomId: RoomId; readonly ignored: ReadonlySet<UserId> }) {
    this.#store = store
    this.userId = viewer.userId
    this.roomId = viewer.roomId
    this.#ignored = viewer.ignored
  }

  /**
   * Those of the events that the user may be shown, in their order: accepted by us, visible by the room's history visibility,
   * and not of an ignored user, state events apart.
   */
  async visible(records: readonly EventRecord[]): Promise<EventRecord[]> {
    const verdicts = await Promise.all(records.map((record) => this.maySee(record)))
    return records.filter((_record, index) => verdicts[index])
  }

  /** Like {@link visible}, of one event. */
  async maySee(record: EventRecord): Promise<boolean> {
    const { event } = record
    return !(event.stateKey === undefined && this.#ignored.has(event.sender)) && this.mayRead(record)
  }

  /** Whether the event is accepted and visible by the room's history visibility, whoever sent it. */
  async mayRead(record: EventRecord): Promise<boolean> {
    const { event, stored } = record
    if (event.roomId !== this.roomId || stored.status !== 'accepted') return false
    const { visibility, membership } = await this.#before(record)
    const joinedAfter = membership !== 'join' && event.depth < (await this.#joinedUntilDepth())
    return mayUserSee(event, visibility, { userId: this.userId, membership, joinedAfter })
  }

  /** The user's membership right after the event, `leave` where there is none (`unsigned.membership`). */
  async membershipAt(record: EventRecord): Promise<string> {
    const { event } = record
    const isOwn = event.type === 'm.room.member' && event.stateKey === this.userId
    const membership = isOwn ? event.content.membership : (await this.#before(record)).membership
    return typeof membership === 'string' ? membership : 'leave'
  }

  #before(record: EventRecord): Promise<Circumstances> {
    const root = record.stored.stateBefore ?? ''
    let known = this.#circumstances.get(root)
    if (!known) {
      known = this.#read(record)
      this.#circumstances.set(root, known)
    }
    return known
  }

  async #read(record: EventRecord): Promise<Circumstances> {
    const keys = [visibilityKey, stateKeyOf('m.room.member', this.userId)]
    const [visibility, member] = await Promise.all(
      keys.map(async (key) => {
        const eventId = await this.#store.entryBefore(record, key)
        return eventId === undefined ? undefined : this.#store.event(eventId)
      }),
    )
    return { visibility: historyVisibilityOf(visibility?.event.content), membership: member?.event.content.membership }
  }

  #joinedUntilDepth(): Promise<number> {
    this.#joinedUntil ??= this.#findJoinedUntil()
    return this.#joinedUntil
  }

  /** The depth of the event that ended the user's last stay in the room; infinite during a stay, negative if there never was one. */
  async #findJoinedUntil(): Promise<number> {
    const current = (await this.#store.memberships(this.userId)).get(this.roomId)
    if (current?.membership === 'join') return Number.POSITIVE_INFINITY
    let record = current && (await this.#store.event(current.eventId))
    for (let step = 0; record && step < chainLimit; step++) {
      const previous: RoomEvent | undefined = await this.#memberBefore(record)
      if (previous?.content.membership === 'join') return record.event.depth
      record = previous && (await this.#store.event(previous.eventId))
    }
    return -1
  }

  async #memberBefore(record: EventRecord): Promise<RoomEvent | undefined> {
    const state = await this.#store.stateBefore(record)
    const eventId = state.get(stateKeyOf('m.room.member', this.userId))
    return eventId === undefined ? undefined : (await this.#store.event(eventId))?.event
  }
}
