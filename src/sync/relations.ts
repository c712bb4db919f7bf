import { type KeyRange, last, put, type Storage } from '../ports/storage.ts'
import { currentContent } from '../rooms/current-content.ts'
import { relationWrites } from '../rooms/relation-writes.ts'
import type { EventRecord, RoomStore, TimelinePoint } from '../rooms/room-store.ts'
import type { EventId, RoomEvent, RoomId } from '../spec/event.ts'
import { isObject } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import { childrenInOrder, orderedRelations, relations, threadReplies } from '../storage/tables/rooms.ts'

/** What an event says it relates to. */
export interface Relation {
  readonly type: string
  readonly parent: EventId
}

/** A stretch of the room's order: from a point (exclusive), or its end. */
interface Walk {
  readonly direction: 'backwards' | 'forwards'
  readonly from: TimelinePoint | undefined
  readonly limit: number
}

/** Where an event is that relates to another. */
export interface ChildPlace {
  readonly point: TimelinePoint
  readonly type: string
  readonly eventId: EventId
}

interface ReplyPlace {
  readonly point: TimelinePoint
  readonly root: EventId
  readonly eventId: EventId
}

type RelationRow = [readonly [RoomId, EventId, string, number], EventId]

interface BundledChildren {
  readonly children: readonly EventRecord[]
  readonly moreReplies: number
}

