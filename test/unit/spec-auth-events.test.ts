import { describe, expect, test } from 'vitest'
import { authEventKeys } from '../../src/spec/auth-events.ts'
import { checkAuthEvents } from '../../src/spec/auth-rules.ts'
import { splitStateKey } from '../../src/spec/event.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { alice, bob, carol, createEvent, type Draft, eventOf, ruleSets, rulesFor } from './spec-room-fixture.ts'

const create = 'm.room.create|'
const levels = 'm.room.power_levels|'
const joinRules = 'm.room.join_rules|'
const of = (user: string): string => `m.room.member|${user}`

function selected(version: string, draft: Draft): string[] {
  return authEventKeys(rulesFor(version), eventOf(draft)).map((key) => {
    const { type, stateKey } = splitStateKey(key)
    return `${type}|${stateKey}`
  })
}

function selectedForMember(version: string, content: JsonObject): string[] {
  return selected(version, { type: 'm.room.member', stateKey: bob, content }).sort()
}

describe('authEventKeys', () => {
  test('a message cites the power levels, its sender and, until version 11, the create event', () => {
    for (const { version } of ruleSets) {
      const expected = [levels, of(alice), ...(version === '12' ? [] : [create])]
      expect(selected(version, { type: 'm.room.message' }).sort()).toEqual(expected.sort())
    }
  })

  test('the create event cites nothing', () => {
    for (const { version } of ruleSets) expect(selected(version, { type: 'm.room.create', stateKey: '' })).toEqual([])
  })

  test('a membership event cites its target, and the join rules where it adds somebody', () => {
    for (const membership of ['join', 'invite', 'knock']) {
      expect(selectedForMember('12', { membership })).toEqual([joinRules, levels, of(alice), of(bob)].sort())
    }
    for (const membership of ['leave', 'ban', 'dance']) {
      expect(selectedForMember('12', { membership })).toEqual([levels, of(alice), of(bob)].sort())
    }
  })

  test('a member who acts for herself is cited once', () => {
    const draft = { type: 'm.room.member', stateKey: alice, content: { membership: 'join' } }
    expect(selected('12', draft).sort()).toEqual([joinRules, levels, of(alice)].sort())
  })

  test('an invite by a third party cites its token, another membership does not', () => {
    const content = { third_party_invite: { signed: { token: 'abc', mxid: bob } } }
    expect(selectedForMember('10', { membership: 'invite', ...content })).toContain('m.room.third_party_invite|abc')
    expect(selectedForMember('10', { membership: 'join', ...content }).join()).not.toContain('third_party')
  })

  test('a third-party invite whose token is no string cites none', () => {
    const invites: JsonValue[] = [null, 'x', {}, { signed: null }, { signed: { token: 1 } }]
    for (const invite of invites) {
      expect(selectedForMember('10', { membership: 'invite', third_party_invite: invite }).join()).not.toContain('third_party')
    }
  })

  test('a restricted join cites who authorised it, from version 8', () => {
    const content = { membership: 'join', join_authorised_via_users_server: carol }
    expect(selectedForMember('9', content)).toContain(of(carol))
    expect(selectedForMember('7', content)).not.toContain(of(carol))
    expect(selectedForMember('12', { ...content, membership: 'leave' })).not.toContain(of(carol))
    expect(selectedForMember('12', { ...content, join_authorised_via_users_server: 7 })).toHaveLength(4)
  })
})

describe('checkAuthEvents', () => {
  const message = eventOf({ type: 'm.room.message' })
  const accepted = (draft: Draft) => ({ event: eventOf(draft), rejected: false })
  const powerLevels = accepted({ type: 'm.room.power_levels', stateKey: '' })
  const member = accepted({ type: 'm.room.member', stateKey: alice })
  const rules11 = rulesFor('11')
  const made = { event: createEvent(rules11), rejected: false }

  test('allows the events that the selection names, all or some of them', () => {
    expect(checkAuthEvents(rules11, message, [made, powerLevels, member])).toEqual({ allowed: true })
    expect(checkAuthEvents(rules11, message, [made])).toEqual({ allowed: true })
  })

  test.each([
    ['no create event', [powerLevels, member]],
    ['the same key twice', [made, member, accepted({ type: 'm.room.member', stateKey: alice })]],
    ['the same event twice', [made, member, member]],
    ['an event that the selection does not name', [made, accepted({ type: 'm.room.member', stateKey: bob })]],
    ['an event without a state key', [made, accepted({ type: 'm.room.power_levels' })]],
    ['a rejected event', [made, { ...member, rejected: true }]],
    ['an event of another room', [made, accepted({ type: 'm.room.member', stateKey: alice, roomId: '!other:example.org' })]],
  ])('rejects %s', (_, authEvents) => {
    expect(checkAuthEvents(rules11, message, authEvents).allowed).toBe(false)
  })

  describe('in version 12', () => {
    const rules = rulesFor('12')

    test('wants the accepted create event after which the room is named', () => {
      expect(checkAuthEvents(rules, message, [powerLevels, member], made).allowed).toBe(true)
      expect(checkAuthEvents(rules, message, [powerLevels, member]).allowed).toBe(false)
      expect(checkAuthEvents(rules, message, [powerLevels, member], { ...made, rejected: true }).allowed).toBe(false)
      const other = { event: { ...made.event, eventId: '$other' }, rejected: false }
      expect(checkAuthEvents(rules, message, [powerLevels, member], other).allowed).toBe(false)
      const notCreate = { event: { ...made.event, type: 'm.room.name' }, rejected: false }
      expect(checkAuthEvents(rules, message, [powerLevels, member], notCreate).allowed).toBe(false)
    })

    test('rejects an event that cites the create event', () => {
      expect(checkAuthEvents(rules, message, [made, member], made).allowed).toBe(false)
    })

    test('allows the create event itself', () => {
      expect(checkAuthEvents(rules, createEvent(rules), []).allowed).toBe(true)
    })
  })
})
