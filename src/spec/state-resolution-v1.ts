import { sha1 } from '@noble/hashes/legacy.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { authEventKeys } from './auth-events.ts'
import { checkAuth } from './auth-rules.ts'
import { type EventId, type RoomEvent, type StateKey, splitStateKey, stateKeyOf } from './event.ts'
import { resolvedSignatures, type ThirdPartySigned } from './iterative-auth-checks.ts'
import { ResolutionEvents, type Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import type { StateConflicts } from './state-conflicts.ts'
import type { StateTrie } from './state-trie.ts'

const authTypes = ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']

/** A key with the events that claim it. */
type Contest = readonly [StateKey, readonly EventId[]]

/**
 * State resolution of room version 1 (rooms/v1, "State resolution"). The conflicts of one type are settled independently of each
 * other, by what was settled before that type.
 */
export function* resolveV1(rules: RoomVersionRules, states: StateConflicts, thirdPartySigned: ThirdPartySigned): Resolving<StateTrie> {
  const resolver = new V1Resolver(rules, states, thirdPartySigned)
  for (const type of authTypes) yield* resolver.settle((key) => splitStateKey(key).type === type)
  yield* resolver.settle((key) => !authTypes.includes(splitStateKey(key).type))
  return states.settle(resolver.resolved)
}

class V1Resolver {
  readonly #rules: RoomVersionRules
  readonly #states: StateConflicts
  readonly #thirdPartySigned: ThirdPartySigned
  readonly #events = new ResolutionEvents()
  readonly #contests: readonly Contest[]
  /** What is settled beside the unconflicted state. */
  readonly resolved = new Map<StateKey, EventId>()

  constructor(rules: RoomVersionRules, states: StateConflicts, thirdPartySigned: ThirdPartySigned) {
    this.#rules = rules
    this.#thirdPartySigned = thirdPartySigned
    this.#states = states
    const contests: Contest[] = []
    for (const [key, holders] of states.conflicts) {
      const claims = [...new Set(holders.filter((eventId) => eventId !== undefined))]
      const [claim] = claims
      // In version 1 a key that some states lack is no conflict.
      if (claims.length > 1) contests.push([key, claims])
      else if (claim !== undefined) this.resolved.set(key, claim)
    }
    this.#contests = contests
  }

  *settle(isConcerned: (key: StateKey) => boolean): Resolving<void> {
    const contests = this.#contests.filter(([key]) => isConcerned(key))
    yield* this.#events.need(contests.flatMap(([, claims]) => claims))
    const events = this.#events.all(contests.flatMap(([, claims]) => claims))
    const keys = events.flatMap(({ event }) => authEventKeys(this.#rules, event))
    yield* this.#events.need(keys.flatMap((key) => this.#held(key) ?? []))
    const winners = contests.flatMap(([key, claims]): [StateKey, EventId][] => {
      const winner = this.#winner(claims)
      return winner === undefined ? [] : [[key, winner.eventId]]
    })
    for (const [key, winner] of winners) this.resolved.set(key, winner)
  }

  #held(key: StateKey): EventId | undefined {
    return this.resolved.get(key) ?? this.#states.unconflicted(key)
  }

  #winner(claims: readonly EventId[]): RoomEvent | undefined {
    const ordered = this.#events
      .all(claims)
      .map(({ event }) => ({ event, hash: bytesToHex(sha1(utf8ToBytes(event.eventId))) }))
      .sort((a, b) => a.event.depth - b.event.depth || (a.hash > b.hash ? -1 : 1))
      .map(({ event }) => event)
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
      const eventId = this.#held(stateKeyOf(type, stateKey))
      return eventId === undefined ? undefined : this.#events.get(eventId)?.event
    }
    return checkAuth(this.#rules, event, lookup, resolvedSignatures(event, lookup, this.#thirdPartySigned)).allowed
  }
}
