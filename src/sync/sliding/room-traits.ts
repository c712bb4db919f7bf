import { currentContent } from '../../rooms/current-content.ts'
import type { Room, RoomStore } from '../../rooms/room-store.ts'
import { type EventId, type RoomId, type StateKey, splitStateKey, stateKeyOf } from '../../spec/event.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import type { StateTrie } from '../../spec/state-trie.ts'
import { Lru } from '../../storage/lru.ts'
import type { StoredMembership } from '../../storage/tables/rooms.ts'

/** What lists filter rooms by. */
export interface Traits {
  readonly type: string | null
  readonly encrypted: boolean
  readonly name: string
}

interface Known {
  readonly basis: readonly (EventId | undefined)[]
  readonly traits: Traits
}

const createKey = stateKeyOf('m.room.create', '')
const encryptionKey = stateKeyOf('m.room.encryption', '')
const nameKey = stateKeyOf('m.room.name', '')

/** The traits of rooms, worked out once and dropped when the state that they come from changes. */
export class RoomTraits {
  readonly #store: RoomStore
  readonly #known = new Lru<RoomId, Known>(20_000)

  constructor(store: RoomStore) {
    this.#store = store
    store.onPublish(({ room }) => {
      if (room && this.#known.get(room.roomId)?.basis.join() !== basisOf(room.state).join()) this.#known.delete(room.roomId)
    })
  }

  async of(roomId: RoomId, { outOfBand }: StoredMembership): Promise<Traits> {
    if (outOfBand) return strippedTraits(outOfBand.strippedState)
    const known = this.#known.get(roomId)
    if (known) return known.traits
    const room = await this.#store.room(roomId)
    if (!room) return { type: null, encrypted: false, name: '' }
    const traits = await this.#read(room)
    this.#known.set(roomId, { basis: basisOf(room.state), traits })
    return traits
  }

  /** The rooms that a space names as its children (`m.space.child` with a `via`). */
  async childrenOf(spaceId: RoomId): Promise<RoomId[]> {
    const space = await this.#store.room(spaceId)
    if (!space) return []
    const children = [...space.state].flatMap(([key, eventId]): [RoomId, EventId][] => {
      const { type, stateKey } = splitStateKey(key)
      return type === 'm.space.child' ? [[stateKey, eventId]] : []
    })
    const records = await this.#store.events(children.map(([, eventId]) => eventId))
    return children.flatMap(([roomId, eventId]) => {
      const record = records.get(eventId)
      return record && Array.isArray(currentContent(record).via) ? [roomId] : []
    })
  }

  async #read({ state }: Room): Promise<Traits> {
    const content = async (key: StateKey): Promise<JsonObject> => {
      const record = await this.#store.event(state.get(key) ?? '')
      return record ? currentContent(record) : {}
    }
    const [create, name] = await Promise.all([content(createKey), content(nameKey)])
    return { type: textOf(create.type) ?? null, encrypted: state.has(encryptionKey), name: textOf(name.name) ?? '' }
  }
}

function basisOf(state: StateTrie): (EventId | undefined)[] {
  return [createKey, encryptionKey, nameKey].map((key) => state.get(key))
}

function strippedTraits(events: readonly JsonObject[]): Traits {
  const content = (type: string): JsonObject => {
    const found = events.find((event) => event.type === type && event.state_key === '')
    return isObject(found?.content) ? found.content : {}
  }
  return {
    type: textOf(content('m.room.create').type) ?? null,
    encrypted: events.some(({ type }) => type === 'm.room.encryption'),
    name: textOf(content('m.room.name').name) ?? '',
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
