import { sha1 } from '@noble/hashes/legacy.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { authEventKeyParts } from './auth-events.ts'
import { checkAuth } from './auth-rules.ts'
import { type EventId, type RoomEvent, type StateKey, splitStateKey } from './event.ts'
import { resolvedSignatures, type ThirdPartySigned } from './iterative-auth-checks.ts'
import { ResolutionEvents, type Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import type { StateConflicts } from './state-conflicts.ts'
import { StateTable } from './state-table.ts'
import type { StateTrie } from './state-trie.ts'

const authTypes = ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']

/** A key with the events that claim it. */
interface Contest {
  readonly key: StateKey
  readonly type: string
  readonly stateKey: string
  readonly claims: readonly EventId[]
}

/**
 * State resolution of room version 1 (rooms/v1, "State resolution"). The conflicts of one type are settled independently of each
 * other, by what was settled before that type.
 */
export function* resolveV1(rules: RoomVersionRules, states: StateConflicts, thirdPartySigned: ThirdPartySigned): Resolving<StateTrie> {
  const resolver = new V1Resolver(rules, states, thirdPartySigned)
  for (const type of authTypes) yield* resolver.settle((concerned) => concerned === type)
  yield* resolver.settle((type) => !authTypes.includes(type))
  return states.settle(resolver.resolved)
}

class V1Resolver {
  readonly #rules: RoomVersionRules
  readonly #states: StateConflicts
  readonly #thirdPartySigned: ThirdPartySigned
  readonly #events: ResolutionEvents
  readonly #contests: readonly Contest[]
  /** What is settled beside the unconflicted state, also by the parts of its key. */
  readonly resolved = new Map<StateKey, EventId>()
  readonly #holders = new StateTable<EventId>()

  constructor(rules: RoomVersionRules, states: StateConflicts, thirdPartySigned: ThirdPartySigned) {
    this.#rules = rules
    this.#events = new ResolutionEvents(rules)
    this.#thirdPartySigned = thirdPartySigned
    this.#states = states
    const contests: Contest[] = []
    for (const [key, holders] of states.conflicts) {
      const claims = [...new Set(holders.filter((eventId) => eventId !== undefined))]
      const contest = { key, ...splitStateKey(key), claims }
      // In version 1 a key that some states lack is no conflict.
      if (claims.length > 1) contests.push(contest)
      else this.#settle(contest, claims[0])
    }
    this.#contests = contests
  }

  *settle(isConcerned: (type: string) => boolean): Resolving<void> {
    const contests = this.#contests.filter(({ type }) => isConcerned(type))
    const claims = contests.flatMap((contest) => contest.claims)
    yield* this.#events.need(claims)
    yield* this.#events.need(this.#heldFor(claims))
    const winners = contests.map((contest) => ({ contest, winner: this.#winner(contest.claims) }))
    for (const { contest, winner } of winners) this.#settle(contest, winner?.eventId)
  }

  #settle({ key, type, stateKey }: Contest, winner: EventId | undefined): void {
    if (winner === undefined) return
    this.resolved.set(key, winner)
    this.#holders.set(type, stateKey, winner)
  }

  /** What bears on the authorisation of these events. */
  *#heldFor(claims: readonly EventId[]): Generator<EventId> {
    for (const { event } of this.#events.all(claims)) {
      for (const [type, stateKey] of authEventKeyParts(this.#rules, event)) {
        const held = this.#held(type, stateKey)
        if (held !== undefined) yield held
      }
    }
  }

  #held(type: string, stateKey: string): EventId | undefined {
    return this.#holders.get(type, stateKey) ?? this.#states.unconflicted(type, stateKey)
  }

  #winner(claims: readonly EventId[]): RoomEvent | undefined {
    const ordered = [...this.#events.all(claims)].map(({ event }) => event).sort(compareByDepth)
    return ordered.some(({ type }) => authTypes.includes(type)) ? this.#lastInUnbrokenLine(ordered) : this.#lastAllowed(ordered)
  }

  /** Each is judged in a state that holds its predecessor; the first to be forbidden ends the line. */
  #lastInUnbrokenLine(ordered: readonly RoomEvent[]): RoomEvent | undefined {
    let [winner] = ordered
    for (const event of ordered.slice(1)) {
      if (!this.#allows(event, winner)) break
      winner = event
    }
    return winner
  }

  /** Where the rules allow none, which the specification leaves open, other homeservers keep the first. */
  #lastAllowed(ordered: readonly RoomEvent[]): RoomEvent | undefined {
    return ordered.findLast((event) => this.#allows(event, undefined)) ?? ordered[0]
  }

  #allows(event: RoomEvent, holder: RoomEvent | undefined): boolean {
    const lookup = (type: string, stateKey: string): RoomEvent | undefined => {
      if (holder?.type === type && holder.stateKey === stateKey) return holder
      const eventId = this.#held(type, stateKey)
      return eventId === undefined ? undefined : this.#events.get(eventId)?.event
    }
    return checkAuth(this.#rules, event, lookup, resolvedSignatures(event, lookup, this.#thirdPartySigned)).allowed
  }
}

/** By depth, then by the SHA-1 of the event ID, greatest first. */
function compareByDepth(a: RoomEvent, b: RoomEvent): number {
  return a.depth - b.depth || (sha1Of(a) > sha1Of(b) ? -1 : 1)
}

function sha1Of({ eventId }: RoomEvent): string {
  return bytesToHex(sha1(utf8ToBytes(eventId)))
}
