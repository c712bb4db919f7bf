import { last, type Storage } from '../ports/storage.ts'
import { currentContent } from '../rooms/current-content.ts'
import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import type { EventId, RoomEvent, RoomId } from '../spec/event.ts'
import { isObject } from '../spec/json.ts'
import { relations } from '../storage/tables/rooms.ts'

/** What an event says it relates to. */
export interface Relation {
  readonly type: string
  readonly parent: EventId
}

/** How many hops lead to a thread (Client-Server API, "Threaded read receipts"). */
const threadHops = 3

/** The relation in an event's content (Client-Server API, "Forming relationships between events"), if it has one with a type. */
export function relationOf(content: RoomEvent['content']): Relation | undefined {
  const relation = content['m.relates_to']
  if (!isObject(relation)) return undefined
  const { rel_type: type, event_id: parent } = relation
  return typeof type === 'string' && typeof parent === 'string' ? { type, parent } : undefined
}

/** Finds the events that relate to others. */
export class Relations {
  readonly #storage: Storage
  readonly #store: RoomStore

  constructor(storage: Storage, store: RoomStore) {
    this.#storage = storage
    this.#store = store
  }

  /** Children of each of the parents, by one relation type or by any; those redacted since relate to nothing any more. */
  async children(roomId: RoomId, parents: readonly EventId[], type?: string): Promise<Map<EventId, EventRecord[]>> {
    const rows = await this.#storage.read([relations], (tx) =>
      Promise.all(
        parents.map((parent) =>
          tx.range(relations, {
            from: [roomId, parent, type ?? '', 0],
            to: [roomId, parent, type ?? last, Number.MAX_SAFE_INTEGER],
          }),
        ),
      ),
    )
    const found = await this.#store.events(rows.flatMap((ofParent) => ofParent.map(([, child]) => child)))
    return new Map(
      parents.map((parent, index) => {
        const children = (rows[index] ?? []).flatMap(([, child]) => found.get(child) ?? [])
        return [parent, children.filter((child) => relationOf(currentContent(child))?.parent === parent)]
      }),
    )
  }

  /** The replies in each thread of a room, by the thread's root. */
  async threads(roomId: RoomId): Promise<Map<EventId, EventRecord[]>> {
    const range = { from: [roomId, '', '', 0], to: [roomId, last, last, Number.MAX_SAFE_INTEGER] } as const
    const rows = await this.#storage.read([relations], (tx) => tx.range(relations, range))
    const roots = new Set(rows.flatMap(([[, parent, type]]) => (type === 'm.thread' ? [parent] : [])))
    return this.children(roomId, [...roots], 'm.thread')
  }

  /** The thread an event is in: its root, or `main`. Relations are followed for a few hops only. */
  async threadOf(event: RoomEvent): Promise<EventId | 'main'> {
    let content = event.content
    for (let hop = 0; hop <= threadHops; hop++) {
      const relation = relationOf(content)
      if (!relation) return 'main'
      if (relation.type === 'm.thread') return relation.parent
      const parent = await this.#store.event(relation.parent)
      if (!parent || parent.event.roomId !== event.roomId) return 'main'
      content = parent.event.content
    }
    return 'main'
  }
}
