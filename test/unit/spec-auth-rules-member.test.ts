import { describe, expect, test } from 'vitest'
import type { AuthSignatures } from '../../src/spec/auth-rules.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { alice, bob, carol, dave, ruleSets, rulesFor, TestRoom } from './spec-room-fixture.ts'

const memberships = ['join', 'invite', 'leave', 'ban', 'knock']
const join = { membership: 'join' }
const leave = { membership: 'leave' }
const ban = { membership: 'ban' }
const invite = { membership: 'invite' }
const knock = { membership: 'knock' }

describe.each(ruleSets.map((rules) => [rules.version, rules] as const))('membership in room version %s', (version, rules) => {
  /** The memberships of Bob from which `content`, sent by Bob himself, is allowed. */
  const allowedFrom = (room: TestRoom, content: JsonObject): string[] =>
    memberships.filter((membership) => room.member(bob, membership).allowsMember(bob, bob, content))

  test('a membership event has a state key and a known membership', () => {
    const room = new TestRoom(rules)
    expect(room.allows({ type: 'm.room.member', content: leave })).toBe(false)
    const contents: JsonObject[] = [{}, { membership: null }, { membership: 'dance' }, { membership: ['join'] }]
    for (const content of contents) {
      expect(room.allowsMember(alice, alice, content)).toBe(false)
    }
  })

  describe('join', () => {
    test('the creator joins right after the creation, whatever the rules of joining', () => {
      const room = new TestRoom(rules)
      const first = { type: 'm.room.member', content: join, prevEvents: [room.create.eventId] }
      room.member(alice, 'leave').member(bob, 'leave')
      expect(room.allows({ ...first, stateKey: alice, sender: alice })).toBe(true)
      expect(room.allows({ ...first, stateKey: bob, sender: bob })).toBe(false)
      expect(room.allows({ ...first, stateKey: alice, prevEvents: [room.create.eventId, '$more'] })).toBe(false)
      expect(room.allows({ ...first, stateKey: alice, prevEvents: ['$later'] })).toBe(false)
    })

    test('the creator is the sender of the create event from version 11 on, the one it names before', () => {
      if (!rules.auth.creatorInContent) return expect(new TestRoom(rules, { creator: bob }).create.sender).toBe(alice)
      const room = new TestRoom(rules, { creator: bob })
      const first = { type: 'm.room.member', content: join, prevEvents: [room.create.eventId] }
      expect(room.allows({ ...first, stateKey: bob, sender: bob })).toBe(true)
      expect(room.member(alice, 'leave').allows({ ...first, stateKey: alice, sender: alice })).toBe(false)
    })

    test('additional creators do not join by that rule', () => {
      const room = new TestRoom(rules, { additional_creators: [bob] })
      const first = { type: 'm.room.member', content: join, prevEvents: [room.create.eventId] }
      expect(room.allows({ ...first, stateKey: bob, sender: bob })).toBe(false)
    })

    test('nobody joins for another', () => {
      expect(new TestRoom(rules).joinRule('public').allowsMember(alice, bob, join)).toBe(false)
    })

    test('a public room is open to all but the banned', () => {
      expect(allowedFrom(new TestRoom(rules).joinRule('public'), join)).toEqual(['join', 'invite', 'leave', 'knock'])
    })

    test('an invite-only room is open to the invited and the joined', () => {
      expect(allowedFrom(new TestRoom(rules).joinRule('invite'), join)).toEqual(['join', 'invite'])
    })

    test('a room without join rules is invite-only', () => {
      expect(allowedFrom(new TestRoom(rules), join)).toEqual(['join', 'invite'])
    })

    test('a room with the knock rule is invite-only, from version 7', () => {
      expect(allowedFrom(new TestRoom(rules).joinRule('knock'), join)).toEqual(rules.auth.knock ? ['join', 'invite'] : [])
    })

    test('under a rule that the version does not know nobody joins', () => {
      const room = new TestRoom(rules).joinRule('private')
      expect(allowedFrom(room, join)).toEqual([])
      expect(allowedFrom(room.put({ type: 'm.room.join_rules', stateKey: '', content: {} }), join)).toEqual([])
    })
  })

  describe.each([
    ['restricted', rules.auth.restricted],
    ['knock_restricted', rules.auth.knockRestricted],
  ])('join under the %s rule', (rule, isKnown) => {
    const signed: AuthSignatures = { authoriserSigned: true, thirdPartySigned: () => false }
    const allows = (room: TestRoom, authoriser: JsonObject, signatures?: AuthSignatures): boolean =>
      room.allows({ type: 'm.room.member', stateKey: bob, sender: bob, content: { ...join, ...authoriser } }, signatures)
    const authoriser = { join_authorised_via_users_server: alice }

    test('the invited and the joined need nobody', () => {
      expect(allowedFrom(new TestRoom(rules).joinRule(rule), join)).toEqual(isKnown ? ['join', 'invite'] : [])
    })

    test('others need a joined member who may invite, and the signature of its server', () => {
      const room = new TestRoom(rules).joinRule(rule).levels({ users: { [alice]: 50 }, invite: 50 })
      expect(allows(room, authoriser, signed)).toBe(isKnown)
      expect(allows(room, authoriser)).toBe(false)
      expect(allows(room, {}, signed)).toBe(false)
      expect(allows(room, { join_authorised_via_users_server: 1 }, signed)).toBe(false)
      expect(allows(room.member(alice, 'leave'), authoriser, signed)).toBe(false)
    })

    test('a member who may not invite authorises nobody', () => {
      const room = new TestRoom(rules).joinRule(rule).levels({ users: { [alice]: 49 }, invite: 50 })
      expect(allows(room, authoriser, signed)).toBe(isKnown && version === '12')
      room.member(dave, 'join')
      expect(allows(room, { join_authorised_via_users_server: dave }, signed)).toBe(false)
    })

    test('the banned stay out', () => {
      expect(allows(new TestRoom(rules).joinRule(rule).member(bob, 'ban'), authoriser, signed)).toBe(false)
    })
  })

  test('from version 8 every membership event that names an authorising user needs the signature', () => {
    const room = new TestRoom(rules).member(bob, 'join')
    const draft = { type: 'm.room.member', stateKey: bob, sender: bob, content: { ...leave, join_authorised_via_users_server: alice } }
    expect(room.allows(draft)).toBe(!rules.auth.restricted)
    expect(room.allows(draft, { authoriserSigned: true, thirdPartySigned: () => false })).toBe(true)
  })

  describe('invite', () => {
    test('by a joined user with the invite level', () => {
      const room = new TestRoom(rules).member(bob, 'join').levels({ users: { [bob]: 10 }, invite: 10 })
      expect(room.allowsMember(bob, carol, invite)).toBe(true)
      expect(room.levels({ users: { [bob]: 9 }, invite: 10 }).allowsMember(bob, carol, invite)).toBe(false)
      expect(
        room
          .levels({ users: { [bob]: 10 } })
          .member(bob, 'invite')
          .allowsMember(bob, carol, invite),
      ).toBe(false)
      expect(room.levels({ users: {} }).member(bob, 'join').allowsMember(bob, carol, invite)).toBe(true)
    })

    test('neither of the joined nor of the banned', () => {
      const room = new TestRoom(rules)
      const open = memberships.filter((membership) => room.member(carol, membership).allowsMember(alice, carol, invite))
      expect(open).toEqual(['invite', 'leave', 'knock'])
    })
  })

  describe('invite by a third party', () => {
    const offer = { type: 'm.room.third_party_invite', stateKey: 'token', sender: bob, content: { public_key: 'one' } }
    const signedPart = { mxid: carol, token: 'token', signatures: {} }
    const withSigned = (signed: JsonObject) => ({ ...invite, third_party_invite: { signed } })
    const allows = (room: TestRoom, content: JsonObject, keys = ['one']): boolean =>
      room.allows(
        { type: 'm.room.member', stateKey: carol, sender: bob, content },
        { authoriserSigned: false, thirdPartySigned: (_, publicKeys) => keys.some((key) => publicKeys.includes(key)) },
      )
    const room = () => new TestRoom(rules).put(offer)

    test('needs a signature by a key of the offer, and no membership of the sender', () => {
      expect(allows(room(), withSigned(signedPart))).toBe(true)
      expect(allows(room(), withSigned(signedPart), ['two'])).toBe(false)
      expect(room().allowsMember(bob, carol, withSigned(signedPart))).toBe(false)
    })

    test('takes any of the public keys that the offer lists', () => {
      const listed = room().put({
        ...offer,
        content: { public_keys: [{ public_key: 'two' }, null, 'x', { public_key: 3 }, { public_key: 'one' }] },
      })
      expect(allows(listed, withSigned(signedPart))).toBe(true)
      expect(allows(listed, withSigned(signedPart), ['two'])).toBe(true)
      expect(allows(room().put({ ...offer, content: {} }), withSigned(signedPart))).toBe(false)
    })

    test('hands the signed part as it is to the check of the signature', () => {
      let seen: JsonObject | undefined
      const thirdPartySigned = (signed: JsonObject) => {
        seen = signed
        return true
      }
      const draft = { type: 'm.room.member', stateKey: carol, sender: bob, content: withSigned(signedPart) }
      expect(room().allows(draft, { authoriserSigned: false, thirdPartySigned })).toBe(true)
      expect(seen).toBe(signedPart)
    })

    test('is for the target, by the sender of the offer, with its token', () => {
      expect(allows(room(), withSigned({ ...signedPart, mxid: dave }))).toBe(false)
      expect(allows(room(), withSigned({ ...signedPart, token: 'other' }))).toBe(false)
      expect(allows(room().put({ ...offer, sender: alice }), withSigned(signedPart))).toBe(false)
    })

    test('is complete', () => {
      const invites: JsonValue[] = [null, {}, { signed: 1 }]
      for (const third_party_invite of invites) {
        expect(allows(room(), { ...invite, third_party_invite })).toBe(false)
      }
      expect(allows(room(), withSigned({ token: 'token' }))).toBe(false)
      expect(allows(room(), withSigned({ mxid: carol }))).toBe(false)
    })

    test('does not bring the banned back', () => {
      expect(allows(room().member(carol, 'ban'), withSigned(signedPart))).toBe(false)
    })
  })

  test('users leave who are joined or invited, or knock from version 7', () => {
    expect(allowedFrom(new TestRoom(rules), leave)).toEqual(rules.auth.knock ? ['join', 'invite', 'knock'] : ['join', 'invite'])
    expect(new TestRoom(rules).allowsMember(dave, dave, leave)).toBe(false)
  })

  describe('kick', () => {
    const room = (own: number, target: number, content: JsonObject = {}) =>
      new TestRoom(rules)
        .member(bob, 'join')
        .member(carol, 'join')
        .levels({ users: { [bob]: own, [carol]: target }, kick: 30, ...content })

    test('by a joined user with the kick level above the target', () => {
      expect(room(30, 29).allowsMember(bob, carol, leave)).toBe(true)
      expect(room(29, 0).allowsMember(bob, carol, leave)).toBe(false)
      expect(room(30, 30).allowsMember(bob, carol, leave)).toBe(false)
      expect(room(30, 29).member(bob, 'invite').allowsMember(bob, carol, leave)).toBe(false)
    })

    test('lifts a ban only with the ban level as well', () => {
      expect(room(50, 0, { ban: 50 }).member(carol, 'ban').allowsMember(bob, carol, leave)).toBe(true)
      expect(room(49, 0, { ban: 50 }).member(carol, 'ban').allowsMember(bob, carol, leave)).toBe(false)
      expect(room(50, 0, { ban: 50, kick: 60 }).member(carol, 'ban').allowsMember(bob, carol, leave)).toBe(false)
    })
  })

  test('ban by a joined user with the ban level above the target', () => {
    const room = (own: number, target: number) =>
      new TestRoom(rules).member(bob, 'join').levels({ users: { [bob]: own, [carol]: target }, ban: 30 })
    expect(room(30, 29).allowsMember(bob, carol, ban)).toBe(true)
    expect(room(29, 0).allowsMember(bob, carol, ban)).toBe(false)
    expect(room(30, 30).allowsMember(bob, carol, ban)).toBe(false)
    expect(room(30, 29).member(bob, 'leave').allowsMember(bob, carol, ban)).toBe(false)
  })

  test('a creator is out of reach of everyone from version 12', () => {
    const room = new TestRoom(rules).member(bob, 'join').levels({ users: { [bob]: 9_007_199_254_740_991 } })
    expect(room.allowsMember(bob, alice, leave)).toBe(version !== '12')
    expect(room.allowsMember(bob, alice, ban)).toBe(version !== '12')
  })

  test('creators do not throw each other out', () => {
    const room = new TestRoom(rules, { additional_creators: [bob] }).member(bob, 'join')
    if (version === '12') expect(room.allowsMember(alice, bob, ban)).toBe(false)
    else expect(room.allowsMember(alice, bob, ban)).toBe(true)
  })

  test('users knock for themselves unless banned, invited or joined, where the version and the rule let them', () => {
    for (const [rule, isKnown] of [
      ['knock', rules.auth.knock],
      ['knock_restricted', rules.auth.knockRestricted],
      ['invite', false],
      ['public', false],
      ['restricted', false],
    ] as const) {
      const room = new TestRoom(rules).joinRule(rule)
      expect(allowedFrom(room, knock)).toEqual(isKnown ? ['leave', 'knock'] : [])
      expect(room.member(bob, 'leave').allowsMember(alice, bob, knock)).toBe(false)
    }
    expect(allowedFrom(new TestRoom(rules), knock)).toEqual([])
  })
})

test('a refusal says why', () => {
  const room = new TestRoom(rulesFor('12')).joinRule('public').member(bob, 'ban')
  const verdict = room.judge({ type: 'm.room.member', stateKey: bob, sender: bob, content: join })
  expect(verdict).toEqual({ allowed: false, reason: 'the sender is banned' })
})