/** Children of an event, by one relation type, that are looked at for what is told with it, or for a reaction made before. */
const mostChildren = 1000
/** Edits, and references, that are looked at for what is told with an event; `/relations` has all. */
export const mostBundled = 100
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
  readonly #ordered = new Lru<RoomId, true>(1000)
  /** All relations of a room, where they are few: most rooms have hardly any. */
  readonly #few = new Lru<RoomId, Promise<readonly RelationRow[] | undefined>>(1000)

  constructor(storage: Storage, store: RoomStore) {
    this.#storage = storage
    this.#store = store
    store.onPublish(({ records = [] }) => {
      for (const { event } of records) if (relationOf(event.content)) this.#few.delete(event.roomId)
    })
  }

  /** Children of each of the parents by a relation type, those that came last; those redacted since relate to nothing any more. */
  async children(roomId: RoomId, parents: readonly EventId[], type: string): Promise<Map<EventId, EventRecord[]>> {
    const rows = await this.#storage.read([relations], (tx) =>
      Promise.all(parents.map((parent) => tx.range(relations, { ...ofTypes(roomId, parent, [type, type]), limit: mostChildren }))),
    )
    return this.#load(parents, rows)
  }

  /**
   * The children of each of the parents that are told with them: references, edits and replies in a thread, of each type those
   * that came last, and how many replies there are beside.
   */
  async bundled(roomId: RoomId, parents: readonly EventId[]): Promise<Map<EventId, BundledChildren>> {
    const few = await this.#fewOf(roomId)
    const rows = few
      ? parents.map((parent) => ({ shown: bundledAmong(few, parent), omitted: 0 }))
      : await this.#bundledRows(roomId, parents)
    const children = await this.#load(
      parents,
      rows.map(({ shown }) => shown),
    )
    return new Map(
      parents.map((parent, index) => [parent, { children: children.get(parent) ?? [], moreReplies: rows[index]?.omitted ?? 0 }]),
    )
  }

  /** All relations of a room in one read, or `undefined` where they are many. */
  #fewOf(roomId: RoomId): Promise<readonly RelationRow[] | undefined> {
    const known = this.#few.get(roomId)
    if (known) return known
    const range = { from: [roomId, '', '', 0], to: [roomId, last, last, Number.MAX_SAFE_INTEGER], limit: mostBundled } as const
    const reading = this.#storage
      .read([relations], (tx) => tx.range(relations, range))
      .then((rows) => (rows.length < mostBundled ? rows : undefined))
    this.#few.set(roomId, reading)
    reading.catch(() => this.#few.delete(roomId))
    return reading
  }

  #bundledRows(roomId: RoomId, parents: readonly EventId[]): Promise<{ shown: RelationRow[]; omitted: number }[]> {
    return this.#storage.read([relations], (tx) =>
      Promise.all(
        parents.map(async (parent) => {
          // One range has all three, and mostly nothing: what else lies between is left out below.
          const all = await tx.range(relations, { ...ofTypes(roomId, parent, ['m.reference', 'm.thread']), limit: mostBundled })
          if (all.length < mostBundled) return { shown: all, omitted: 0 }
          const [references, edits, replies] = await Promise.all([
            tx.range(relations, { ...ofTypes(roomId, parent, ['m.reference', 'm.reference']), limit: mostBundled }),
            tx.range(relations, { ...ofTypes(roomId, parent, ['m.replace', 'm.replace']), limit: mostBundled }),
            // All of them are counted; a row is small.
            tx.range(relations, ofTypes(roomId, parent, ['m.thread', 'm.thread'])),
          ])
          const shown = [...replies.slice(0, mostChildren), ...edits, ...references]
          return { shown, omitted: Math.max(0, replies.length - mostChildren) }
        }),
      ),
    )
  }

  async #load(
    parents: readonly EventId[],
    rows: readonly (readonly (readonly [unknown, EventId])[])[],
  ): Promise<Map<EventId, EventRecord[]>> {
    const found = await this.#store.events(rows.flatMap((ofParent) => ofParent.map(([, child]) => child)))
    return new Map(
      parents.map((parent, index) => {
        const children = (rows[index] ?? []).flatMap(([, child]) => found.get(child) ?? [])
        return [parent, children.filter((child) => relationOf(currentContent(child))?.parent === parent).reverse()]
      }),
    )
  }

  /** A page of the children of an event in the room's order: where each is, its relation type, and its id. */
  async page(roomId: RoomId, parent: EventId, walk: Walk): Promise<ChildPlace[]> {
    const [places = []] = await this.#places(roomId, [parent], walk)
    return places
  }

  /** The newest children of each of several events, so many of each at most. */
  childrenOf(roomId: RoomId, parents: readonly EventId[], limit: number): Promise<ChildPlace[][]> {
    return this.#places(roomId, parents, { direction: 'backwards', from: undefined, limit })
  }

  async #places(roomId: RoomId, parents: readonly EventId[], walk: Walk): Promise<ChildPlace[][]> {
    await this.#order(roomId)
    const rows = await this.#storage.read([childrenInOrder], (tx) =>
      Promise.all(
        parents.map((parent) =>
          tx.range(
            childrenInOrder,
            rangeOf((depth, position) => [roomId, parent, depth, position] as const, walk),
          ),
        ),
      ),
    )
    return rows.map((ofParent) =>
      ofParent.map(([[, , depth, position], [type, eventId]]) => ({ point: { depth, position }, type, eventId })),
    )
  }

  /** A page of the replies in all threads of a room, in the room's order: where each is, its id, and the root of its thread. */
  async threadReplies(roomId: RoomId, walk: Walk): Promise<ReplyPlace[]> {
    await this.#order(roomId)
    const at = (depth: number, position: number) => [roomId, depth, position] as const
    const rows = await this.#storage.read([threadReplies], (tx) => tx.range(threadReplies, rangeOf(at, walk)))
    return rows.map(([[, depth, position], [root, eventId]]) => ({ point: { depth, position }, root, eventId }))
  }

  /** Events in the order of their ids given, without those that relate to `parent` no more. */
  async related(parent: EventId, eventIds: readonly EventId[]): Promise<EventRecord[]> {
    const found = await this.#store.events(eventIds)
    const records = eventIds.flatMap((eventId) => found.get(eventId) ?? [])
    return records.filter((record) => relationOf(currentContent(record))?.parent === parent)
  }

  /** Puts the relations of a room in order that is older than the tables which keep it. */
  async #order(roomId: RoomId): Promise<void> {
    if (this.#ordered.get(roomId)) return
    const rows = await this.#storage.read([orderedRelations, relations], async (tx) => {
      if (await tx.get(orderedRelations, roomId)) return []
      return tx.range(relations, { from: [roomId, '', '', 0], to: [roomId, last, last, Number.MAX_SAFE_INTEGER] })
    })
    if (rows.length > 0) {
      const records = await this.#store.events(rows.map(([, child]) => child))
      await this.#storage.commit(
        [...[...records.values()].flatMap(relationWrites), put(orderedRelations, roomId, true as const)],
        'relaxed',
      )
    }
    this.#ordered.set(roomId, true)
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

/** What is told with an event, in the order in which storage has it backwards. */
function bundledAmong(rows: readonly RelationRow[], parent: EventId): RelationRow[] {
  return rows.filter(([[, of, type]]) => of === parent && type >= 'm.reference' && type <= 'm.thread').reverse()
}

/** The rows of relation types from one to another, the newest of the last type first. */
function ofTypes(roomId: RoomId, parent: EventId, [first, final]: readonly [string, string]) {
  return {
    from: [roomId, parent, first, 0],
    to: [roomId, parent, final, Number.MAX_SAFE_INTEGER],
    reverse: true,
  } as const
}

function rangeOf<K extends readonly (string | number)[]>(at: (depth: number, position: number) => K, walk: Walk): KeyRange<K> {
  const { from, limit } = walk
  const [start, end] = [at(0, 0), at(Number.POSITIVE_INFINITY, 0)]
  return walk.direction === 'backwards'
    ? { from: start, ...(from ? { before: at(from.depth, from.position) } : { to: end }), reverse: true, limit }
    : { ...(from ? { from: at(from.depth, from.position) } : { from: start }), to: end, limit }
}
