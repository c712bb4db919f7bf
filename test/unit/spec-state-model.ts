import { checkAuth } from '../../src/spec/auth-rules.ts'
import { type EventId, type RoomEvent, type StateKey, type StateMap, stateKeyOf } from '../../src/spec/event.ts'
import { powerLevelsOf } from '../../src/spec/power-levels.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import type { ResolvableEvent } from '../../src/spec/state-resolution.ts'

type Events = ReadonlyMap<EventId, ResolvableEvent>

/** An event's turn in the iterative auth checks, and what became of it. */
interface Turn {
  readonly eventId: EventId
  readonly isAllowed: boolean
}

/** What the model resolves to, with the turns of the full conflicted set in their order. */
interface ModelResult {
  readonly state: Map<StateKey, EventId>
  readonly unconflicted: ReadonlyMap<StateKey, EventId>
  readonly turns: readonly Turn[]
}

interface ModelOptions {
  /**
   * Whether rejected events take part like others, as the specification has it ("Rejected events"). Synapse never lets one into a
   * state, nor judges by one: see the comment in `_iterative_auth_checks` of its `synapse/state/v2.py`.
   */
  readonly admitsRejected: boolean
}

const asSpecified: ModelOptions = { admitsRejected: true }

/** State resolution v2 and v2.1 as the specification defines it, with whole auth chains and no thought of cost. */
export function modelResolution(
  rules: RoomVersionRules,
  { states, events }: { readonly states: readonly StateMap[]; readonly events: Events },
  options = asSpecified,
): ModelResult {
  const model = new Model(rules, events, options)
  const keys = new Set(states.flatMap((state) => [...state.keys()]))
  const unconflicted = new Map<StateKey, EventId>()
  const conflicted = new Set<EventId>()
  for (const key of keys) {
    const held = states.map((state) => state.get(key))
    const [first] = held
    if (first !== undefined && held.every((eventId) => eventId === first)) unconflicted.set(key, first)
    else for (const eventId of held) if (eventId !== undefined) conflicted.add(eventId)
  }
  const full = new Set([...conflicted, ...model.authDifference(states)])
  const isV21 = rules.stateResolution === 'v2.1'
  if (isV21) for (const eventId of model.subgraph(conflicted)) full.add(eventId)
  const power = model.powerEvents(full)
  const partial = model.applyAll(model.sortByPower(power), isV21 ? new Map() : new Map(unconflicted))
  const rest = [...full].filter((eventId) => !power.has(eventId) && events.has(eventId))
  const ordered = model.sortByMainline(rest, partial.get(stateKeyOf('m.room.power_levels', '')))
  const state = new Map([...model.applyAll(ordered, partial), ...unconflicted])
  return { state, unconflicted, turns: model.turns }
}

export class Model {
  readonly turns: Turn[] = []
  readonly #rules: RoomVersionRules
  readonly #events: Events
  readonly #options: ModelOptions

  constructor(rules: RoomVersionRules, events: Events, options = asSpecified) {
    this.#rules = rules
    this.#events = events
    this.#options = options
  }

