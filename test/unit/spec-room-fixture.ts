import { type AuthSignatures, checkAuth, type Verdict } from '../../src/spec/auth-rules.ts'
import type { EventId, RoomEvent, UserId } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { type AuthRules, type RoomVersionRules, rulesOf } from '../../src/spec/room-version.ts'

export const alice = '@alice:example.org'
export const bob = '@bob:example.org'
export const carol = '@carol:elsewhere.example'
export const dave = '@dave:elsewhere.example'

function served(version: string): RoomVersionRules {
  const rules = rulesOf(version)
  if (rules === undefined) throw new Error(`room version ${version} is not served`)
  return rules
}

function older(newer: RoomVersionRules, version: string, auth: Partial<AuthRules>): RoomVersionRules {
  return { ...newer, version, auth: { ...newer.auth, ...auth } }
}

const v12 = served('12')
const v11 = served('11')
const v10 = served('10')
const v9 = older(v10, '9', { knockRestricted: false, integerPowerLevels: false })
const v7 = older(v9, '7', { restricted: false })
const v6 = older(v7, '6', { knock: false })
const v5 = older(v6, '5', { aliasesBelongToServer: true, guardsNotificationLevels: false })
const v2 = { ...older(v5, '2', { checksRedactions: true }), eventId: 'chosen' as const }
const v1 = { ...older(v2, '1', {}), stateResolution: 'v1' as const }

/** A room version for each change that the authorisation rules and the state resolution went through. */
export const ruleSets: readonly RoomVersionRules[] = [v1, v2, v5, v6, v7, v9, v10, v11, v12]

/** The rules of `version`, one of those in {@link ruleSets}. */
export function rulesFor(version: string): RoomVersionRules {
  const rules = ruleSets.find((candidate) => candidate.version === version)
  if (rules === undefined) throw new Error(`no rules for room version ${version}`)
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
