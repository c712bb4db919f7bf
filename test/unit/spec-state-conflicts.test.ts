import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { authChain } from '../../src/spec/auth-chain.ts'
import { authDifference } from '../../src/spec/auth-difference.ts'
import { conflictedSubgraph } from '../../src/spec/conflicted-subgraph.ts'
import type { EventId, RoomEvent } from '../../src/spec/event.ts'
import { mainlineOrdering } from '../../src/spec/mainline-ordering.ts'
import { powerOrdering } from '../../src/spec/power-ordering.ts'
import { PriorityQueue } from '../../src/spec/priority-queue.ts'
import { type GraphEvent, ResolutionEvents, type ResolvableEvent, type Resolving } from '../../src/spec/resolution-events.ts'
import { StateConflicts } from '../../src/spec/state-conflicts.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import { bob, createEvent, eventOf, rulesFor } from './spec-room-fixture.ts'
import { keyOf } from './spec-state-graph.ts'
import { Model } from './spec-state-model.ts'

const rules = rulesFor('11')

type Graph = ReadonlyMap<EventId, ResolvableEvent>

/** Runs a part of a resolution against `graph`; counts what it asks for. */
function run<T>(graph: Graph, part: Resolving<T>): { result: T; asked: number; batches: number } {
  const asked: EventId[] = []
  let batches = 0
  let step = part.next()
  while (!step.done) {
    asked.push(...step.value)
    batches++
    step = part.next(new Map(step.value.flatMap((eventId) => [...present(graph, eventId)])))
  }
  expect(new Set(asked).size).toBe(asked.length)
  return { result: step.value, asked: asked.length, batches }
}

/** A part of a resolution that starts from events, as it is handed them. */
function* from<T>(eventIds: Iterable<EventId>, part: (found: Set<GraphEvent>, events: ResolutionEvents) => Resolving<T>): Resolving<T> {
  const events = new ResolutionEvents(rules)
  const ids = [...eventIds]
  yield* events.need(ids)
  return yield* part(events.all(ids), events)
}

const idsOf = (nodes: Iterable<GraphEvent>): EventId[] => [...nodes].map(({ event }) => event.eventId)

function* present(graph: Graph, eventId: EventId): Generator<[EventId, ResolvableEvent]> {
  const found = graph.get(eventId)
  if (found !== undefined) yield [eventId, found]
}

const nameOf = (index: number): EventId => `$${String(index).padStart(6, '0')}`

/** Event number `index`: one of a few keys, citing earlier events; they need make no sense. */
function eventAt(index: number, cites: readonly number[], ts = 0): RoomEvent {
  const isLevels = index % 3 === 0
  return eventOf({
    eventId: nameOf(index),
    type: isLevels ? 'm.room.power_levels' : 'm.room.topic',
    stateKey: isLevels ? '' : `${index % 7}`,
    content: isLevels ? { users: { [bob]: index % 5 } } : {},
    sender: bob,
    authEvents: [...new Set(cites)].map(nameOf),
    originServerTs: ts,
  })
}

const graphs = fc
  .array(fc.tuple(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }), fc.nat(4)), { minLength: 3, maxLength: 40, size: 'max' })
  .map((cites): Graph => {
    const events = cites.map(([back, ts], index) =>
      eventAt(
        index,
        back.map((distance) => index - distance).filter((cited) => cited >= 0),
        ts,
      ),
    )
    return new Map(events.map((event, rank) => [event.eventId, { event, rank, rejected: false }]))
  })

const cases = graphs.chain((graph) => {
  const picks = fc.array(fc.nat(graph.size - 1), { maxLength: 14 })
  return fc.tuple(fc.constant(graph), fc.array(picks, { minLength: 2, maxLength: 4 }))
})

function stateOf(graph: Graph, picks: readonly number[]): StateTrie {
  return StateTrie.from(
    picks.map((index) => {
      const event = graph.get(nameOf(index))?.event
      return [keyOf([event?.type ?? '', event?.stateKey ?? '']), nameOf(index)]
    }),
  )
}

/** Distinct states, or nothing where they are all the same. */
function distinct(graph: Graph, picks: readonly (readonly number[])[]): readonly [StateTrie, ...StateTrie[]] | undefined {
  const [first, second, ...others] = new Map(picks.map((indices) => [stateOf(graph, indices).root, stateOf(graph, indices)])).values()
  return first === undefined || second === undefined ? undefined : [first, second, ...others]
}

