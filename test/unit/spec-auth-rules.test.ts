import { describe, expect, test } from 'vitest'
import { checkAuth } from '../../src/spec/auth-rules.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { alice, bob, carol, createEvent, type Draft, dave, eventOf, ruleSets, rulesFor, TestRoom } from './spec-room-fixture.ts'

const empty = () => undefined

describe.each(ruleSets.map((rules) => [rules.version, rules] as const))('room version %s', (version, rules) => {
  const allowsCreate = (content: JsonObject, change: Partial<Draft> = {}): boolean =>
    checkAuth(rules, { ...createEvent(rules, content), ...change }, empty).allowed

  test('a create event needs no state', () => {
    expect(allowsCreate({})).toBe(true)
  })

  test('a create event has no prev_events', () => {
    expect(allowsCreate({}, { prevEvents: ['$before'] })).toBe(false)
  })

  test('a create event is of the version by whose rules it is judged', () => {
    for (const other of ['', 'unknown', null, Number(version), version === '10' ? '11' : '10']) {
      expect(allowsCreate({ room_version: other })).toBe(false)
    }
  })

  test('until version 11 the room ID is of the server of the sender; from version 12 there is none', () => {
    expect(allowsCreate({}, { roomId: '!room:elsewhere.example' })).toBe(version === '12')
    expect(allowsCreate({}, { pdu: { room_id: '!room:example.org' } })).toBe(version !== '12')
  })

  test('until version 10 a create event names its creator', () => {
    const { creator, ...content } = createEvent(rules).content
    const nameless = eventOf({ type: 'm.room.create', stateKey: '', prevEvents: [], content })
    expect(creator === undefined).toBe(!rules.auth.creatorInContent)
    expect(checkAuth(rules, nameless, empty).allowed).toBe(!rules.auth.creatorInContent)
  })

  test('from version 12 additional creators are a list of user IDs', () => {
    for (const list of [[], [bob], [bob, carol]]) expect(allowsCreate({ additional_creators: list })).toBe(true)
    for (const list of [null, bob, {}, [1], ['bob'], [bob, '@bob'], [null], ['@bob:bad domain']]) {
      expect(allowsCreate({ additional_creators: list })).toBe(version !== '12')
    }
  })

  test('nothing but its creation happens in a room without a create event', () => {
    expect(checkAuth(rules, eventOf({ type: 'm.room.member', stateKey: alice, content: { membership: 'join' } }), empty).allowed).toBe(
      false,
    )
  })

  test('from version 12 the create event is the one after which the room is named', () => {
    const room = new TestRoom(rules)
    expect(room.allows({ type: 'm.room.message', roomId: '!other:example.org' })).toBe(version !== '12')
  })

  test('a room that is not federated is closed to other servers', () => {
    const closed = new TestRoom(rules, { 'm.federate': false }).joinRule('public').member(carol, 'join')
    expect(closed.allowsMember(bob, bob, { membership: 'join' })).toBe(true)
    expect(closed.allowsMember(dave, dave, { membership: 'join' })).toBe(false)
    expect(closed.allows({ type: 'm.room.message', sender: carol })).toBe(false)
    for (const federate of [true, 'false', null, 0]) {
      const open = new TestRoom(rules, { 'm.federate': federate }).joinRule('public')
      expect(open.allowsMember(dave, dave, { membership: 'join' })).toBe(true)
    }
  })

  test('until version 5 aliases are those of a server, and its users need not be in the room', () => {
    const room = new TestRoom(rules)
    const aliases = (sender: string, stateKey?: string) => room.allows({ type: 'm.room.aliases', sender, stateKey })
    expect(aliases(carol, 'elsewhere.example')).toBe(rules.auth.aliasesBelongToServer)
    expect(aliases(carol, 'example.org')).toBe(false)
    expect(aliases(alice, 'elsewhere.example')).toBe(!rules.auth.aliasesBelongToServer)
    expect(aliases(alice)).toBe(!rules.auth.aliasesBelongToServer)
  })

  test.each(['leave', 'invite', 'ban', 'knock'])('a user whose membership is %s sends nothing', (membership) => {
    const room = new TestRoom(rules).member(bob, membership)
    expect(room.allows({ type: 'm.room.message', sender: bob })).toBe(false)
    expect(room.member(bob, 'join').allows({ type: 'm.room.message', sender: bob })).toBe(true)
  })

  test('a user who was never in the room sends nothing', () => {
    expect(new TestRoom(rules).allows({ type: 'm.room.message', sender: bob })).toBe(false)
  })

  test('a third-party invite needs the invite level and nothing else', () => {
    const room = new TestRoom(rules).member(bob, 'join').levels({ invite: 20, users: { [bob]: 20 }, events_default: 50 })
    const draft = { type: 'm.room.third_party_invite', stateKey: 'token', sender: bob }
    expect(room.allows(draft)).toBe(true)
    expect(room.levels({ invite: 21, users: { [bob]: 20 } }).allows(draft)).toBe(false)
  })

  test('an event needs the level of its type: its own, that of state, or that of messages', () => {
    const room = new TestRoom(rules).member(bob, 'join')
    const allows = (level: number, content: JsonObject, draft: Draft) =>
      room.levels({ ...content, users: { [bob]: level } }).allows({ ...draft, sender: bob })
    const topic = { type: 'm.room.topic', stateKey: '' }
    expect([49, 50].map((level) => allows(level, {}, topic))).toEqual([false, true])
    expect([4, 5].map((level) => allows(level, { state_default: 5 }, topic))).toEqual([false, true])
    expect([6, 7].map((level) => allows(level, { events: { 'm.room.topic': 7 } }, topic))).toEqual([false, true])
    expect([-1, 0].map((level) => allows(level, {}, { type: 'm.room.message' }))).toEqual([false, true])
    expect([2, 3].map((level) => allows(level, { events_default: 3 }, { type: 'm.room.message' }))).toEqual([false, true])
  })

  test('event types that objects inherit have no level of their own', () => {
    const room = new TestRoom(rules).member(bob, 'join').levels({ events: {}, users: {} })
    for (const type of ['constructor', '__proto__', 'toString']) expect(room.allows({ type, sender: bob })).toBe(true)
  })

  test('without a power levels event the creator may do everything and others send no state', () => {
    const room = new TestRoom(rules).member(bob, 'join')
    const topic = { type: 'm.room.topic', stateKey: '' }
    expect(room.allows({ ...topic, sender: alice })).toBe(true)
    expect(room.allows({ ...topic, sender: bob })).toBe(false)
  })

  test('with a power levels event the creator keeps her power in version 12 alone', () => {
    const room = new TestRoom(rules).levels({ users: {} })
    expect(room.allows({ type: 'm.room.topic', stateKey: '' })).toBe(version === '12')
  })

  test('additional creators are creators in version 12 alone', () => {
    const room = new TestRoom(rules, { additional_creators: [bob] }).member(bob, 'join').levels({ users: {} })
    expect(room.allows({ type: 'm.room.topic', stateKey: '', sender: bob })).toBe(version === '12')
  })

  test("state under a user's name is that user's", () => {
    const room = new TestRoom(rules).member(bob, 'join').levels({ users: { [bob]: 100 } })
    expect(room.allows({ type: 'org.example', stateKey: bob, sender: bob })).toBe(true)
    expect(room.allows({ type: 'org.example', stateKey: alice, sender: bob })).toBe(false)
    expect(room.allows({ type: 'org.example', stateKey: '@', sender: bob })).toBe(false)
    expect(room.allows({ type: 'org.example', stateKey: `x${alice}`, sender: bob })).toBe(true)
  })

  test('until version 2 a redaction needs the redact level or an event of the same server', () => {
    const room = new TestRoom(rules).member(carol, 'join').levels({ users: {}, redact: 50 })
    const redaction = { type: 'm.room.redaction', sender: carol, eventId: '$redaction:elsewhere.example' }
    const checked = rules.auth.checksRedactions
    expect(room.allows({ ...redaction, redacts: '$own:elsewhere.example' })).toBe(true)
    expect(room.allows({ ...redaction, redacts: '$other:example.org' })).toBe(!checked)
    expect(room.allows(redaction)).toBe(!checked)
    room.levels({ users: { [carol]: 50 } })
    expect(room.allows({ ...redaction, redacts: '$other:example.org' })).toBe(true)
  })
})

test('an event type that the rules do not name needs its level alone', () => {
  const room = new TestRoom(rulesFor('12')).member(bob, 'join')
  expect(room.judge({ type: 'org.example.anything', sender: bob })).toEqual({ allowed: true })
})
