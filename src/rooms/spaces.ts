import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { splitStateKey } from '../spec/event.ts'
import { isRoomId } from '../spec/identifiers.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { isServerName } from '../spec/server-name.ts'
import type { MemberLists } from './member-lists.ts'
import { mayPreview, overviewOf, roomSummary } from './room-overview.ts'
import type { Room, RoomStore } from './room-store.ts'

/** A child of a space, in the space's order. */
export interface SpaceChild {
  readonly roomId: RoomId
  readonly via: readonly ServerName[]
  readonly suggested: boolean
  /** The child event, stripped, with its time. */
  readonly event: JsonObject
  readonly order: string | undefined
  readonly ts: number
}

/** A room in a space: what is told of it, and its own children if it is a space. */
export interface SpaceRoom {
  readonly json: JsonObject
  readonly children: readonly SpaceChild[]
}

interface SpacesDeps {
  readonly store: RoomStore
  readonly members: MemberLists
  /** A room that is not known here, as a server in `via` describes it: the `room` of its `GET /hierarchy` answer. */
  readonly remoteRoom: (roomId: RoomId, via: readonly ServerName[]) => Promise<JsonObject | undefined>
}

const validOrder = /^[\x20-\x7e]{1,50}$/
/** The most rooms one walk visits. */
const walkLimit = 500

/** Spaces: rooms that list other rooms (Client-Server API, "Spaces"). */
export class Spaces {
  readonly #deps: SpacesDeps

  constructor(deps: SpacesDeps) {
    this.#deps = deps
  }

  /** What `userId` may be told of a room, here or through the servers in `via`; `undefined` if that is nothing. */
  async room(roomId: RoomId, userId: UserId, via: readonly ServerName[]): Promise<SpaceRoom | undefined> {
    const room = await this.#resident(roomId)
    if (!room) return this.#remote(roomId, userId, via)
    const overview = await overviewOf(room, this.#deps)
    if (!(await mayPreview(room, overview, { store: this.#deps.store, userId }))) return undefined
    const children = overview.roomType === 'm.space' ? await childrenOf(room, this.#deps.store) : []
    return { json: { ...roomSummary(overview), children_state: children.map(({ event }) => event) }, children }
  }

  /** The rooms under a space, depth first, each once; as far as the user may know of them. */
  async walk(
    root: RoomId,
    wish: { readonly userId: UserId; readonly maxDepth: number; readonly suggestedOnly: boolean; readonly limit: number },
  ): Promise<JsonObject[]> {
    const found: JsonObject[] = []
    const seen = new Set<RoomId>([root])
    const pending: { roomId: RoomId; via: readonly ServerName[]; depth: number }[] = [{ roomId: root, via: [], depth: 0 }]
    for (let visited = 0; visited < walkLimit && found.length < wish.limit; visited++) {
      const next = pending.pop()
      if (!next) break
      const room = await this.room(next.roomId, wish.userId, next.via)
      if (!room) continue
      const children = room.children.filter(({ suggested }) => suggested || !wish.suggestedOnly)
      found.push({ ...room.json, children_state: children.map(({ event }) => event) })
      if (next.depth >= wish.maxDepth) continue
      const fresh = children.filter(({ roomId }) => !seen.has(roomId))
      for (const { roomId } of fresh) seen.add(roomId)
      pending.push(...fresh.map(({ roomId, via }) => ({ roomId, via, depth: next.depth + 1 })).reverse())
    }
    return found
  }

  /** The room, if it has members of ours: only then is what we know of it current. */
  async #resident(roomId: RoomId): Promise<Room | undefined> {
    const { store, members } = this.#deps
    const room = await store.room(roomId)
    if (!room) return undefined
    const list = await members.of(roomId, room.state)
    return list.values().some(({ membership }) => membership === 'join') ? room : undefined
  }

  async #remote(roomId: RoomId, userId: UserId, via: readonly ServerName[]): Promise<SpaceRoom | undefined> {
    const json = await this.#deps.remoteRoom(roomId, via).catch(() => undefined)
    if (!json || json.room_id !== roomId || !(await this.#mayBeTold(json, userId))) return undefined
    const events = Array.isArray(json.children_state) ? json.children_state.filter(isObject) : []
    const children = events.flatMap((event) => childOf(event) ?? []).sort(compareChildren)
    return { json: { ...json, children_state: children.map(({ event }) => event) }, children }
  }

  /** The other server answered for itself; whether this user may know is judged by what it told. */
  async #mayBeTold(
    { join_rule: rule, world_readable: isReadable, allowed_room_ids: allowed, room_id: roomId }: JsonObject,
    userId: UserId,
  ): Promise<boolean> {
    if (isReadable === true || rule === undefined || rule === 'public' || rule === 'knock' || rule === 'knock_restricted') return true
    const memberships = await this.#deps.store.memberships(userId)
    if (typeof roomId === 'string' && memberships.get(roomId)?.membership === 'invite') return true
    return Array.isArray(allowed) && allowed.some((id) => typeof id === 'string' && memberships.get(id)?.membership === 'join')
  }
}

async function childrenOf(room: Room, store: RoomStore): Promise<SpaceChild[]> {
  const eventIds = [...room.state].flatMap(([key, eventId]) => (splitStateKey(key).type === 'm.space.child' ? [eventId] : []))
  const records = await store.events(eventIds)
  const children = eventIds.flatMap((eventId) => {
    const record = records.get(eventId)
    if (!record || record.stored.redactedBy !== undefined) return []
    const { type, stateKey = '', sender, content, originServerTs } = record.event
    return childOf({ type, state_key: stateKey, sender, content, origin_server_ts: originServerTs }) ?? []
  })
  return children.sort(compareChildren)
}

/** A child as its event describes it; `undefined` for one that was removed or is malformed. */
function childOf(event: JsonObject): SpaceChild | undefined {
  const { type, state_key: roomId, content, origin_server_ts: ts, sender } = event
  if (type !== 'm.space.child' || typeof roomId !== 'string' || !isRoomId(roomId) || !isObject(content)) return undefined
  const via = Array.isArray(content.via) ? content.via.filter((server) => typeof server === 'string' && isServerName(server)) : []
  if (via.length === 0) return undefined
  const order = typeof content.order === 'string' && validOrder.test(content.order) ? content.order : undefined
  return {
    roomId,
    via: via.map(String),
    suggested: content.suggested === true,
    event: { type, state_key: roomId, sender: sender ?? '', content, origin_server_ts: ts ?? 0 },
    order,
    ts: typeof ts === 'number' ? ts : 0,
  }
}

function compareChildren(a: SpaceChild, b: SpaceChild): number {
  if (a.order !== b.order) {
    if (a.order === undefined) return 1
    if (b.order === undefined) return -1
    return a.order < b.order ? -1 : 1
  }
  return a.ts - b.ts || (a.roomId < b.roomId ? -1 : 1)
}