describe('in any graph of events', () => {
  test('the auth difference is what some auth chains hold and others do not', () => {
    fc.assert(
      fc.property(cases, ([graph, picks]) => {
        const states = distinct(graph, picks)
        if (states === undefined) return
        const conflicts = new StateConflicts(states[0], states.slice(1))
        const { result } = run(graph, authDifference(rules, conflicts, new ResolutionEvents(rules)))
        const conflicted = conflicts.events()
        const expected = new Model(rules, graph).authDifference(states).filter((eventId) => !conflicted.has(eventId))
        expect(idsOf(result).sort()).toEqual(expected.sort())
      }),
      { numRuns: 1000 },
    )
  })

  test('the conflicted subgraph is all that lies between conflicting events', () => {
    fc.assert(
      fc.property(cases, ([graph, [picks]]) => {
        const conflicted = new Set(picks?.map(nameOf))
        const { result } = run(graph, from(conflicted, conflictedSubgraph))
        expect(idsOf(result).sort()).toEqual(new Model(rules, graph).subgraph(conflicted).sort())
      }),
      { numRuns: 1000 },
    )
  })

  test('the power ordering takes the smallest event that waits for no other', () => {
    fc.assert(
      fc.property(cases, ([graph, [picks]]) => {
        const ordered = new Set(picks?.map(nameOf))
        const { result } = run(
          graph,
          from(ordered, (found, events) => powerOrdering(rules, found, events)),
        )
        expect(idsOf(result)).toEqual(new Model(rules, graph).sortByPower(ordered))
      }),
      { numRuns: 1000 },
    )
  })

  test('the mainline ordering goes by the place where power levels meet the mainline', () => {
    fc.assert(
      fc.property(cases, fc.nat(), ([graph, [picks]], seed) => {
        const ids = [...new Set(picks?.map(nameOf))]
        const levels = [undefined, ...[...graph.keys()].filter((_, index) => index % 3 === 0)]
        const first = levels[seed % levels.length]
        const { result } = run(
          graph,
          from(ids, (found, events) => mainlineOrdering(first, [...found], events)),
        )
        expect(idsOf(result)).toEqual(new Model(rules, graph).sortByMainline(ids, first))
      }),
      { numRuns: 1000 },
    )
  })

  test('the auth chain of events is all that they rest on, each asked for once', () => {
    fc.assert(
      fc.property(cases, ([graph, [picks]]) => {
        const starts = [...new Set(picks)].flatMap((index) => graph.get(nameOf(index))?.event ?? [])
        const chain = authChain(starts)
        const asked: EventId[] = []
        let step = chain.next()
        while (!step.done) {
          asked.push(...step.value)
          step = chain.next(new Map(step.value.flatMap((eventId) => [...present(graph, eventId)].map(([id, { event }]) => [id, event]))))
        }
        expect(new Set(asked).size).toBe(asked.length)
        const expected = new Set<EventId>()
        for (const index of [...graph.keys()].keys()) {
          const eventId = nameOf(graph.size - 1 - index)
          const isStart = starts.some((start) => start.eventId === eventId)
          if (isStart || expected.has(eventId)) for (const cited of graph.get(eventId)?.event.authEvents ?? []) expected.add(cited)
        }
        expect([...step.value.keys()].sort()).toEqual([...expected].sort())
        for (const [eventId, event] of step.value) expect(event).toBe(graph.get(eventId)?.event)
      }),
      { numRuns: 300 },
    )
  })
})

