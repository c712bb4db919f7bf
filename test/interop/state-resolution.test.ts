import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { authEventKeys } from '../../src/spec/auth-events.ts'
import { checkAuth } from '../../src/spec/auth-rules.ts'
import { stateKeyOf, type UserId } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import { resolveState } from '../../src/spec/state-resolution.ts'
import type { StateTrie } from '../../src/spec/state-trie.ts'
import { alice, bob, carol, rulesFor } from '../unit/spec-room-fixture.ts'
import { memberOf, runResolution, StateGraph } from '../unit/spec-state-graph.ts'
import { modelResolution } from '../unit/spec-state-model.ts'
import { type Attempt, histories, type Played, play } from '../unit/spec-state-random.ts'
import { RealRoom } from './real-room.ts'
import { installSynapse } from './synapse.ts'
import { SynapseResolver } from './synapse-resolver.ts'

/** How many random rooms of each version: most of those whose algorithm or rules no other version has. */
const runs = { 1: 500, 2: 300, 3: 200, 4: 200, 5: 200, 6: 200, 7: 200, 8: 200, 9: 200, 10: 500, 11: 500, 12: 1000 }
const seed = 20_261_125

/** Where Synapse reads a rule in another way than its letters. */
interface LiteralCase {
  readonly name: string
  /** Of the create event. */
  readonly content: JsonObject
  /** Of the join rules. */
  readonly joinRule: JsonObject
  /** Who wants what membership for whom. */
  readonly deed: readonly [UserId, UserId, string]
  readonly verdicts: { readonly ours: boolean; readonly theirs: boolean }
}

const literalCases: readonly LiteralCase[] = [
  {
    name: 'a room that is not federated binds the senders of its events, as the specification says; with Synapse whom they name, too',
    content: { 'm.federate': false },
    joinRule: { join_rule: 'invite' },
    deed: [alice, carol, 'invite'],
    verdicts: { ours: true, theirs: false },
  },
  {
    name: 'a join rule that names none lets nobody in, as the specification says; Synapse takes it for invite',
    content: {},
    joinRule: {},
    deed: [bob, bob, 'join'],
    verdicts: { ours: false, theirs: true },
  },
]

let missing: string | undefined
let synapse: SynapseResolver | undefined

/** How often a random room had what makes resolution hard. */
class Census {
  readonly counts = new Map<string, number>()

  add({ room, states }: Played, mainline: number): void {
    const held = (type: string, wanted: (content: { membership?: unknown }) => boolean): boolean => {
      const keys = new Set(states.flatMap((state) => [...state.keys()].filter((key) => key.startsWith(`${type.length}:${type}`))))
      return [...keys].some((key) => {
        const holders = new Set(states.map((state) => state.get(key)))
        return holders.size > 1 && [...holders].some((eventId) => wanted(room.events.get(eventId ?? '')?.event.content ?? {}))
      })
    }
    this.#count('conflicts', new Set(states.map((state) => state.root)).size > 1)
    this.#count(
      'power levels',
      held('m.room.power_levels', () => true),
    )
    this.#count(
      'join rules',
      held('m.room.join_rules', () => true),
    )
    this.#count(
      'bans',
      held('m.room.member', ({ membership }) => membership === 'ban'),
    )
    this.#count('three or more states', new Set(states.map((state) => state.root)).size > 2)
    this.#count('mainlines of five or more', mainline >= 5)
    this.#count(
      'rejected events',
      [...room.events.values()].some(({ rejected }) => rejected),
    )
  }

  #count(what: string, is: boolean): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + Number(is))
  }
}

/** How long the mainline is of what a resolution left as the power levels. */
function mainlineOf(state: StateTrie, room: RealRoom): number {
  let length = 0
  let at = state.get(stateKeyOf('m.room.power_levels', ''))
  while (at !== undefined) {
    length++
    at = room.events.get(at)?.event.authEvents.find((cited) => room.events.get(cited)?.event.type === 'm.room.power_levels')
  }
  return length
}

function resolved(rules: RoomVersionRules, states: readonly StateTrie[], room: RealRoom): StateTrie {
  return runResolution(resolveState(rules, states), room.events).state
}

