import { type EventId, type RoomEvent, type StateKey, stateKeyOf } from './event.ts'
import { StateTrie } from './state-trie.ts'

/** Where several states, no two of them equal, agree and differ. */
export class StateConflicts {
  /** How many states there are. */
  readonly stateCount: number
  /** Under each key on which they differ, what each state holds, in the order of the states. */
  readonly conflicts: ReadonlyMap<StateKey, readonly (EventId | undefined)[]>
  readonly #first: StateTrie

  constructor(first: StateTrie, others: readonly StateTrie[]) {
    this.#first = first
    this.stateCount = 1 + others.length
    const keys = new Set(others.flatMap((other) => [...StateTrie.diff(first, other)].map(({ key }) => key)))
    this.conflicts = new Map([...keys].map((key) => [key, [first, ...others].map((state) => state.get(key))]))
  }

  /** The conflicted state set. */
  *events(): Generator<EventId> {
    for (const holders of this.conflicts.values()) for (const eventId of holders) if (eventId !== undefined) yield eventId
  }

  /** What the unconflicted state map holds under `key`. */
  unconflicted(key: StateKey): EventId | undefined {
    return this.conflicts.has(key) ? undefined : this.#first.get(key)
  }

  /** The values of the unconflicted state map. */
  *unconflictedEvents(): Generator<EventId> {
    for (const [key, eventId] of this.#first) if (!this.conflicts.has(key)) yield eventId
  }

  /** Whether all states hold `event`. */
  isUnconflicted({ type, stateKey, eventId }: RoomEvent): boolean {
    return stateKey !== undefined && this.unconflicted(stateKeyOf(type, stateKey)) === eventId
  }

  /** The unconflicted state map and, under all other keys, what `resolved` holds; shares structure with the first state. */
  settle(resolved: ReadonlyMap<StateKey, EventId>): StateTrie {
    const open = [...new Set([...this.conflicts.keys(), ...resolved.keys()])].filter((key) => this.unconflicted(key) === undefined)
    return this.#first.with(open.map((key) => [key, resolved.get(key)]))
  }
}