describe('in a chain of 100,000 power levels', () => {
  const length = 100_000
  const chain: Graph = new Map(
    [
      createEvent(rules),
      ...Array.from({ length }, (_, index) =>
        eventOf({
          eventId: nameOf(index + 1),
          type: 'm.room.power_levels',
          stateKey: '',
          authEvents: [index === 0 ? '$room:example.org' : nameOf(index)],
        }),
      ),
    ].map((event, rank) => [event.eventId, { event, rank, rejected: false }]),
  )
  const levelsAt = (index: number): StateTrie => StateTrie.empty.set(keyOf('m.room.power_levels'), nameOf(index))

  test('states at its end are told apart without walking it', () => {
    const conflicts = new StateConflicts(levelsAt(length), [levelsAt(length - 5)])
    const difference = run(chain, authDifference(rules, conflicts, new ResolutionEvents(rules)))
    expect(idsOf(difference.result).sort()).toEqual([4, 3, 2, 1].map((back) => nameOf(length - back)))
    expect(difference.asked).toBeLessThan(15)
    expect(run(chain, from(conflicts.events(), conflictedSubgraph)).asked).toBeLessThan(15)
  })

  test('states at its ends are told apart by walking it once', () => {
    const conflicts = new StateConflicts(levelsAt(length), [levelsAt(1)])
    expect(run(chain, authDifference(rules, conflicts, new ResolutionEvents(rules))).result.size).toBe(length - 2)
    expect(run(chain, from(conflicts.events(), conflictedSubgraph)).result.size).toBe(length)
  })

  test('it is put in order, all of it', () => {
    const all = [...chain.keys()].slice(1)
    const { result } = run(
      chain,
      from(all, (found, events) => powerOrdering(rules, found, events)),
    )
    expect(idsOf(result)).toEqual(all)
  })

  test('the mainline is followed as far as needed', () => {
    const topicOn = (index: number) => {
      const event = eventOf({ eventId: `$topic-${index}`, type: 'm.room.topic', stateKey: '', authEvents: [nameOf(index)] })
      return [event.eventId, { event, rank: length * 2, rejected: false }] as const
    }
    const [near, far, first] = [topicOn(length - 3), topicOn(length - 20), topicOn(1)]
    const order = (topics: readonly (readonly [EventId, ResolvableEvent])[]) => {
      const ordered = (found: Set<GraphEvent>, events: ResolutionEvents) => mainlineOrdering(nameOf(length), [...found], events)
      const ids = topics.map(([eventId]) => eventId)
      return run(new Map([...chain, ...topics]), from(ids, ordered))
    }
    const { result, asked } = order([near, far])
    expect(idsOf(result)).toEqual([far[0], near[0]])
    expect(asked).toBeLessThan(30)
    expect(order([first, near]).asked).toBeLessThanOrEqual(length + 3)
  })
})

test('what the unconflicted state covers is found without loading all of it', () => {
  // An admin's first membership, cited by old power levels and by an event on one side; the state holds a newer one.
  const events: RoomEvent[] = [createEvent(rules)]
  const add = (type: string, stateKey: string, authEvents: readonly (RoomEvent | undefined)[]): RoomEvent => {
    const event = eventOf({ type, stateKey, sender: bob, authEvents: authEvents.flatMap((cited) => cited?.eventId ?? []) })
    events.push(event)
    return event
  }
  const [create] = events
  const first = add('m.room.member', bob, [create])
  const oldLevels = add('m.room.power_levels', '', [create, first])
  const newer = add('m.room.member', bob, [create, oldLevels, first])
  const levels = add('m.room.power_levels', '', [create, oldLevels, newer])
  const members = Array.from({ length: 5000 }, (_, index) => add('m.room.member', `@u${index}:example.org`, [create, levels]))
  const late = add('m.room.topic', '', [create, oldLevels, first])
  const graph: Graph = new Map(events.map((event, rank) => [event.eventId, { event, rank, rejected: false }]))
  const state = StateTrie.from(
    [create, newer, levels, ...members].flatMap((event) => (event ? [[keyOf([event.type, event.stateKey ?? '']), event.eventId]] : [])),
  )
  const conflicts = new StateConflicts(state, [state.set(keyOf('m.room.topic'), late.eventId)])
  const { result, asked, batches } = run(graph, authDifference(rules, conflicts, new ResolutionEvents(rules)))
  expect(result.size).toBe(0)
  expect(asked).toBeLessThan(10)
  expect(batches).toBeLessThan(5)
})

test('a priority queue hands its items out in order', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(20), { nil: undefined })), (steps) => {
      const queue = new PriorityQueue<number>((a, b) => a - b)
      const model: number[] = []
      for (const item of steps) {
        if (item === undefined) expect(queue.pop()).toBe(model.sort((a, b) => a - b).shift())
        else {
          queue.push(item)
          model.push(item)
        }
      }
      for (const item of model.sort((a, b) => a - b)) expect(queue.pop()).toBe(item)
      expect(queue.pop()).toBeUndefined()
    }),
  )
})
