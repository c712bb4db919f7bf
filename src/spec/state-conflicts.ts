import { type EventId, type RoomEvent, type StateKey, stateKeyOf } from './event.ts'
import { StateTable } from './state-table.ts'
import { StateTrie } from './state-trie.ts'

/**
 * Where several states, no two of them equal, agree and differ (rooms/v2, "Unconflicted state map and conflicted state set"; rooms/v1
 * calls conflicting only what holds different events, not what some states lack).
 */
export class StateConflicts {
  /** How many states there are. */
  readonly stateCount: number
  /** Under each key on which they differ, what each state holds, in the order of the states. */
  readonly conflicts: ReadonlyMap<StateKey, readonly (EventId | undefined)[]>
  /** Holds the unconflicted state map, and conflicts beside it. */
  readonly first: StateTrie
  /** What was asked of the unconflicted state before, `null` for nothing: a key's place in a trie takes a hash. */
  readonly #known = new StateTable<EventId | null>()

  constructor(first: StateTrie, others: readonly StateTrie[]) {
    this.first = first
    this.stateCount = 1 + others.length
    const conflicts = new Map<StateKey, (EventId | undefined)[]>()
    for (const [index, other] of others.entries()) {
      for (const { key, before, after } of StateTrie.diff(first, other)) {
        const holders = conflicts.get(key) ?? new Array<EventId | undefined>(this.stateCount).fill(before)
        holders[index + 1] = after
        conflicts.set(key, holders)
      }
    }
    this.conflicts = conflicts
  }

  /** The conflicted state set. */
  events(): Set<EventId> {
    const events = new Set<EventId>()
    for (const holders of this.conflicts.values()) for (const eventId of holders) if (eventId !== undefined) events.add(eventId)
    return events
  }

  /** What the unconflicted state map holds under `(type, stateKey)`. */
  unconflicted(type: string, stateKey: string): EventId | undefined {
    const known = this.#known.get(type, stateKey)
    if (known !== undefined) return known ?? undefined
    const key = stateKeyOf(type, stateKey)
    const found = this.conflicts.has(key) ? undefined : this.first.get(key)
    this.#known.set(type, stateKey, found ?? null)
    return found
  }

  /** Whether all states hold `event`. */
  isUnconflicted({ type, stateKey, eventId }: RoomEvent): boolean {
    return stateKey !== undefined && this.unconflicted(type, stateKey) === eventId
  }

  /** The unconflicted state map and, under all other keys, what `resolved` holds; shares structure with the first state. */
  settle(resolved: ReadonlyMap<StateKey, EventId>): StateTrie {
    const changes = new Map<StateKey, EventId | undefined>()
    for (const [key, [held]] of this.conflicts) if (resolved.get(key) !== held) changes.set(key, resolved.get(key))
    for (const [key, eventId] of resolved) if (!this.conflicts.has(key) && !this.first.has(key)) changes.set(key, eventId)
    return this.first.with(changes)
  }
}
