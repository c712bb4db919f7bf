import type { RoomStore } from '../../rooms/room-store.ts'
import type { RoomId, UserId } from '../../spec/event.ts'
import type { StoredMembership } from '../../storage/tables/rooms.ts'
import type { SentRoom } from './connections.ts'
import { type ListFilters, type ListRequest, mostLists, type SlidingSyncBody } from './request.ts'
import type { Activity, RoomActivity } from './room-activity.ts'
import { RoomConfig, type RoomRequest } from './room-config.ts'
import type { Labels } from './room-labels.ts'
import type { RoomTraits } from './room-traits.ts'

/** A room that the user may be shown, as lists sort it. */
export interface ListedRoom {
  readonly roomId: RoomId
  readonly membership: StoredMembership
  readonly activity: Activity
}

/** The rooms that a request wants, with what it wants of them, and its lists. */
export interface Wanted {
  readonly rooms: ReadonlyMap<RoomId, { readonly room: ListedRoom; readonly config: RoomConfig }>
  /** How many rooms each list has, and the windows of it. */
  readonly lists: ReadonlyMap<string, { readonly count: number; readonly windows: readonly Window[] }>
  readonly subscribed: ReadonlySet<RoomId>
}

interface Window {
  readonly range: readonly [number, number]
  readonly roomIds: readonly RoomId[]
}

/** For whom rooms are listed. */
export interface ListAudience {
  readonly userId: UserId
  readonly memberships: ReadonlyMap<RoomId, StoredMembership>
  readonly ignored: ReadonlySet<UserId>
  readonly blocksInvites: boolean
  readonly labels: Labels
  readonly sent: ReadonlyMap<RoomId, SentRoom>
}

/** Sorts and filters a user's rooms into the lists of a request (MSC4186, "Lists and subscriptions"). */
export class RoomLists {
  readonly #deps: { readonly store: RoomStore; readonly activity: RoomActivity; readonly traits: RoomTraits }

  constructor(deps: { readonly store: RoomStore; readonly activity: RoomActivity; readonly traits: RoomTraits }) {
    this.#deps = deps
  }

  async select(audience: ListAudience, body: SlidingSyncBody): Promise<Wanted> {
    const listed = await this.#listed(audience)
    const requests = new Map<RoomId, { readonly room: ListedRoom; readonly by: RoomRequest[] }>()
    const want = (room: ListedRoom, request: RoomRequest) => {
      const known = requests.get(room.roomId)
      if (known) known.by.push(request)
      else requests.set(room.roomId, { room, by: [request] })
    }
    const lists = new Map<string, { count: number; windows: Window[] }>()
    for (const [name, request] of Object.entries(body.lists ?? {})) {
      const rooms = await this.#filter(listed, request.filters ?? {}, audience)
      const windows = rangesOf(request, rooms.length).map(([from, to]) => ({
        range: [from, to] as const,
        rooms: rooms.slice(from, to + 1),
      }))
      for (const window of windows) for (const room of window.rooms) want(room, request)
      lists.set(name, {
        count: rooms.length,
        windows: windows.map(({ range, rooms: within }) => ({ range, roomIds: within.map(({ roomId }) => roomId) })),
      })
    }
    const byId = new Map(listed.map((room) => [room.roomId, room]))
    const subscribed = new Set<RoomId>()
    for (const [roomId, request] of Object.entries(body.room_subscriptions ?? {}).slice(0, mostLists)) {
      const room = byId.get(roomId)
      if (!room) continue
      subscribed.add(roomId)
      want(room, request)
    }
    return { rooms: configured(requests), lists, subscribed }
  }

