import assert from 'node:assert/strict'
import { authEventKeys } from '../../src/spec/auth-events.ts'
import { type EventId, type RoomEvent, type StateKey, stateKeyOf, type UserId } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import { type ResolvableEvent, type Resolving, resolveState } from '../../src/spec/state-resolution.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import { alice, createEvent, type Draft, eventOf } from './spec-room-fixture.ts'

/** Names an event in the state of a test: its type, and its state key where it has one. */
export type Path = string | readonly [string, string]

export function keyOf(path: Path): StateKey {
  return typeof path === 'string' ? stateKeyOf(path, '') : stateKeyOf(...path)
}

export const memberOf = (userId: UserId): Path => ['m.room.member', userId]

/** What a test may say of an event; its auth events follow from the state it is sent in. */
export type GraphDraft = Omit<Draft, 'type' | 'stateKey' | 'content' | 'sender'> & { rejected?: boolean }

/** A room's events with what the state after each is, as the test wants it: nothing is authorised here. */
export class StateGraph {
  readonly rules: RoomVersionRules
  readonly create: RoomEvent
  readonly events = new Map<EventId, ResolvableEvent>()
  #ts = 0
  #rank = 0

  constructor(rules: RoomVersionRules, createContent?: JsonObject) {
    this.rules = rules
    this.create = createEvent(rules, createContent)
    this.add(this.create)
  }

  /** The state of a room of which nothing is known but its creation. */
  get created(): StateTrie {
    return StateTrie.empty.set(keyOf('m.room.create'), this.create.eventId)
  }

  add(event: RoomEvent, rejected = false): void {
    this.events.set(event.eventId, { event, rejected, rank: this.events.get(event.eventId)?.rank ?? this.#rank++ })
  }

  /** Marks an event as one that the rules forbade; forgets it, unless it is to be kept. */
  reject(event: RoomEvent, isKept: boolean): void {
    if (isKept) this.add(event, true)
    else this.events.delete(event.eventId)
  }

  /** Sends a state event in `state`; the answer is the state after it. Later calls send later events. */
  send(state: StateTrie, path: Path, sender: UserId, content: JsonObject = {}, more: GraphDraft = {}): StateTrie {
    const [type, stateKey] = typeof path === 'string' ? [path, ''] : path
    const { rejected, ...draft } = more
    const authEvents = authEventKeys(this.rules, { type, stateKey, sender, content }).flatMap((key) => state.get(key) ?? [])
    const event = eventOf({ type, stateKey, sender, content, authEvents, originServerTs: this.#ts++, depth: this.events.size, ...draft })
    this.add(event, rejected)
    return state.set(stateKeyOf(type, stateKey), event.eventId)
  }

  join(state: StateTrie, userId: UserId, more?: GraphDraft): StateTrie {
    return this.send(state, memberOf(userId), userId, { membership: 'join' }, more)
  }

  levels(state: StateTrie, sender: UserId, content: JsonObject, more?: GraphDraft): StateTrie {
    return this.send(state, 'm.room.power_levels', sender, content, more)
  }

  joinRule(state: StateTrie, sender: UserId, rule: string, more?: GraphDraft): StateTrie {
    return this.send(state, 'm.room.join_rules', sender, { join_rule: rule }, more)
  }

  topic(state: StateTrie, sender: UserId, topic: string, more?: GraphDraft): StateTrie {
    return this.send(state, 'm.room.topic', sender, { topic }, more)
  }

  /** A public room that Alice made and joined, and where `users` have these levels and are joined. */
  publicRoom(users: Record<UserId, number>): StateTrie {
    let state = this.send(this.created, memberOf(alice), alice, { membership: 'join' }, { prevEvents: [this.create.eventId] })
    const creators: JsonObject = this.rules.auth.privilegedCreators ? {} : { [alice]: 100 }
    state = this.levels(state, alice, { users: { ...creators, ...users } })
    state = this.joinRule(state, alice, 'public')
    for (const userId of Object.keys(users)) state = this.join(state, userId)
    return state
  }

  /** Resolves, and makes sure that every event is asked for at most once and that the order of states plays no part. */
  resolve(...states: readonly StateTrie[]): StateTrie {
    const { state } = runResolution(resolveState(this.rules, states), this.events)
    for (const order of [[...states].reverse(), [...states.slice(1), ...states.slice(0, 1)]]) {
      assert.deepEqual([...runResolution(resolveState(this.rules, order), this.events).state], [...state])
    }
    return state
  }

  /** The content of what `state` holds. */
  content(state: StateTrie, path: Path): JsonObject | undefined {
    return this.events.get(state.get(keyOf(path)) ?? '')?.event.content
  }
}

/** Runs a resolution against `events`; also says which IDs it asked for, batch by batch. */
export function runResolution(
  resolution: Resolving<StateTrie>,
  events: ReadonlyMap<EventId, ResolvableEvent>,
): { state: StateTrie; batches: EventId[][] } {
  const batches: EventId[][] = []
  let step = resolution.next()
  while (!step.done) {
    batches.push([...step.value])
    const found = step.value.flatMap((eventId): [EventId, ResolvableEvent][] => {
      const event = events.get(eventId)
      return event === undefined ? [] : [[eventId, event]]
    })
    step = resolution.next(new Map(found))
  }
  const asked = batches.flat()
  assert.equal(new Set(asked).size, asked.length)
  return { state: step.value, batches }
}
