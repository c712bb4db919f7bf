import type { EventId } from './event.ts'
import { compareByTime } from './power-ordering.ts'
import type { GraphEvent, ResolutionEvents, Resolving } from './resolution-events.ts'

/**
 * The mainline ordering of `ordered` based on the power levels event `powerLevels`, earliest first (rooms/v2, "Mainline ordering").
 * The mainline is followed only as far as one of `ordered` needs it.
 */
export function* mainlineOrdering(
  powerLevels: EventId | undefined,
  ordered: readonly GraphEvent[],
  events: ResolutionEvents,
): Resolving<GraphEvent[]> {
  yield* events.link(ordered)
  if (powerLevels !== undefined) yield* events.need([powerLevels])
  const based = ordered.map((node) => ({ node, levels: node.citedOf('m.room.power_levels') }))
  const lines = new Mainline(powerLevels === undefined ? undefined : events.get(powerLevels), events)
  yield* lines.follow(based.flatMap(({ levels }) => levels ?? []))
  return based
    .map(({ node, levels }) => ({ node, position: lines.position(levels) }))
    .sort((a, b) => (a.position === b.position ? compareByTime(a.node.event, b.node.event) : a.position > b.position ? -1 : 1))
    .map(({ node }) => node)
}

class Mainline {
  readonly #events: ResolutionEvents
  readonly #index = new Map<GraphEvent, number>()
  /** Power levels events beside the mainline, with the one that each cites. */
  readonly #parents = new Map<GraphEvent, GraphEvent | undefined>()
  #last: GraphEvent | undefined

  constructor(first: GraphEvent | undefined, events: ResolutionEvents) {
    this.#events = events
    this.#extend(first)
  }

  /** Follows the lines of `tips` back, and the mainline, whichever is ahead in rank, until they have met or ended. */
  *follow(tips: readonly GraphEvent[]): Resolving<void> {
    if (this.#last === undefined) return
    for (let open = this.#beside(tips); open.length > 0; open = this.#beside(open)) {
      const border = this.#last?.rank ?? Number.NEGATIVE_INFINITY
      const ahead = open.filter(({ rank }) => rank > border)
      const moving = ahead.length > 0 || this.#last === undefined ? ahead : [this.#last]
      yield* this.#events.link(moving)
      if (ahead.length === 0) this.#extend(this.#last && parentOf(this.#last))
      open = open.flatMap((tip) => (tip.rank > border ? (this.#step(tip) ?? []) : tip))
    }
  }

  /** The mainline position of an event that cites `levels`; infinite if its line does not meet the mainline. */
  position(levels: GraphEvent | undefined): number {
    let at = levels
    while (at !== undefined && !this.#index.has(at)) at = this.#parents.get(at)
    return (at && this.#index.get(at)) ?? Number.POSITIVE_INFINITY
  }

  #beside(tips: readonly GraphEvent[]): GraphEvent[] {
    return [...new Set(tips)].filter((tip) => !this.#index.has(tip) && !this.#parents.has(tip))
  }

  #step(tip: GraphEvent): GraphEvent | undefined {
    const parent = parentOf(tip)
    this.#parents.set(tip, parent)
    return parent
  }

  #extend(next: GraphEvent | undefined): void {
    this.#last = next
    if (next !== undefined) this.#index.set(next, this.#index.size)
  }
}

function parentOf(levels: GraphEvent): GraphEvent | undefined {
  const parent = levels.citedOf('m.room.power_levels')
  // Where event IDs are chosen, events could cite each other in a circle.
  return parent !== undefined && parent.rank < levels.rank ? parent : undefined
}
