import type { EventId, RoomEvent } from './event.ts'
import { compareByTime } from './power-ordering.ts'
import type { ResolutionEvents, ResolvableEvent, Resolving } from './resolution-events.ts'

/**
 * The mainline ordering of `ordered` based on the power levels event `powerLevels`, earliest first (rooms/v2, "Mainline ordering").
 * The mainline is followed only as far as one of `ordered` needs it.
 */
export function* mainlineOrdering(
  powerLevels: EventId | undefined,
  ordered: readonly RoomEvent[],
  events: ResolutionEvents,
): Resolving<RoomEvent[]> {
  yield* events.need([...ordered.flatMap((event) => event.authEvents), ...(powerLevels === undefined ? [] : [powerLevels])])
  const based = ordered.map((event) => ({ event, levels: events.cited(event, 'm.room.power_levels') }))
  const tips = based.flatMap(({ levels }) => levels ?? [])
  const lines = new Mainline(powerLevels === undefined ? undefined : events.get(powerLevels), events)
  yield* lines.follow(tips)
  return based
    .map(({ event, levels }) => ({ event, position: lines.position(levels) }))
    .sort((a, b) => (a.position === b.position ? compareByTime(a.event, b.event) : a.position > b.position ? -1 : 1))
    .map(({ event }) => event)
}

class Mainline {
  readonly #events: ResolutionEvents
  readonly #index = new Map<EventId, number>()
  /** Power levels events beside the mainline, with the one that each cites. */
  readonly #parents = new Map<EventId, ResolvableEvent | undefined>()
  #last: ResolvableEvent | undefined

  constructor(first: ResolvableEvent | undefined, events: ResolutionEvents) {
    this.#events = events
    this.#extend(first)
  }

  /** Follows the lines of `tips` back, and the mainline, whichever is ahead in rank, until they have met or ended. */
  *follow(tips: readonly ResolvableEvent[]): Resolving<void> {
    if (this.#last === undefined) return
    for (let open = this.#beside(tips); open.length > 0; open = this.#beside(open)) {
      const border = this.#last?.rank ?? Number.NEGATIVE_INFINITY
      const ahead = open.filter(({ rank }) => rank > border)
      const moving = ahead.length > 0 || this.#last === undefined ? ahead : [this.#last]
      yield* this.#events.need(moving.flatMap(({ event }) => event.authEvents))
      if (ahead.length === 0) this.#extend(this.#last && this.#parentOf(this.#last))
      open = open.flatMap((tip) => (tip.rank > border ? (this.#step(tip) ?? []) : tip))
    }
  }

  /** The mainline position of an event that cites `levels`; infinite if its line does not meet the mainline. */
  position(levels: ResolvableEvent | undefined): number {
    let at = levels
    while (at !== undefined && !this.#index.has(at.event.eventId)) at = this.#parents.get(at.event.eventId)
    return (at && this.#index.get(at.event.eventId)) ?? Number.POSITIVE_INFINITY
  }

  #beside(tips: readonly ResolvableEvent[]): ResolvableEvent[] {
    return [...new Set(tips)].filter(({ event }) => !this.#index.has(event.eventId) && !this.#parents.has(event.eventId))
  }

  #step(tip: ResolvableEvent): ResolvableEvent | undefined {
    const parent = this.#parentOf(tip)
    this.#parents.set(tip.event.eventId, parent)
    return parent
  }

  #parentOf(levels: ResolvableEvent): ResolvableEvent | undefined {
    const parent = this.#events.cited(levels.event, 'm.room.power_levels')
    // Where event IDs are chosen, events could cite each other in a circle.
    return parent !== undefined && parent.rank < levels.rank ? parent : undefined
  }

  #extend(next: ResolvableEvent | undefined): void {
    this.#last = next
    if (next !== undefined) this.#index.set(next.event.eventId, this.#index.size)
  }
}
