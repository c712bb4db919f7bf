import { authEventKeys } from '../../src/spec/auth-events.ts'
import { checkAuth, checkAuthEvents } from '../../src/spec/auth-rules.ts'
import { type EventId, type RoomEvent, type StateMap, stateKeyOf } from '../../src/spec/event.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import { type ResolvableEvent, resolveState } from '../../src/spec/state-resolution.ts'
import type { StateTrie } from '../../src/spec/state-trie.ts'
import { thirdPartySigned } from '../../src/spec/third-party-signature.ts'

/** What the specification says of an event, given the whole graph before it. */
export interface Judgement extends ResolvableEvent {
  readonly stateBefore: StateTrie
  readonly stateAfter: StateTrie
}

/**
 * The whole graph of a room, of all servers together, judged by the rules alone: the state at each event and whether it is
 * rejected follow from the events before it, whoever holds them and whenever they came.
 */
export class RoomModel {
  readonly rules: RoomVersionRules
  readonly judged = new Map<EventId, Judgement>()
  /** Events that refer to what no server holds. */
  readonly unjudged: EventId[] = []
  readonly #resolved = new Map<string, StateTrie>()

  constructor(rules: RoomVersionRules, events: ReadonlyMap<EventId, RoomEvent>) {
    this.rules = rules
    for (const event of inGraphOrder(events, this.unjudged)) this.#judge(event)
  }

  /** The state after these events together, and in these other states. */
  stateAfter(eventIds: readonly EventId[], ...others: readonly StateTrie[]): StateTrie {
    return this.#resolve([...others, ...eventIds.flatMap((eventId) => this.judged.get(eventId)?.stateAfter ?? [])])
  }

  /** Whether the authorisation rules allow the event in `state`. */
  isAllowed(event: RoomEvent, state: StateMap): boolean {
    const holders = [stateKeyOf('m.room.create', ''), ...authEventKeys(this.rules, event)].flatMap((key) => state.get(key) ?? [])
    return this.#isAllowedBy(
      event,
      holders.flatMap((eventId) => this.judged.get(eventId) ?? []),
    )
  }

  /** Whether `ancestor` is `eventId` or comes before it. */
  reaches(eventIds: Iterable<EventId>): Set<EventId> {
    const reached = new Set<EventId>(eventIds)
    for (const eventId of reached) for (const before of this.judged.get(eventId)?.event.prevEvents ?? []) reached.add(before)
    return reached
  }

  #judge(event: RoomEvent): void {
    const stateBefore = this.stateAfter(event.prevEvents)
    const cited = event.authEvents.flatMap((eventId) => this.judged.get(eventId) ?? [])
    const create = this.judged.get(`$${event.roomId.slice(1)}`)
    const isCited = event.type === 'm.room.create' || this.#allowsAuthEvents(event, cited, create)
    const rejected = !isCited || !this.isAllowed(event, stateBefore)
    const key = event.stateKey === undefined || rejected ? undefined : stateKeyOf(event.type, event.stateKey)
    const stateAfter = key === undefined ? stateBefore : stateBefore.set(key, event.eventId)
    const rank = 1 + Math.max(0, ...cited.map((auth) => auth.rank))
    this.judged.set(event.eventId, { event, rejected, rank, stateBefore, stateAfter })
  }

  #allowsAuthEvents(event: RoomEvent, cited: readonly Judgement[], create: Judgement | undefined): boolean {
    if (cited.length < event.authEvents.length || !checkAuthEvents(this.rules, event, cited, create).allowed) return false
    return this.#isAllowedBy(event, [...cited, ...(create ? [create] : [])])
  }

  #isAllowedBy(event: RoomEvent, holders: readonly ResolvableEvent[]): boolean {
    const state = new Map(holders.map(({ event: held }) => [stateKeyOf(held.type, held.stateKey ?? ''), held]))
    const signatures = { authoriserSigned: true, thirdPartySigned }
    return checkAuth(this.rules, event, (type, stateKey) => state.get(stateKeyOf(type, stateKey)), signatures).allowed
  }

  #resolve(states: readonly StateTrie[]): StateTrie {
    const roots = [...new Set(states.map(({ root }) => root))].sort().join()
    const known = this.#resolved.get(roots)
    if (known) return known
    const resolver = resolveState(this.rules, states, thirdPartySigned)
    let step = resolver.next()
    while (!step.done) step = resolver.next(new Map(step.value.flatMap((eventId) => this.#found(eventId))))
    this.#resolved.set(roots, step.value)
    return step.value
  }

  #found(eventId: EventId): [EventId, ResolvableEvent][] {
    const known = this.judged.get(eventId)
    return known ? [[eventId, known]] : []
  }
}

/** Each event after all before it and all that it cites; those that lack one of them are left over. */
function* inGraphOrder(events: ReadonlyMap<EventId, RoomEvent>, leftOver: EventId[]): Generator<RoomEvent> {
  const waiting = new Map<EventId, EventId[]>()
  const open = new Map<EventId, number>()
  const ready: RoomEvent[] = []
  for (const event of events.values()) {
    const needed = new Set([...event.prevEvents, ...event.authEvents])
    open.set(event.eventId, needed.size)
    for (const eventId of needed) waiting.set(eventId, [...(waiting.get(eventId) ?? []), event.eventId])
    if (needed.size === 0) ready.push(event)
  }
  for (const event of ready) {
    yield event
    for (const eventId of waiting.get(event.eventId) ?? []) {
      const left = (open.get(eventId) ?? 0) - 1
      open.set(eventId, left)
      const next = events.get(eventId)
      if (left === 0 && next) ready.push(next)
    }
  }
  const done = new Set(ready.map(({ eventId }) => eventId))
  leftOver.push(...[...events.keys()].filter((eventId) => !done.has(eventId)))
}
