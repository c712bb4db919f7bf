import { sha1 } from '@noble/hashes/legacy.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { expect, test } from 'vitest'
import { alice, bob, carol, dave, rulesFor } from './spec-room-fixture.ts'
import { keyOf, memberOf, StateGraph } from './spec-state-graph.ts'

const rules = rulesFor('1')
const ban = { membership: 'ban' }
const levelsOf = (levels: Record<string, number>) => ({ users: { [alice]: 100, ...levels } })

test('what only some states hold is no conflict', () => {
  const room = new StateGraph(rules)
  const base = room.publicRoom({ [bob]: 50 })
  const resolved = room.resolve(room.topic(base, dave, 'nobody may set this'), room.join(base, carol), base)
  expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'nobody may set this' })
  expect(room.content(resolved, memberOf(carol))).toEqual({ membership: 'join' })
})

test('power levels follow each other by depth as long as each is allowed by the one before', () => {
  const room = new StateGraph(rules)
  const base = room.publicRoom({ [bob]: 50 })
  const demoted = room.levels(base, alice, levelsOf({ [bob]: 0 }), { depth: 100 })
  const byBob = room.levels(base, bob, { ...levelsOf({ [bob]: 50 }), kick: 10 }, { depth: 101 })
  const byAlice = room.levels(base, alice, levelsOf({ [carol]: 1 }), { depth: 102 })
  expect(room.resolve(demoted, byBob).get(keyOf('m.room.power_levels'))).toBe(demoted.get(keyOf('m.room.power_levels')))
  // Bob's change ends the line: what comes after it is not looked at.
  expect(room.resolve(demoted, byBob, byAlice).get(keyOf('m.room.power_levels'))).toBe(demoted.get(keyOf('m.room.power_levels')))
  expect(room.resolve(demoted, byAlice).get(keyOf('m.room.power_levels'))).toBe(byAlice.get(keyOf('m.room.power_levels')))
})

test('the first in line holds even if the rules forbid it', () => {
  const room = new StateGraph(rules)
  const base = room.joinRule(room.publicRoom({}), alice, 'invite')
  const joined = room.join(base, carol, { depth: 50 })
  const banned = room.send(base, memberOf(carol), bob, ban, { depth: 51 })
  expect(room.content(room.resolve(joined, banned), memberOf(carol))).toEqual({ membership: 'join' })
})

