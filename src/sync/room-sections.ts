import type { RoomId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import { JoinedRooms, type RoomSectionDeps } from './joined-rooms.ts'
import { newestMembership } from './newest-membership.ts'
import { LeftRooms, strippedStateFor } from './other-rooms.ts'
import type { SyncPass } from './sync-request.ts'

/** Rooms by what the user is to them. */
type Sections = Readonly<Record<'join' | 'leave' | 'invite' | 'knock', Map<RoomId, JsonObject>>>

const roomsAtOnce = 50

/** Writes the `rooms` of `/sync`. */
export class RoomSections {
  readonly #deps: RoomSectionDeps
  readonly #joined: JoinedRooms
  readonly #left: LeftRooms

  constructor(deps: RoomSectionDeps) {
    this.#deps = deps
    this.#joined = new JoinedRooms(deps)
    this.#left = new LeftRooms(deps)
  }

  /** Those sections that have anything to say. */
  async write(pass: SyncPass): Promise<JsonObject> {
    const sections: Sections = { join: new Map(), leave: new Map(), invite: new Map(), knock: new Map() }
    const concerned = concernedRooms(pass).filter(([roomId]) => pass.filter.room(roomId))
    // Some at a time: all rooms of a large account at once would only crowd memory.
    for (let start = 0; start < concerned.length; start += roomsAtOnce) {
      const some = concerned.slice(start, start + roomsAtOnce)
      await Promise.all(some.map(([roomId, membership]) => this.#write(pass, sections, { roomId, membership })))
    }
    const filled = Object.entries(sections).filter(([, rooms]) => rooms.size > 0)
    return Object.fromEntries(filled.map(([name, rooms]) => [name, Object.fromEntries(rooms)]))
  }

  async #write(
    pass: SyncPass,
    sections: Sections,
    { roomId, membership }: { readonly roomId: RoomId; readonly membership: StoredMembership },
  ): Promise<void> {
    const { store } = this.#deps.views
    const news = pass.news.get(roomId)
    if (membership.membership === 'join') {
      const room = await store.room(roomId)
      const written = room && (await this.#joined.write(pass, { room, membership, news }))
      if (written) sections.join.set(roomId, written)
    } else if (hasLeft(membership)) {
      sections.leave.set(roomId, await this.#left.write(pass, { roomId, membership, news }))
    } else {
      const events = await strippedStateFor(store, pass.userId, { roomId, membership })
      if (membership.membership === 'knock') sections.knock.set(roomId, { knock_state: { events } })
      else if (!pass.blocksInvites && !pass.ignored.has(membership.sender)) sections.invite.set(roomId, { invite_state: { events } })
    }
  }
}

/** Whether the user was in the room, or about to be, and is no more. */
export function hasLeft({ membership }: StoredMembership): boolean {
  return membership === 'leave' || membership === 'ban'
}

/** The rooms that may have anything to say: of a large account, most have not, and are not looked at. */
function concernedRooms(pass: SyncPass): (readonly [RoomId, StoredMembership])[] {
  const { memberships, since, filter, fullState } = pass
  if (since === undefined)
    return [...memberships].filter(([, membership]) => !hasLeft(membership) || (filter.includeLeave && !membership.forgotten))
  const isJoined = (roomId: RoomId) => memberships.get(roomId)?.membership === 'join'
  const changed = new Set([...changedRooms(pass)].filter(isJoined))
  if (!fullState && newestMembership(memberships) <= since) {
    return [...changed].flatMap((roomId) => {
      const membership = memberships.get(roomId)
      return membership ? [[roomId, membership] as const] : []
    })
  }
  return [...memberships].filter(([roomId, { position }]) => position > since || changed.has(roomId) || (fullState && isJoined(roomId)))
}

/** Rooms in which anything but the user's membership changed. */
function changedRooms({ news, sticky, typing, receipts, accountData }: SyncPass): Iterable<RoomId> {
  return [...news.keys(), ...sticky.byRoom.keys(), ...typing, ...receipts.keys(), ...accountData.keys()]
}
