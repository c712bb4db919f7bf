import { stateKeyOf, type UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { memberEntries, memberOf, type StateWish, sendersOf, stateEntries } from './room-state.ts'
import type { RoomViews } from './room-views.ts'
import type { SyncPass } from './sync-request.ts'
import type { Viewpoint } from './viewpoint.ts'

type StateEntries = Awaited<ReturnType<typeof stateEntries>>

/** Writes the state of a room in `/sync`, with the members that its client wants (Client-Server API, "Lazy-loading room members"). */
export class StateSection {
  readonly #views: RoomViews

  constructor(views: RoomViews) {
    this.#views = views
  }

  /** The state events; `heroes` are the users who name the room, whose members go with it. */
  async write(
    pass: SyncPass,
    wish: StateWish,
    to: { readonly viewpoint: Viewpoint; readonly heroes: readonly UserId[] },
  ): Promise<JsonObject[]> {
    const { store, events } = this.#views
    const entries = await stateEntries(store, wish)
    if (pass.filter.lazyMembers) await this.#keepNeededMembers(pass, wish, { entries, ...to })
    const records = await store.events(entries.values())
    const shown = [...entries.values()].flatMap((eventId) => {
      const record = records.get(eventId)
      return record && pass.filter.state(record.event) ? [record] : []
    })
    return events.writeState(shown, { viewpoint: to.viewpoint, deviceId: pass.deviceId, format: pass.filter.format })
  }

  /** Of the members, only those the timeline needs, the heroes, and what changed in a gap. */
  async #keepNeededMembers(
    pass: SyncPass,
    wish: StateWish,
    room: { readonly entries: StateEntries; readonly viewpoint: Viewpoint; readonly heroes: readonly UserId[] },
  ): Promise<void> {
    const { entries, heroes } = room
    const { roomId } = room.viewpoint
    // Who is given the whole state may have nothing: no member of it is redundant.
    const isWhole = wish.known.size === 0
    if (isWhole) for (const key of entries.keys()) if (memberOf(key) !== undefined) entries.delete(key)
    const needed = new Set([...sendersOf(wish.timeline), ...heroes, ...(isWhole ? [pass.userId] : [])])
    const shown = new Set(wish.after ? [] : wish.timeline.map(({ event }) => event.eventId))
    for (const [userId, eventId] of await memberEntries(this.#views.store, wish, needed)) {
      const isRedundant = !isWhole && !pass.filter.redundantMembers && pass.deviceMembers.has(roomId, { userId, eventId })
      if (!shown.has(eventId) && !isRedundant) entries.set(stateKeyOf('m.room.member', userId), eventId)
    }
    for (const [key, eventId] of entries) {
      const userId = memberOf(key)
      if (userId !== undefined) pass.deviceMembers.send(roomId, { userId, eventId }, pass.upTo)
    }
    if (!wish.after) noteShownMembers(pass, wish)
  }
}

function noteShownMembers(pass: SyncPass, { timeline }: StateWish): void {
  for (const { event } of timeline) {
    if (event.type !== 'm.room.member' || event.stateKey === undefined) continue
    pass.deviceMembers.send(event.roomId, { userId: event.stateKey, eventId: event.eventId }, pass.upTo)
  }
}
