import fc from 'fast-check'
import { checkAuth } from '../../src/spec/auth-rules.ts'
import { type RoomEvent, stateKeyOf } from '../../src/spec/event.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import { resolveState } from '../../src/spec/state-resolution.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import { alice, bob, carol, dave } from './spec-room-fixture.ts'
import { memberOf, type Path, runResolution, StateGraph } from './spec-state-graph.ts'

const people = [alice, bob, carol, dave, '@erin:third.example']
const joinRules = ['public', 'invite', 'knock', 'restricted', 'knock_restricted', 'public']
const thresholds = ['state_default', 'ban', 'kick', 'invite', 'users_default', 'redact']

/** One thing that somebody tries to do in a random room. */
interface Step {
  readonly action: number
  readonly sender: number
  readonly target: number
  readonly level: number
  /** How far back in the room's history the states lie on which it builds. */
  readonly bases: readonly number[]
  readonly ts: number
  /** What becomes of it where the rules forbid it: 0 rejected and built upon, 1 rejected and kept, else forgotten. */
  readonly fate: number
}

/** A random room's history; `mixes` make states of it that no honest server would come to. */
interface History {
  readonly steps: readonly Step[]
  readonly heads: readonly number[]
  readonly mixes: readonly { readonly state: number; readonly from: number; readonly every: number }[]
}

/** What somebody tried, in the state before it. */
export interface Attempt {
  readonly event: RoomEvent
  readonly before: StateTrie
  readonly allowed: boolean
}

/** A history as it was played: the room, and the states to be resolved. */
export interface Played {
  readonly room: StateGraph
  readonly states: StateTrie[]
  readonly attempts: readonly Attempt[]
}

const step: fc.Arbitrary<Step> = fc.record({
  action: fc.nat(99),
  sender: fc.nat(people.length - 1),
  target: fc.nat(people.length - 1),
  level: fc.constantFrom(0, 10, 50, 50, 75, 100),
  bases: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }),
  ts: fc.nat(30),
  fate: fc.nat(59),
})

export const histories: fc.Arbitrary<History> = fc.record({
  steps: fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
  heads: fc.array(fc.nat(12), { minLength: 2, maxLength: 5 }),
  mixes: fc.array(fc.record({ state: fc.nat(4), from: fc.nat(40), every: fc.integer({ min: 2, max: 4 }) }), { maxLength: 2 }),
})

/** Plays a history by the rules of a room version. */
export function play(rules: RoomVersionRules, { steps, heads, mixes }: History): Played {
  const room = new StateGraph(rules, rules.auth.privilegedCreators ? { additional_creators: [dave] } : {})
  const history = [room.publicRoom({ [bob]: 50, [carol]: 50 })]
  const attempts: Attempt[] = []
  const back = (distance: number): StateTrie => history[Math.max(0, history.length - 1 - distance)] ?? StateTrie.empty
  for (const step of steps) {
    const before = runResolution(resolveState(rules, step.bases.map(back)), room.events).state
    const { event, after } = attempt(room, before, step)
    const lookup = (type: string, key: string) => room.events.get(before.get(stateKeyOf(type, key)) ?? '')?.event
    const { allowed } = checkAuth(room.rules, event, lookup, { authoriserSigned: true, thirdPartySigned: () => false })
    attempts.push({ event, before, allowed })
    if (!allowed) room.reject(event, step.fate <= 1)
    if (allowed || step.fate === 0) history.push(after)
  }
  const states = heads.map(back)
  for (const { state, from, every } of mixes) {
    const mixed = states[state]
    if (mixed !== undefined) states[state] = mixed.with([...back(from)].filter((_, index) => index % every === 0))
  }
  return { room, states, attempts }
}

/** What a step tries, and the state that it wants. */
function attempt(room: StateGraph, before: StateTrie, step: Step): { event: RoomEvent; after: StateTrie } {
  const [path, content] = deed(room, before, step)
  const [type, stateKey] = typeof path === 'string' ? [path, ''] : path
  // Depths that senders claim, some of them alike: version 1 goes by them.
  const claims = { originServerTs: step.ts, depth: 1 + (step.ts >> 1) }
  const after = room.send(before, path, people[step.sender] ?? alice, content, claims)
  const event = room.events.get(after.get(stateKeyOf(type, stateKey)) ?? '')?.event
  if (event === undefined) throw new Error('nothing was sent')
  return { event, after }
}

function deed(room: StateGraph, before: StateTrie, { action, sender, target, level }: Step): [Path, JsonObject] {
  const [self, other] = [people[sender] ?? alice, people[target] ?? alice]
  if (action < 25) return ['m.room.power_levels', changedLevels(room, before, { action, other, level })]
  if (action < 35) return ['m.room.join_rules', { join_rule: joinRules[action % 6] ?? 'public' }]
  if (action < 51) return [memberOf(self), { membership: 'join' }]
  if (action < 55) return [memberOf(self), { membership: 'join', join_authorised_via_users_server: other }]
  if (action < 58) return [memberOf(self), { membership: 'leave' }]
  if (action < 60) return [memberOf(self), { membership: 'knock' }]
  if (action < 68) return [memberOf(other), { membership: 'ban' }]
  if (action < 76) return [memberOf(other), { membership: 'leave' }]
  if (action < 84) return [memberOf(other), { membership: 'invite' }]
  return [action < 94 ? 'm.room.topic' : 'm.room.name', {}]
}

function changedLevels(
  room: StateGraph,
  before: StateTrie,
  { action, other, level }: { action: number; other: string; level: number },
): JsonObject {
  const levels = room.content(before, 'm.room.power_levels') ?? {}
  const written: JsonValue = room.rules.auth.integerPowerLevels || action % 2 === 0 ? level : ` +0${level} `
  if (action < 5) return { ...levels, [thresholds[level % thresholds.length] ?? 'ban']: written }
  if (action < 7) return { ...levels, events: { 'm.room.topic': written } }
  const users = levels.users
  return { ...levels, users: { ...(typeof users === 'object' && !Array.isArray(users) ? users : {}), [other]: written } }
}
