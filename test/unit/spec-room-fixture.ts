import { type AuthSignatures, checkAuth, type Verdict } from '../../src/spec/auth-rules.ts'
import type { EventId, RoomEvent, UserId } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { type RoomVersionRules, roomVersions, rulesOf } from '../../src/spec/room-version.ts'

export const alice = '@alice:example.org'
export const bob = '@bob:example.org'
export const carol = '@carol:elsewhere.example'
export const dave = '@dave:elsewhere.example'

/** The rules of every room version. */
export const ruleSets: readonly RoomVersionRules[] = [...roomVersions.values()]

/** The rules of `version`. */
export function rulesFor(version: string): RoomVersionRules {
  const rules = rulesOf(version)
  if (rules === undefined) throw new Error(`there is no room version ${version}`)
  return rules
}

/** What a test says of an event; the rest does not matter to it. */
export interface Draft {
  type: string
  stateKey?: string
  sender?: UserId
  content?: JsonObject
  eventId?: EventId
  roomId?: string
  originServerTs?: number
  depth?: number
  prevEvents?: readonly EventId[]
  authEvents?: readonly EventId[]
  redacts?: EventId
  pdu?: JsonObject
}

let made = 0

/** The event of `draft`, sent by Alice unless it says otherwise, with a synthetic ID. */
export function eventOf(draft: Draft): RoomEvent {
  return {
    eventId: `$event${made++}:example.org`,
    roomId: '!room:example.org',
    sender: alice,
    content: {},
    originServerTs: 0,
    depth: 1,
    prevEvents: ['$previous'],
    authEvents: [],
    redacts: undefined,
    pdu: {},
    ...draft,
    stateKey: draft.stateKey,
  }
}

/** The create event of a room that Alice made, as the rules want it. */
export function createEvent(rules: RoomVersionRules, content: JsonObject = {}): RoomEvent {
  const creator: JsonObject = rules.auth.creatorInContent ? { creator: alice } : {}
  return eventOf({
    type: 'm.room.create',
    stateKey: '',
    eventId: '$room:example.org',
    content: { room_version: rules.version, ...creator, ...content },
    prevEvents: [],
  })
}

/** A room's state, where Alice, who made the room, is joined, to which a test adds what it needs. */
export class TestRoom {
  readonly rules: RoomVersionRules
  readonly create: RoomEvent
  readonly #state = new Map<string, RoomEvent>()

  constructor(rules: RoomVersionRules, createContent?: JsonObject) {
    this.rules = rules
    this.create = createEvent(rules, createContent)
    this.put(this.create)
    this.member(alice, 'join')
  }

  put(draft: Draft): this {
    this.#state.set(JSON.stringify([draft.type, draft.stateKey]), eventOf(draft))
    return this
  }

  member(userId: UserId, membership: string): this {
    return this.put({ type: 'm.room.member', stateKey: userId, sender: userId, content: { membership } })
  }

  joinRule(rule: string): this {
    return this.put({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: rule } })
  }

  levels(content: JsonObject): this {
    return this.put({ type: 'm.room.power_levels', stateKey: '', content })
  }

  readonly state = (type: string, stateKey: string): RoomEvent | undefined => this.#state.get(JSON.stringify([type, stateKey]))

  judge(draft: Draft, signatures?: AuthSignatures): Verdict {
    return checkAuth(this.rules, eventOf(draft), this.state, signatures)
  }

  allows(draft: Draft, signatures?: AuthSignatures): boolean {
    return this.judge(draft, signatures).allowed
  }

  /** Whether a change of `target`'s membership by `sender` is allowed. */
  allowsMember(sender: UserId, target: UserId, content: JsonObject): boolean {
    return this.allows({ type: 'm.room.member', stateKey: target, sender, content })
  }
}