test('join rules are settled by the settled power levels, members by both', () => {
  const room = new StateGraph(rules)
  const base = room.join(room.publicRoom({ [bob]: 50 }), carol)
  const demoted = room.levels(base, alice, levelsOf({ [bob]: 0 }), { depth: 100 })
  const byBob = room.send(room.joinRule(base, bob, 'invite', { depth: 200 }), memberOf(carol), bob, ban, { depth: 201 })
  const resolved = room.resolve(demoted, byBob)
  expect(room.content(resolved, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
  expect(room.content(resolved, memberOf(carol))).toEqual({ membership: 'join' })
})

test('of other events the deepest that is allowed is kept, of equally deep ones that with the lesser hash', () => {
  const room = new StateGraph(rules)
  const base = room.topic(room.publicRoom({ [bob]: 50 }), alice, 'base', { depth: 10 })
  const deep = room.topic(base, bob, 'deep', { depth: 90 })
  const forbidden = room.topic(base, carol, 'deepest, by an outsider', { depth: 91 })
  expect(room.content(room.resolve(base, deep, forbidden), 'm.room.topic')).toEqual({ topic: 'deep' })
  const twins = ['$a:example.org', '$b:example.org'].map((eventId) => room.topic(base, bob, eventId, { eventId, depth: 95 }))
  const [lesser] = ['$a:example.org', '$b:example.org'].sort((a, b) => (hash(a) < hash(b) ? -1 : 1))
  expect(room.content(room.resolve(...twins), 'm.room.topic')).toEqual({ topic: lesser })
})

function hash(eventId: string): string {
  return bytesToHex(sha1(utf8ToBytes(eventId)))
}

test('where none is allowed the shallowest is kept', () => {
  const room = new StateGraph(rules)
  const base = room.publicRoom({})
  const [shallow, deep] = [room.topic(base, carol, 'shallow', { depth: 10 }), room.topic(base, dave, 'deep', { depth: 11 })]
  expect(room.content(room.resolve(shallow, deep), 'm.room.topic')).toEqual({ topic: 'shallow' })
})

test('a ban wins against a change of profile beside it, however deep either lies', () => {
  for (const [ofBan, ofProfile] of [
    [50, 51],
    [51, 50],
  ]) {
    const room = new StateGraph(rules)
    const base = room.join(room.publicRoom({ [bob]: 50 }), carol)
    const banned = room.send(base, memberOf(carol), bob, ban, { depth: ofBan })
    const renamed = room.send(base, memberOf(carol), carol, { membership: 'join', displayname: 'C' }, { depth: ofProfile })
    expect(room.content(room.resolve(banned, renamed), memberOf(carol))).toEqual(ban)
  }
})

test('of two admins who ban each other nobody is banned: neither membership is settled when the other ban is judged', () => {
  const room = new StateGraph(rules)
  const base = room.publicRoom({ [bob]: 90, [carol]: 60 })
  const resolved = room.resolve(room.send(base, memberOf(carol), bob, ban), room.send(base, memberOf(bob), carol, ban))
  expect(room.content(resolved, memberOf(carol))).toEqual({ membership: 'join' })
  expect(room.content(resolved, memberOf(bob))).toEqual({ membership: 'join' })
})

test('states that are behind reset neither power levels nor members', () => {
  const room = new StateGraph(rules)
  const old = room.joinRule(room.join(room.publicRoom({ [bob]: 50 }), carol), alice, 'invite')
  let now = room.levels(old, alice, levelsOf({ [bob]: 50, [dave]: 10 }))
  now = room.levels(now, alice, levelsOf({ [bob]: 0 }))
  now = room.send(now, memberOf(carol), carol, { membership: 'join', displayname: 'C' })
  const resolved = room.resolve(old, now)
  expect([...resolved].sort()).toEqual([...now].sort())
})

test('a creator without power levels keeps her power whatever becomes of her membership', () => {
  const room = new StateGraph(rules)
  const joined = room.send(room.created, memberOf(alice), alice, { membership: 'join' }, { prevEvents: [room.create.eventId] })
  const base = room.join(room.joinRule(joined, alice, 'public'), bob)
  const renamed = room.send(base, memberOf(alice), alice, { membership: 'join', displayname: 'A' })
  const byBob = room.send(room.topic(base, bob, 'by bob', { depth: 90 }), memberOf(alice), bob, ban, { depth: 91 })
  const byAlice = room.topic(renamed, alice, 'by alice', { depth: 80 })
  const resolved = room.resolve(byAlice, byBob)
  expect(room.content(resolved, memberOf(alice))).toMatchObject({ membership: 'join', displayname: 'A' })
  expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'by alice' })
})

test('an event that was rejected in its place is judged like any other', () => {
  const room = new StateGraph(rules)
  const base = room.topic(room.publicRoom({ [bob]: 50 }), alice, 'base')
  const rejected = room.topic(base, bob, 'rejected in its place', { rejected: true })
  expect(room.content(room.resolve(base, rejected), 'm.room.topic')).toEqual({ topic: 'rejected in its place' })
})

test('of two create events, equally deep, that with the lesser hash is kept', () => {
  const room = new StateGraph(rules)
  const other = { ...room.create, eventId: '$other:example.org', sender: dave, content: { ...room.create.content, creator: dave } }
  room.add(other)
  const base = room.publicRoom({})
  const [lesser] = [room.create.eventId, other.eventId].sort((a, b) => (hash(a) < hash(b) ? -1 : 1))
  expect(room.resolve(base, base.set(keyOf('m.room.create'), other.eventId)).get(keyOf('m.room.create'))).toBe(lesser)
})
