import { type RoomId, splitStateKey, type UserId } from '../spec/event.ts'
import { StateTrie } from '../spec/state-trie.ts'
import { Lru } from '../storage/lru.ts'
import { type EventRecord, memberEvents, type RoomStore } from './room-store.ts'

/** One user's membership in a room's state. */
export interface Member {
  readonly membership: string
  readonly record: EventRecord
}

export type MemberList = ReadonlyMap<UserId, Member>

interface Known {
  readonly state: StateTrie
  readonly members: MemberList
}

/** Who is in which room. Kept for the rooms in use, and brought up to date at the cost of what changed. */
export class MemberLists {
  readonly #store: RoomStore
  readonly #known = new Lru<RoomId, Known>(200)

  constructor(store: RoomStore) {
    this.#store = store
    // A redaction takes a member's name without changing the state.
    store.onPublish(({ records = [] }) => {
      for (const { event, stored } of records)
        if (event.type === 'm.room.member' && stored.redactedBy !== undefined) this.#known.delete(event.roomId)
    })
  }

  /** Every user with a membership in `state`, which is a state of the room. */
  async of(roomId: RoomId, state: StateTrie): Promise<MemberList> {
    const known = this.#known.get(roomId)
    if (known?.state.root === state.root) return known.members
    const members = known ? await this.#updated(known, state) : await this.#load(state)
    this.#known.set(roomId, { state, members })
    return members
  }

  async #load(state: StateTrie): Promise<MemberList> {
    const events = memberEvents(state)
    const records = await this.#store.events(events.map(([, eventId]) => eventId))
    return new Map(
      events.flatMap(([userId, eventId]): [UserId, Member][] => {
        const record = records.get(eventId)
        return record ? [[userId, memberOf(record)]] : []
      }),
    )
  }

  async #updated(known: Known, state: StateTrie): Promise<MemberList> {
    const changes = [...StateTrie.diff(known.state, state)].flatMap(({ key, after }) => {
      const { type, stateKey } = splitStateKey(key)
      return type === 'm.room.member' ? [{ userId: stateKey, after }] : []
    })
    if (changes.length === 0) return known.members
    const records = await this.#store.events(changes.flatMap(({ after }) => after ?? []))
    const members = new Map(known.members)
    for (const { userId, after } of changes) {
      const record = after === undefined ? undefined : records.get(after)
      if (record) members.set(userId, memberOf(record))
      else members.delete(userId)
    }
    return members
  }
}

function memberOf(record: EventRecord): Member {
  const { membership } = record.event.content
  return { record, membership: typeof membership === 'string' ? membership : 'leave' }
}

/** How many members have a membership. */
export function countOf(members: MemberList, membership: string): number {
  let count = 0
  for (const member of members.values()) if (member.membership === membership) count++
  return count
}
