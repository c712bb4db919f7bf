import { authEventKeyParts } from './auth-events.ts'
import { type AuthSignatures, checkAuth, type StateLookup } from './auth-rules.ts'
import { type EventId, type RoomEvent, type StateKey, stateKeyOf } from './event.ts'
import type { GraphEvent, ResolutionEvents, Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'
import { StateTable } from './state-table.ts'

/** Checks the signatures of third-party invites, as the rules want it of {@link AuthSignatures}. */
export type ThirdPartySigned = AuthSignatures['thirdPartySigned']

/** A room state under construction by the iterative auth checks algorithm (rooms/v2, "Iterative auth checks"). */
export class IterativeAuthChecks {
  readonly #rules: RoomVersionRules
  readonly #events: ResolutionEvents
  readonly #thirdPartySigned: ThirdPartySigned
  readonly #initial: (type: string, stateKey: string) => EventId | undefined
  readonly #applied = new Map<StateKey, EventId>()
  /** What was applied, by the parts of its key. */
  readonly #holders = new StateTable<GraphEvent>()

  /** Starts from the state that `initial` answers for. */
  constructor(
    rules: RoomVersionRules,
    events: ResolutionEvents,
    start: { readonly initial: (type: string, stateKey: string) => EventId | undefined; readonly thirdPartySigned: ThirdPartySigned },
  ) {
    this.#rules = rules
    this.#events = events
    this.#initial = start.initial
    this.#thirdPartySigned = start.thirdPartySigned
  }

  /** What was applied to the initial state so far. */
  get applied(): ReadonlyMap<StateKey, EventId> {
    return this.#applied
  }

  get(type: string, stateKey: string): EventId | undefined {
    return this.#holders.get(type, stateKey)?.event.eventId ?? this.#initial(type, stateKey)
  }

  /** Applies the events in their order, each if the authorisation rules allow it in the state as it then is. */
  *apply(ordered: readonly GraphEvent[]): Resolving<void> {
    yield* this.#events.link(ordered)
    yield* this.#events.need(this.#neededFor(ordered))
    for (const node of ordered) {
      const { event } = node
      const state = this.#stateFor(node)
      const signatures = resolvedSignatures(event, state, this.#thirdPartySigned)
      if (event.stateKey === undefined || !checkAuth(this.#rules, event, state, signatures).allowed) continue
      this.#applied.set(stateKeyOf(event.type, event.stateKey), event.eventId)
      this.#holders.set(event.type, event.stateKey, node)
    }
  }

  *#neededFor(ordered: readonly GraphEvent[]): Generator<EventId> {
    for (const { event } of ordered) {
      for (const [type, stateKey] of authEventKeyParts(this.#rules, event)) {
        const held = this.#initial(type, stateKey)
        if (held !== undefined) yield held
      }
    }
  }

  /** The state, and the auth events of an event that were not rejected where the state holds nothing. */
  #stateFor(node: GraphEvent): StateLookup {
    return (type, stateKey) => {
      const held = this.#holders.get(type, stateKey) ?? this.#held(type, stateKey)
      return (held ?? standIn(node, type, stateKey))?.event
    }
  }

  #held(type: string, stateKey: string): GraphEvent | undefined {
    const initial = this.#initial(type, stateKey)
    return initial === undefined ? undefined : this.#events.get(initial)
  }
}

function standIn({ create, cited }: GraphEvent, type: string, stateKey: string): GraphEvent | undefined {
  const isOne = ({ rejected, event }: GraphEvent): boolean => !rejected && event.type === type && event.stateKey === stateKey
  return create !== undefined && isOne(create) ? create : cited.find(isOne)
}

/**
 * What resolution takes for granted of signatures: what depends on the event alone was verified when it came. So was a third-party
 * invite by the offer that it cites; only another offer of the same token in its place needs a check.
 */
export function resolvedSignatures(event: RoomEvent, state: StateLookup, thirdPartySigned: ThirdPartySigned): AuthSignatures {
  return {
    authoriserSigned: true,
    thirdPartySigned: (signed, publicKeys) => {
      const offer = typeof signed.token === 'string' ? state('m.room.third_party_invite', signed.token) : undefined
      return (offer !== undefined && event.authEvents.includes(offer.eventId)) || thirdPartySigned(signed, publicKeys)
    },
  }
}
