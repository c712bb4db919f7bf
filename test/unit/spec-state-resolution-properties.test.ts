import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resolveState } from '../../src/spec/state-resolution.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import { rulesFor } from './spec-room-fixture.ts'
import { runResolution } from './spec-state-graph.ts'
import { modelResolution } from './spec-state-model.ts'
import { histories, play } from './spec-state-random.ts'

describe.each(['1', '2', '6', '10', '11', '12'])('resolution of random histories in room version %s', (version) => {
  const rules = rulesFor(version)
  const check = (property: (played: ReturnType<typeof play>) => void, numRuns = 100): void =>
    fc.assert(
      fc.property(histories, (history) => property(play(rules, history))),
      { numRuns },
    )
  const resolve = (played: ReturnType<typeof play>, states: readonly StateTrie[]): StateTrie =>
    runResolution(resolveState(rules, states), played.room.events).state

  test('does not depend on the order of the states, nor on how often each is given', () => {
    check((played) => {
      const expected = resolve(played, played.states).root
      expect(resolve(played, [...played.states].reverse()).root).toBe(expected)
      expect(resolve(played, [...played.states.slice(1), ...played.states]).root).toBe(expected)
      expect(
        resolve(
          played,
          [...played.states].map((state) => StateTrie.from(state)),
        ).root,
      ).toBe(expected)
    })
  })

  test('changes nothing where all agree, and settles', () => {
    check((played) => {
      const resolved = resolve(played, played.states)
      expect(resolve(played, [resolved, resolved])).toBe(resolved)
      for (const state of played.states) expect(resolve(played, [state, state])).toBe(state)
    })
  })

  test('keeps what all states hold, and takes no event from nowhere', () => {
    check((played) => {
      const resolved = resolve(played, played.states)
      const [first] = played.states
      for (const [key, eventId] of first ?? []) {
        if (played.states.every((state) => state.get(key) === eventId)) expect(resolved.get(key)).toBe(eventId)
      }
      for (const [key, eventId] of resolved) {
        const event = played.room.events.get(eventId)?.event
        expect(key).toBe(`${event?.type.length}:${event?.type}${event?.stateKey}`)
      }
    })
  })

  if (rules.stateResolution !== 'v1') {
    test('comes to what the definitions say when followed to the letter', () => {
      check((played) => {
        const { state } = modelResolution(rules, { states: played.states, events: played.room.events })
        expect(new Map(resolve(played, played.states))).toEqual(state)
      }, 300)
    })

    test('takes an event of the full conflicted set only if it passed the auth rules against the partial state at its turn', () => {
      check((played) => {
        const { unconflicted, turns } = modelResolution(rules, { states: played.states, events: played.room.events })
        const passed = new Set(turns.flatMap(({ eventId, isAllowed }) => (isAllowed ? [eventId] : [])))
        for (const [key, eventId] of resolve(played, played.states)) {
          if (unconflicted.get(key) !== eventId) expect(passed).toContain(eventId)
        }
      })
    })
  }
})