  /** The user's rooms, the one with the newest activity first. */
  async #listed(audience: ListAudience): Promise<ListedRoom[]> {
    // All at once: what is not known of the rooms yet is then read in few transactions.
    const rooms = await Promise.all([...audience.memberships].map((room) => this.#listedRoom(audience, room)))
    return rooms.filter((room) => room !== undefined).sort((a, b) => b.activity.last - a.activity.last)
  }

  async #listedRoom(audience: ListAudience, [roomId, membership]: [RoomId, StoredMembership]): Promise<ListedRoom | undefined> {
    if (!(await this.#isListed(audience, roomId, membership))) return undefined
    const { position } = membership
    const isIn = membership.membership === 'join'
    const activity = isIn ? await this.#deps.activity.of(roomId, position) : { last: position, bump: position }
    return { roomId, membership, activity }
  }

  /** Rooms that the user left are shown as long as the client still has them; of others that are over, those that came as a surprise. */
  async #isListed({ userId, ignored, blocksInvites, sent }: ListAudience, roomId: RoomId, membership: StoredMembership): Promise<boolean> {
    const { membership: kind, sender, forgotten } = membership
    if (forgotten) return false
    if (kind === 'invite') return !blocksInvites && !ignored.has(sender)
    if (kind === 'join' || kind === 'knock' || sent.has(roomId)) return true
    return sender !== userId && (await this.#wasJoined(userId, membership))
  }

  async #wasJoined(userId: UserId, { eventId }: StoredMembership): Promise<boolean> {
    const { store } = this.#deps
    const end = await store.event(eventId)
    const before = end && (await store.stateEvent(await store.stateBefore(end), 'm.room.member', userId))
    return before?.content.membership === 'join'
  }

  async #filter(rooms: readonly ListedRoom[], filters: ListFilters, audience: ListAudience): Promise<ListedRoom[]> {
    const passes = await this.#test(filters, audience)
    const verdicts = await Promise.all(rooms.map(passes))
    return rooms.filter((_, index) => verdicts[index])
  }

  async #test(filters: ListFilters, { labels, memberships }: ListAudience): Promise<(room: ListedRoom) => boolean | Promise<boolean>> {
    const { is_dm: isDirect, is_encrypted: isEncrypted, is_invite: isInvite, room_types: types, not_room_types: notTypes } = filters
    const { tags, not_tags: notTags, spaces, room_name_like: nameLike } = filters
    const joinedSpaces = (spaces ?? []).filter((roomId) => memberships.get(roomId)?.membership === 'join')
    const inSpaces = spaces ? new Set((await Promise.all(joinedSpaces.map((id) => this.#deps.traits.childrenOf(id)))).flat()) : undefined
    const needsTraits = [isEncrypted, types, notTypes, nameLike].some((filter) => filter !== undefined && filter !== null)
    const name = nameLike?.toLowerCase()
    const tagged = (roomId: RoomId, wanted: readonly string[]) => wanted.some((tag) => labels.tags.get(roomId)?.has(tag))
    return ({ roomId, membership }) => {
      if (typeof isDirect === 'boolean' && labels.direct.has(roomId) !== isDirect) return false
      if (typeof isInvite === 'boolean' && (membership.membership === 'invite') !== isInvite) return false
      if ((tags && !tagged(roomId, tags)) || (notTags && tagged(roomId, notTags))) return false
      if (inSpaces && !inSpaces.has(roomId)) return false
      if (!needsTraits) return true
      return this.#deps.traits.of(roomId, membership).then((traits) => {
        if (typeof isEncrypted === 'boolean' && traits.encrypted !== isEncrypted) return false
        if (types && !types.includes(traits.type)) return false
        if (notTypes?.includes(traits.type)) return false
        return name === undefined || traits.name.toLowerCase().includes(name)
      })
    }
  }
}

/** Rooms with the config of all that is asked of them; one config for all rooms of which the same is asked. */
function configured(requests: ReadonlyMap<RoomId, { readonly room: ListedRoom; readonly by: readonly RoomRequest[] }>): Wanted['rooms'] {
  const configs = new Map<string, RoomConfig>()
  return new Map(
    [...requests].map(([roomId, { room, by }]) => {
      const id = JSON.stringify(by.map(({ required_state, timeline_limit }) => [required_state, timeline_limit]))
      const config = configs.get(id) ?? new RoomConfig(by)
      configs.set(id, config)
      return [roomId, { room, config }]
    }),
  )
}

/** The windows of a list; the whole list where none is named. */
function rangesOf({ ranges, slow_get_all_rooms: isWhole }: ListRequest, count: number): (readonly [number, number])[] {
  if (isWhole || !ranges) return [[0, Math.max(0, count - 1)]]
  return ranges.filter(([from, to]) => from <= to)
}