/** What Synapse makes of states of a room, and of attempts in it. */
function ask(
  room: RealRoom,
  rules: RoomVersionRules,
  question: { readonly states: readonly StateTrie[]; readonly attempts: readonly Omit<Attempt, 'allowed'>[] },
): ReturnType<SynapseResolver['ask']> {
  if (synapse === undefined) throw new Error('there is no Synapse')
  const attempts = question.attempts.map(({ event, before }) => {
    const keys = new Set([...authEventKeys(rules, event), stateKeyOf('m.room.create', '')])
    const cited = [...keys].flatMap((key) => before.get(key) ?? [])
    return [room.id(event.eventId), cited.map((eventId) => room.id(eventId))] as const
  })
  return synapse.ask({ rules, events: room.events.values(), states: question.states, attempts })
}

describe("beside Synapse's resolver", () => {
  beforeAll(async () => {
    missing = await installSynapse()
    if (missing === undefined) synapse = new SynapseResolver()
  })
  beforeEach(({ skip }) => skip(missing !== undefined, missing))
  afterAll(() => synapse?.stop())

  test.for(Object.entries(runs))(
    'random rooms of version %s have the same state, and each event the same verdict',
    async ([version, numRuns]) => {
      const rules = rulesFor(version)
      const census = new Census()
      const property = fc.asyncProperty(histories, async (history) => {
        const played = play(rules, history)
        const room = new RealRoom(rules, played.room.events.values())
        const states = played.states.map((state) => room.state(state))
        const attempts = played.attempts.filter(({ event }) => played.room.events.has(event.eventId))
        const answer = await ask(room, rules, { states, attempts })
        expect(answer.allowed).toEqual(attempts.map(({ allowed }) => allowed))
        const ours = resolved(rules, states, room)
        census.add(played, mainlineOf(ours, room))
        if (rules.stateResolution === 'v1' || ![...room.events.values()].some(({ rejected }) => rejected)) {
          expect(new Map(ours)).toEqual(answer.state)
        } else {
          const question = { states, events: room.events }
          expect(modelResolution(rules, question, { admitsRejected: false }).state).toEqual(answer.state)
          expect(new Map(ours)).toEqual(modelResolution(rules, question).state)
        }
      })
      await fc.assert(property, { seed: seed + Number(version), numRuns })
      for (const [what, count] of census.counts) expect(count, `rooms with ${what}`).toBeGreaterThan(numRuns / 40)
    },
  )
  test('where an event that was rejected in its place passes later, it holds, as the specification says; Synapse leaves it out', async () => {
    const rules = rulesFor('11')
    const graph = new StateGraph(rules)
    const base = graph.publicRoom({ [bob]: 50 })
    const left = graph.topic(base, bob, 'rejected in its place', { rejected: true })
    const room = new RealRoom(rules, graph.events.values())
    const states = [base, left].map((state) => room.state(state))
    const { state } = await ask(room, rules, { states, attempts: [] })
    const topic = stateKeyOf('m.room.topic', '')
    expect(resolved(rules, states, room).get(topic)).toBe(room.id(left.get(topic) ?? ''))
    expect(state.has(topic)).toBe(false)
  })

  test.for(literalCases)('$name', async ({ content, joinRule, deed: [sender, target, membership], verdicts }) => {
    const rules = rulesFor('12')
    const graph = new StateGraph(rules, content)
    const open = graph.publicRoom({})
    const before = graph.send(graph.send(open, memberOf(bob), alice, { membership: 'invite' }), 'm.room.join_rules', alice, joinRule)
    const after = graph.send(before, memberOf(target), sender, { membership })
    const event = graph.events.get(after.get(stateKeyOf('m.room.member', target)) ?? '')?.event
    if (event === undefined) throw new Error('nothing was sent')
    const lookup = (type: string, stateKey: string) => graph.events.get(before.get(stateKeyOf(type, stateKey)) ?? '')?.event
    const room = new RealRoom(rules, graph.events.values())
    const { allowed } = await ask(room, rules, { states: [room.state(before)], attempts: [{ event, before }] })
    expect({ ours: checkAuth(rules, event, lookup).allowed, theirs: allowed[0] }).toEqual(verdicts)
  })
})