  #event(eventId: EventId): RoomEvent {
    const found = this.#events.get(eventId)
    if (found === undefined) throw new Error(`the model lacks ${eventId}`)
    return found.event
  }

  #withAuthChain(starts: Iterable<EventId>): Set<EventId> {
    const chain = new Set<EventId>()
    const open = [...starts]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (chain.has(next)) continue
      chain.add(next)
      open.push(...this.#event(next).authEvents)
    }
    return chain
  }

  authDifference(states: readonly StateMap[]): EventId[] {
    const chains = states.map((state) => this.#withAuthChain(state.values()))
    return [...new Set(chains.flatMap((chain) => [...chain]))].filter((eventId) => !chains.every((chain) => chain.has(eventId)))
  }

  subgraph(conflicted: ReadonlySet<EventId>): EventId[] {
    const reachable = this.#withAuthChain(conflicted)
    return [...reachable].filter((eventId) => [...this.#withAuthChain([eventId])].some((other) => conflicted.has(other)))
  }

  powerEvents(full: ReadonlySet<EventId>): Set<EventId> {
    const selected = new Set<EventId>()
    const select = (eventId: EventId): void => {
      selected.add(eventId)
      for (const cited of this.#event(eventId).authEvents) if (full.has(cited) && !selected.has(cited)) select(cited)
    }
    for (const eventId of full) if (isPowerEvent(this.#event(eventId))) select(eventId)
    return selected
  }

  sortByPower(selected: ReadonlySet<EventId>): EventId[] {
    const left = new Set(selected)
    const sorted: EventId[] = []
    while (left.size > 0) {
      const ready = [...left].filter((eventId) => !this.#event(eventId).authEvents.some((cited) => left.has(cited)))
      const [smallest] = ready.sort((a, b) => this.#level(a) - this.#level(b) || this.#byTime(a, b))
      if (smallest === undefined) throw new Error('the events cite each other in a circle')
      left.delete(smallest)
      sorted.push(smallest)
    }
    return sorted
  }

  /** Minus the sender's level, creators of version 12 being less than all: ascending order puts power first. */
  #level(eventId: EventId): number {
    const event = this.#event(eventId)
    const level = powerLevelsOf(this.#rules, this.#create(event), this.#cited(event, 'm.room.power_levels')).user(event.sender)
    return level === Number.POSITIVE_INFINITY ? -Number.MAX_VALUE : -level
  }

  #byTime(a: EventId, b: EventId): number {
    return this.#event(a).originServerTs - this.#event(b).originServerTs || (a < b ? -1 : 1)
  }

  #cited(event: RoomEvent, type: string): RoomEvent | undefined {
    return event.authEvents.map((cited) => this.#event(cited)).find((cited) => cited.type === type && cited.stateKey === '')
  }

  #create(event: RoomEvent): RoomEvent | undefined {
    if (this.#rules.roomId === 'chosen') return this.#cited(event, 'm.room.create')
    return this.#events.get(`$${event.roomId.slice(1)}`)?.event
  }

  sortByMainline(unsorted: readonly EventId[], levels: EventId | undefined): EventId[] {
    const mainline = levels === undefined ? [] : this.#line(this.#event(levels))
    const position = (eventId: EventId): number => {
      const levels = this.#cited(this.#event(eventId), 'm.room.power_levels')
      const met = (levels === undefined ? [] : this.#line(levels)).find((candidate) => mainline.includes(candidate))
      return met === undefined ? Number.MAX_SAFE_INTEGER : mainline.indexOf(met)
    }
    return unsorted
      .map((eventId) => ({ eventId, position: position(eventId) }))
      .sort((a, b) => b.position - a.position || this.#byTime(a.eventId, b.eventId))
      .map(({ eventId }) => eventId)
  }

  #line(levels: RoomEvent): EventId[] {
    const line: EventId[] = []
    for (let at: RoomEvent | undefined = levels; at !== undefined; at = this.#cited(at, 'm.room.power_levels')) line.push(at.eventId)
    return line
  }

  applyAll(ordered: readonly EventId[], initial: Map<StateKey, EventId>): Map<StateKey, EventId> {
    const state = new Map(initial)
    for (const eventId of ordered) {
      const isAllowed = this.#isAllowed(eventId, state)
      const { type, stateKey } = this.#event(eventId)
      if (isAllowed) state.set(stateKeyOf(type, stateKey ?? ''), eventId)
      this.turns.push({ eventId, isAllowed })
    }
    return state
  }

  #isAllowed(eventId: EventId, state: ReadonlyMap<StateKey, EventId>): boolean {
    const event = this.#event(eventId)
    const isRejected = (other: EventId): boolean => this.#events.get(other)?.rejected === true
    if (isRejected(eventId) && !this.#options.admitsRejected) return false
    const standIns = event.authEvents.filter((cited) => !isRejected(cited)).map((cited) => this.#event(cited))
    const lookup = (type: string, stateKey: string): RoomEvent | undefined => {
      const held = state.get(stateKeyOf(type, stateKey))
      if (held !== undefined && (this.#options.admitsRejected || !isRejected(held))) return this.#event(held)
      if (type === 'm.room.create') return this.#create(event)
      return standIns.find((cited) => cited.type === type && cited.stateKey === stateKey)
    }
    return checkAuth(this.#rules, event, lookup, { authoriserSigned: true, thirdPartySigned: () => false }).allowed
  }
}

function isPowerEvent({ type, stateKey, sender, content: { membership } }: RoomEvent): boolean {
  if (['m.room.power_levels', 'm.room.join_rules'].includes(type)) return true
  return type === 'm.room.member' && sender !== stateKey && (membership === 'leave' || membership === 'ban')
}
