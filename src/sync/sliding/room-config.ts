import { type EventId, type StateKey, splitStateKey, stateKeyOf, type UserId } from '../../spec/event.ts'
import type { StateTrie } from '../../spec/state-trie.ts'

/** What one list or subscription wants of a room. */
export interface RoomRequest {
  readonly required_state: readonly (readonly [string, string])[]
  readonly timeline_limit: number
}

/** Events of a timeline at most, whatever is asked for. */
const longestTimeline = 50

/** What a client wants of a room: the superset of what its lists and subscriptions ask (MSC4186, "Combining room configs"). */
export class RoomConfig {
  readonly timelineLimit: number
  /** Equal for configs that want the same state. */
  readonly stateId: string
  readonly #rules: readonly ReadonlyMap<string, ReadonlySet<string>>[]

  constructor(requests: readonly RoomRequest[]) {
    this.timelineLimit = Math.min(longestTimeline, Math.max(0, ...requests.map(({ timeline_limit }) => timeline_limit)))
    this.stateId = [...new Set(requests.map(({ required_state }) => JSON.stringify(required_state)))].sort().join()
    this.#rules = requests.map(({ required_state }) => keysByType(required_state))
  }

  /** Whether memberships are wanted as the timeline needs them. */
  get lazyMembers(): boolean {
    return this.#rules.some((rule) => rule.get('m.room.member')?.has('$LAZY'))
  }

  /** Whether the state under a key is wanted, lazily loaded members apart. */
  wants(key: StateKey, userId: UserId): boolean {
    const { type, stateKey } = splitStateKey(key)
    const names = (keys: ReadonlySet<string> | undefined) => keys?.has(stateKey) || (keys?.has('$ME') && stateKey === userId)
    return this.#rules.some((rule) => {
      const [ofType, ofAll] = [rule.get(type), rule.get('*')]
      // With everything wanted, what is said of a type takes away from it.
      return ofType?.has('*') || names(ofType) || names(ofAll) || (ofAll?.has('*') && !ofType)
    })
  }

  /** The wanted entries of a state. */
  entriesOf(state: StateTrie, userId: UserId): Map<StateKey, EventId> {
    const named = this.#namedKeys(userId)
    const entries = named ? named.flatMap((key) => pair(key, state.get(key))) : [...state].filter(([key]) => this.wants(key, userId))
    return new Map(entries)
  }

  /** The keys wanted, where each is named: nothing else of a large state has to be looked at. */
  #namedKeys(userId: UserId): StateKey[] | undefined {
    const keys: StateKey[] = []
    for (const [type, stateKeys] of this.#rules.flatMap((rule) => [...rule])) {
      if (type === '*' || stateKeys.has('*')) return undefined
      for (const stateKey of stateKeys) keys.push(stateKeyOf(type, stateKey === '$ME' ? userId : stateKey))
    }
    return keys
  }
}

function keysByType(pairs: RoomRequest['required_state']): Map<string, Set<string>> {
  const keys = new Map<string, Set<string>>()
  for (const [type, stateKey] of pairs) keys.set(type, (keys.get(type) ?? new Set()).add(stateKey))
  return keys
}

function pair(key: StateKey, eventId: EventId | undefined): [StateKey, EventId][] {
  return eventId === undefined ? [] : [[key, eventId]]
}
