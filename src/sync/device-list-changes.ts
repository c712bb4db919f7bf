import type { MemberLists } from '../rooms/member-lists.ts'
import type { RoomStore } from '../rooms/room-store.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { StoredMembership } from '../storage/tables/rooms.ts'
import type { Position } from '../streams/stream.ts'
import { newestMembership } from './newest-membership.ts'
import { memberOf } from './room-state.ts'
import { SharedRooms } from './shared-rooms.ts'
import type { SyncSources } from './sources.ts'
import type { RoomNews } from './timeline.ts'

/** Whose devices a client has to look up anew, and whose it need not follow any more. */
export interface DeviceListChanges {
  readonly changed: readonly UserId[]
  readonly left: readonly UserId[]
}

/** Who came to share a room with the user, and who shares none any more. */
export interface Moves {
  readonly joined: readonly UserId[]
  readonly gone: readonly UserId[]
}

export interface DeviceListSpan {
  readonly userId: UserId
  readonly since: Position
  readonly upTo: Position
  readonly memberships: ReadonlyMap<RoomId, StoredMembership>
  readonly news: ReadonlyMap<RoomId, RoomNews>
}

/** Works out `device_lists` of `/sync` and of `/keys/changes` (Client-Server API, "Tracking the device list for a user"). */
export class DeviceListTracker {
  readonly #deps: {
    readonly store: RoomStore
    readonly members: MemberLists
    readonly sources: Pick<SyncSources, 'deviceLists'>
  }

  constructor(deps: { readonly store: RoomStore; readonly members: MemberLists; readonly sources: Pick<SyncSources, 'deviceLists'> }) {
    this.#deps = deps
  }

  /** Changes in (since, upTo]: devices changed, and users who came to share a room or no longer share any. */
  async changes(span: Pick<DeviceListSpan, 'userId' | 'since' | 'upTo'>, moves: Moves): Promise<DeviceListChanges> {
    const announced = await this.#deps.sources.deviceLists.changedSince(span.userId, span.since, span.upTo)
    const changed = new Set([...announced, ...moves.joined])
    return { changed: [...changed], left: moves.gone.filter((other) => !changed.has(other)) }
  }

  /** Users who came to share a room with the user, and those who share none any more. */
  async moves({ userId, since, upTo, memberships, news }: DeviceListSpan): Promise<Moves> {
    const joined = new Set<UserId>()
    const left = new Set<UserId>()
    const fresh = newestMembership(memberships) <= since ? [] : [...memberships].filter(([, { position }]) => position > since)
    for (const [roomId, { membership, position }] of fresh) {
      if (position > upTo) continue
      const members = membership === 'join' ? joined : membership === 'leave' || membership === 'ban' ? left : undefined
      if (members) for (const other of await this.#membersOf(roomId)) members.add(other)
    }
    for (const [roomId, newsOfRoom] of news) {
      if (memberships.get(roomId)?.membership === 'join') await this.#moved(userId, newsOfRoom, { joined, left })
    }
    joined.delete(userId)
    left.delete(userId)
    if (left.size === 0) return { joined: [...joined], gone: [] }
    const joinedRooms = [...memberships].flatMap(([roomId, { membership }]) => (membership === 'join' ? roomId : []))
    const sharing = await (await SharedRooms.of(this.#deps.store, joinedRooms)).among(left)
    return { joined: [...joined], gone: [...left].filter((other) => !sharing.has(other)) }
  }

  async #membersOf(roomId: RoomId): Promise<UserId[]> {
    const room = await this.#deps.store.room(roomId)
    if (!room) return []
    const members = await this.#deps.members.of(roomId, room.state)
    return [...members].filter(([, { membership }]) => membership === 'join').map(([userId]) => userId)
  }

  /** Who came and went in a room that the user was in before, whether or not they left it for a while. */
  async #moved(
    userId: UserId,
    news: RoomNews,
    { joined, left }: { readonly joined: Set<UserId>; readonly left: Set<UserId> },
  ): Promise<void> {
    const { store } = this.#deps
    const before = news.first.stored.roomBefore ?? news.first.stored.stateBefore
    const after = news.last.stored.roomAfter ?? news.last.stored.stateAfter
    if (before === after || before === undefined || after === undefined) return
    const state = await store.state(before)
    if ((await store.stateEvent(state, 'm.room.member', userId))?.content.membership !== 'join') return
    const changes = [...StateTrie.diff(state, await store.state(after))].flatMap((change) => {
      const userId = memberOf(change.key)
      return userId === undefined ? [] : [{ ...change, userId }]
    })
    const records = await store.events(changes.flatMap((change) => [change.before ?? [], change.after ?? []].flat()))
    for (const change of changes) {
      const wasJoined = records.get(change.before ?? '')?.event.content.membership === 'join'
      const isJoined = records.get(change.after ?? '')?.event.content.membership === 'join'
      if (isJoined && !wasJoined) joined.add(change.userId)
      if (wasJoined && !isJoined) left.add(change.userId)
    }
  }
}
