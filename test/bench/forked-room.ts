import type { EventId, StateKey } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import { RealRoom } from '../interop/real-room.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { alice } from '../unit/spec-room-fixture.ts'
import { memberOf, StateGraph } from '../unit/spec-state-graph.ts'

/** A large room that two sides went on with for a while without hearing of each other. */
export interface ForkedRoom {
  readonly room: RealRoom
  readonly states: readonly StateTrie[]
  /** How many keys the states differ on, and by how many events. */
  readonly conflicts: { readonly keys: number; readonly events: number }
}

const moderators = Array.from({ length: 12 }, (_, i) => `@moderator${i}:server${i % 4}.example`)
/** Changes of power levels in the room's life before the fork, one of them after every so many members. */
const levelChanges = 40
/** What each side does: as happens when a link is down for a day in a busy room. */
const deedsOfSide = 250

/** A room of `size` state events, forked. */
export function forkRoom(rules: RoomVersionRules, size: number): ForkedRoom {
  const graph = new StateGraph(rules)
  const random = new SeededRandom(size)
  const users = Array.from({ length: size - moderators.length - 4 }, (_, i) => `@user${i}:server${i % 300}.example`)
  const levels = Object.fromEntries(moderators.map((userId) => [userId, 50]))
  let base = graph.publicRoom(levels)
  for (const [i, userId] of users.entries()) {
    base = graph.join(base, userId)
    if (i % Math.ceil(users.length / levelChanges) === 0) base = changeLevels(graph, base, i)
  }
  const [left, right] = [0, 1].map((side) => {
    let state = base
    for (let deed = 0; deed < deedsOfSide; deed++) state = act(graph, state, { side, users, random })
    return state
  })
  if (!left || !right) throw new Error('there are two sides')
  const room = new RealRoom(rules, graph.events.values())
  const first = room.state(left)
  // They share what they have in common, as do the states of a room in a server's memory.
  const states = [first, first.with(changesTo(first, room.state(right)))]
  const keys = new Set(states.flatMap((state) => [...state.keys()]))
  const differing = [...keys].map((key) => states.map((state) => state.get(key))).filter(([a, b]) => a !== b)
  return { room, states, conflicts: { keys: differing.length, events: differing.flat().filter((id) => id !== undefined).length } }
}

function changesTo(from: StateTrie, to: StateTrie): [StateKey, EventId | undefined][] {
  return [...StateTrie.diff(from, to)].map(({ key, after }) => [key, after])
}

/** One deed of somebody: half of them strike keys that the other side changes, too. */
function act(
  graph: StateGraph,
  state: StateTrie,
  { side, users, random }: { readonly side: number; readonly users: readonly string[]; readonly random: SeededRandom },
): StateTrie {
  const moderator = moderators[random.between(0, moderators.length - 1)] ?? alice
  const user = users[random.between(0, Math.min(users.length, 600) - 1)] ?? alice
  const dice = random.between(0, 99)
  if (dice < 45) return graph.send(state, memberOf(user), user, { membership: 'join', displayname: `side ${side}` })
  if (dice < 60) return graph.join(state, `@new${random.between(0, 200)}:server${side}.example`)
  if (dice < 72) return graph.send(state, memberOf(user), moderator, { membership: dice < 66 ? 'ban' : 'leave' })
  if (dice < 77) return changeLevels(graph, state, dice)
  if (dice < 79) return graph.joinRule(state, alice, dice === 77 ? 'invite' : 'public')
  if (dice < 90) return graph.topic(state, moderator, `side ${side}`)
  return graph.send(state, ['org.example.widget', String(random.between(0, 40))], moderator, { side })
}

function changeLevels(graph: StateGraph, state: StateTrie, salt: number): StateTrie {
  const levels: JsonObject = graph.content(state, 'm.room.power_levels') ?? {}
  const { events } = levels
  const before = typeof events === 'object' && !Array.isArray(events) ? events : {}
  return graph.send(state, 'm.room.power_levels', alice, { ...levels, events: { ...before, [`org.example.${salt % 20}`]: 50 } })
}
