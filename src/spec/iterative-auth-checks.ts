import { authEventKeys } from './auth-events.ts'
import { type AuthSignatures, checkAuth, type StateLookup } from './auth-rules.ts'
import { type EventId, type RoomEvent, type StateKey, stateKeyOf } from './event.ts'
import { createEventId } from './power-ordering.ts'
import type { ResolutionEvents, Resolving } from './resolution-events.ts'
import type { RoomVersionRules } from './room-version.ts'

/** Checks the signatures of third-party invites, as the rules want it of {@link AuthSignatures}. */
export type ThirdPartySigned = AuthSignatures['thirdPartySigned']

/** A room state under construction by the iterative auth checks algorithm (rooms/v2, "Iterative auth checks"). */
export class IterativeAuthChecks {
  readonly #rules: RoomVersionRules
  readonly #events: ResolutionEvents
  readonly #thirdPartySigned: ThirdPartySigned
  readonly #initial: (key: StateKey) => EventId | undefined
  readonly #applied = new Map<StateKey, EventId>()

  /** Starts from the state that `initial` answers for. */
  constructor(
    rules: RoomVersionRules,
    events: ResolutionEvents,
    start: { readonly initial: (key: StateKey) => EventId | undefined; readonly thirdPartySigned: ThirdPartySigned },
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

  get(key: StateKey): EventId | undefined {
    return this.#applied.get(key) ?? this.#initial(key)
  }

  /** Applies the events in their order, each if the authorisation rules allow it in the state as it then is. */
  *apply(ordered: readonly RoomEvent[]): Resolving<void> {
    yield* this.#events.need(ordered.flatMap((event) => this.#neededFor(event)))
    for (const event of ordered) {
      const state = this.#stateFor(event)
      const signatures = resolvedSignatures(event, state, this.#thirdPartySigned)
      if (event.stateKey === undefined || !checkAuth(this.#rules, event, state, signatures).allowed) continue
      this.#applied.set(stateKeyOf(event.type, event.stateKey), event.eventId)
    }
  }

  #neededFor(event: RoomEvent): EventId[] {
    const initial = authEventKeys(this.#rules, event).flatMap((key) => this.#initial(key) ?? [])
    return [...createEventId(this.#rules, event), ...event.authEvents, ...initial]
  }

  /** The state, and the auth events of `event` that were not rejected where the state holds nothing. */
  #stateFor(event: RoomEvent): StateLookup {
    const standIns = [...createEventId(this.#rules, event), ...event.authEvents]
    return (type, stateKey) => {
      const holder = this.get(stateKeyOf(type, stateKey))
      const held = holder === undefined ? undefined : this.#events.get(holder)
      if (held !== undefined) return held.event
      for (const eventId of standIns) {
        const other = this.#events.get(eventId)
        if (other?.rejected === false && other.event.type === type && other.event.stateKey === stateKey) return other.event
      }
      return undefined
    }
  }
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
