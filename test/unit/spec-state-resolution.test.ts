import { describe, expect, test } from 'vitest'
import { resolveState } from '../../src/spec/state-resolution.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import { alice, bob, carol, dave, rulesFor } from './spec-room-fixture.ts'
import { keyOf, memberOf, runResolution, StateGraph } from './spec-state-graph.ts'

const leave = { membership: 'leave' }
const ban = { membership: 'ban' }

describe.each(['2', '6', '10', '11', '12'])('state resolution v2 and v2.1 in room version %s', (version) => {
  const rules = rulesFor(version)
  const graph = (createContent?: Record<string, string[]>) => new StateGraph(rules, createContent)
  /** Users' levels with Alice's, where she needs to be named. */
  const users = (levels: Record<string, number>) => ({ users: version === '12' ? levels : { [alice]: 100, ...levels } })

  test('no states resolve to none, one to itself, equal ones to the same', () => {
    const room = graph()
    const state = room.publicRoom({ [bob]: 50 })
    expect(room.resolve().size).toBe(0)
    expect(room.resolve(state)).toBe(state)
    expect(room.resolve(state, StateTrie.from(state), state).root).toBe(state.root)
  })

  test('what one branch adds and none forbids is kept', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const left = room.topic(base, bob, 'news')
    const right = room.join(base, carol)
    const resolved = room.resolve(left, right)
    expect([...resolved].sort()).toEqual([...left.with(right)].sort())
  })

  test('a ban wins against a join that did not know of it', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const banned = room.send(base, memberOf(carol), bob, ban)
    const joined = room.join(base, carol)
    expect(room.content(room.resolve(banned, joined), memberOf(carol))).toEqual(ban)
  })

  test('a ban wins against a change of profile sent later by the clock', () => {
    const room = graph()
    const base = room.join(room.publicRoom({ [bob]: 50 }), carol)
    const banned = room.send(base, memberOf(carol), bob, ban, { originServerTs: 10 })
    const renamed = room.send(base, memberOf(carol), carol, { membership: 'join', displayname: 'C' }, { originServerTs: 99 })
    expect(room.content(room.resolve(banned, renamed), memberOf(carol))).toEqual(ban)
  })

  test('a kick of a user who at the same time says something undoes what the user said', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50, [carol]: 50 })
    const kicked = room.send(room.topic(base, alice, 'old'), memberOf(carol), alice, leave)
    const spoken = room.topic(base, carol, 'new')
    const resolved = room.resolve(kicked, spoken)
    expect(room.content(resolved, memberOf(carol))).toEqual(leave)
    expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'old' })
  })

  test('a user who was demoted keeps no topic that was set beside the demotion', () => {
    const room = graph()
    const base = room.topic(room.publicRoom({ [bob]: 50 }), alice, 'old')
    const demoted = room.levels(base, alice, users({ [bob]: 0 }))
    const topic = room.topic(base, bob, 'new')
    expect(room.content(room.resolve(demoted, topic), 'm.room.topic')).toEqual({ topic: 'old' })
  })

  test('a topic set before its sender was demoted stays where all branches have it, and is lost where one lacks it', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const topic = room.topic(base, bob, 'topic')
    const demoted = room.levels(topic, alice, users({ [bob]: 0 }))
    expect(room.content(room.resolve(demoted, room.join(topic, carol)), 'm.room.topic')).toEqual({ topic: 'topic' })
    expect(room.resolve(demoted, room.join(base, carol)).has(keyOf('m.room.topic'))).toBe(false)
  })

  test('of two changes of power levels that of the more powerful sender comes first and may forbid the other', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const byBob = room.levels(base, bob, users({ [bob]: 50, [carol]: 50 }), { originServerTs: 0 })
    const byAlice = room.levels(base, alice, users({ [bob]: 0 }), { originServerTs: 9 })
    expect(room.content(room.resolve(byBob, byAlice), 'm.room.power_levels')).toEqual(users({ [bob]: 0 }))
  })

  test('of two changes that both are allowed in turn the less powerful sender has the last word', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const byBob = room.levels(base, bob, { ...users({ [bob]: 50 }), kick: 40 })
    const byAlice = room.levels(base, alice, { ...users({ [bob]: 50 }), kick: 45 })
    expect(room.content(room.resolve(byBob, byAlice), 'm.room.power_levels')).toMatchObject({ kick: 40 })
  })

  test('between equals the later by the clock has the last word, then the greater event ID', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50, [carol]: 50 })
    const levels = { users: room.content(base, 'm.room.power_levels')?.users ?? {} }
    const late = room.levels(base, bob, { ...levels, kick: 40 }, { originServerTs: 1000 })
    const early = room.levels(base, carol, { ...levels, kick: 45 }, { originServerTs: 999 })
    expect(room.content(room.resolve(late, early), 'm.room.power_levels')).toMatchObject({ kick: 40 })
    const [a, b] = ['$a', '$b'].map((eventId, kick) => room.levels(base, bob, { ...levels, kick }, { eventId, originServerTs: 2000 }))
    expect(room.resolve(a ?? base, b ?? base).get(keyOf('m.room.power_levels'))).toBe('$b')
  })

  test('an event comes after those that it cites, whatever its clock says', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 100, [carol]: 50 })
    const first = room.levels(base, alice, { ...users({ [bob]: 100, [carol]: 50 }), kick: 40 }, { originServerTs: 500 })
    const second = room.levels(first, bob, { ...users({ [bob]: 100, [carol]: 50 }), kick: 30 }, { originServerTs: 1 })
    expect(room.content(room.resolve(base, second), 'm.room.power_levels')).toMatchObject({ kick: 30 })
  })

  test('closing the room undoes a join that did not know of it', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const closed = room.joinRule(base, alice, 'invite')
    const joined = room.topic(room.join(base, carol), alice, 'beside')
    const resolved = room.resolve(closed, joined)
    expect(resolved.has(keyOf(memberOf(carol)))).toBe(false)
    expect(room.content(resolved, 'm.room.join_rules')).toEqual({ join_rule: 'invite' })
    expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'beside' })
  })

  test('closing the room leaves those in it who were there before', () => {
    const room = graph()
    const base = room.join(room.publicRoom({}), carol)
    const closed = room.joinRule(base, alice, 'invite')
    const renamed = room.send(base, memberOf(carol), carol, { membership: 'join', displayname: 'C' })
    expect(room.content(room.resolve(closed, renamed), memberOf(carol))).toMatchObject({ displayname: 'C' })
  })

  test('two admins who ban each other: the first by power, then by the clock, prevails', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 90, [carol]: 60 })
    const byBob = room.send(base, memberOf(carol), bob, ban)
    const byCarol = room.send(base, memberOf(bob), carol, ban)
    const resolved = room.resolve(byBob, byCarol)
    expect(room.content(resolved, memberOf(carol))).toEqual(ban)
    expect(room.content(resolved, memberOf(bob))).toEqual({ membership: 'join' })
  })

  test('topics are ordered by the power levels they rest on before the clock', () => {
    const room = graph()
    const base = room.topic(room.publicRoom({ [bob]: 50 }), alice, 'base')
    const old = room.topic(base, bob, 'old levels, late clock', { originServerTs: 9999 })
    const levels = room.levels(base, alice, users({ [bob]: 50, [carol]: 10 }))
    const fresh = room.topic(levels, bob, 'new levels, early clock', { originServerTs: 1 })
    expect(room.content(room.resolve(old, fresh), 'm.room.topic')).toEqual({ topic: 'new levels, early clock' })
  })

  test('of topics on the same power levels the later by the clock is kept', () => {
    const room = graph()
    const base = room.topic(room.publicRoom({ [bob]: 50 }), alice, 'base')
    const late = room.topic(base, bob, 'late', { originServerTs: 101 })
    const early = room.topic(base, bob, 'early', { originServerTs: 100 })
    expect(room.content(room.resolve(late, early), 'm.room.topic')).toEqual({ topic: 'late' })
    expect(room.content(room.resolve(base, late, early), 'm.room.topic')).toEqual({ topic: 'late' })
  })

  test('what was decided on another branch of power levels does not reset the room', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    let busy = base
    for (let step = 0; step < 5; step++) busy = room.levels(busy, alice, users({ [bob]: 50, [carol]: step }))
    busy = room.topic(busy, bob, 'busy')
    const idle = room.topic(base, bob, 'idle', { originServerTs: 9999 })
    const resolved = room.resolve(busy, idle)
    expect(resolved.get(keyOf('m.room.power_levels'))).toBe(busy.get(keyOf('m.room.power_levels')))
    expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'busy' })
  })

  test('three branches resolve as one, in any order', () => {
    const room = graph()
    const base = room.join(room.publicRoom({ [bob]: 50 }), dave)
    const resolved = room.resolve(
      room.send(base, memberOf(dave), alice, ban),
      room.topic(base, bob, 'topic'),
      room.levels(room.join(base, carol), alice, users({ [bob]: 10 })),
    )
    expect(room.content(resolved, memberOf(dave))).toEqual(ban)
    expect(room.content(resolved, memberOf(carol))).toEqual({ membership: 'join' })
    expect(resolved.has(keyOf('m.room.topic'))).toBe(false)
  })

  test('what all states hold under a key they keep, even if resolution would forbid it', () => {
    const room = graph()
    const base = room.topic(room.publicRoom({ [bob]: 50 }), dave, 'nobody may set this')
    const resolved = room.resolve(room.join(base, carol), room.send(base, 'm.room.name', bob, { name: 'name' }))
    expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'nobody may set this' })
  })

  test('events that cannot be found count for nothing', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const lost = room.topic(base, bob, 'lost')
    room.events.delete(lost.get(keyOf('m.room.topic')) ?? '')
    expect(room.resolve(lost, room.join(base, carol)).has(keyOf('m.room.topic'))).toBe(false)
  })

  test('an event that was rejected in its place may hold in the resolved state', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const rejected = room.topic(base, bob, 'rejected in its place', { rejected: true })
    expect(room.content(room.resolve(base, rejected), 'm.room.topic')).toEqual({ topic: 'rejected in its place' })
  })

  test.each([true, false])('an auth event stands in for what the state lacks, unless it was rejected: %s', (rejected) => {
    const room = graph()
    const key = keyOf(['org.example', carol])
    const open = room.levels(room.publicRoom({}), alice, { ...users({}), state_default: 0 })
    const closed = room.joinRule(open, alice, 'invite')
    const joined = room.join(closed, carol, { rejected })
    const right = closed.with([...room.send(joined, ['org.example', carol], carol)].filter(([other]) => other === key))
    const resolved = room.resolve(room.topic(closed, alice, 'topic'), right)
    expect(resolved.has(keyOf(memberOf(carol)))).toBe(false)
    expect(resolved.has(key)).toBe(!rejected)
  })

  test('a creator who leaves is gone, and what she did beside that stays', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const left = room.send(base, memberOf(alice), alice, leave)
    const acted = room.levels(base, alice, users({ [bob]: 60 }))
    const resolved = room.resolve(left, acted)
    expect(room.content(resolved, memberOf(alice))).toEqual(leave)
    expect(room.content(resolved, 'm.room.power_levels')).toEqual(users({ [bob]: 60 }))
  })

  test('a rejected event of the auth chains that gives power gives none', () => {
    const room = graph()
    const base = room.publicRoom({ [bob]: 50 })
    const greedy = room.levels(base, carol, users({ [carol]: 100 }), { rejected: true })
    const topic = room.topic(room.join(greedy, carol), carol, 'by carol')
    const resolved = room.resolve(room.topic(base, bob, 'by bob'), topic)
    expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'by bob' })
    expect(room.content(resolved, 'm.room.power_levels')).toEqual(users({ [bob]: 50 }))
  })

  test('a room without power levels lets its creator alone change the state', () => {
    const room = graph()
    const base = room.joinRule(
      room.send(room.created, memberOf(alice), alice, { membership: 'join' }, { prevEvents: [room.create.eventId] }),
      alice,
      'public',
    )
    const both = room.join(base, bob)
    const resolved = room.resolve(room.topic(both, bob, 'by bob', { originServerTs: 99 }), room.topic(both, alice, 'by alice'))
    expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'by alice' })
  })

  test('a change on one side of a large room asks for a few events', () => {
    const room = graph()
    let state = room.publicRoom({ [bob]: 50 })
    for (let n = 0; n < 2000; n++) state = room.join(state, `@user${n}:example.org`)
    const resolution = resolveState(rules, [room.topic(state, bob, 'topic'), room.join(state, carol)])
    expect(runResolution(resolution, room.events).batches.flat().length).toBeLessThan(20)
  })
})

test.each(['2', '6', '11'])('of two create events in room version %s the later by the clock is kept', (version) => {
  const room = new StateGraph(rulesFor(version))
  const other = { ...room.create, eventId: '$other:example.org', originServerTs: 99 }
  room.add(other)
  const base = room.publicRoom({})
  const key = keyOf('m.room.create')
  expect(room.resolve(base, base.set(key, other.eventId)).get(key)).toBe(other.eventId)
})

describe('state resolution v2.1', () => {
  const users = (levels: Record<string, number>) => ({ users: levels })

  test('creators come first in the order of power', () => {
    const room = new StateGraph(rulesFor('12'), { additional_creators: [bob] })
    const base = room.publicRoom({ [carol]: 2 ** 53 - 1 })
    const joined = room.join(base, bob)
    const byCarol = room.levels(joined, carol, { users: { [carol]: 2 ** 53 - 1, [dave]: 100 } }, { originServerTs: 0 })
    const byBob = room.levels(joined, bob, users({ [carol]: 0 }), { originServerTs: 999 })
    expect(room.content(room.resolve(byCarol, byBob), 'm.room.power_levels')).toEqual(users({ [carol]: 0 }))
  })

  test('no power reaches a creator', () => {
    const room = new StateGraph(rulesFor('12'))
    const base = room.publicRoom({ [carol]: 2 ** 53 - 1 })
    const banned = room.send(base, memberOf(alice), carol, ban)
    const topic = room.topic(base, alice, 'topic')
    const resolved = room.resolve(banned, topic)
    expect(room.content(resolved, memberOf(alice))).toEqual({ membership: 'join' })
    expect(room.content(resolved, 'm.room.topic')).toEqual({ topic: 'topic' })
  })

  /** Bob got his power by the second power levels and used it for the third; one server still thinks the first to be in force. */
  function forgottenLevels(version: string) {
    const room = new StateGraph(rulesFor(version))
    const named: Record<string, number> = version === '12' ? {} : { [alice]: 100 }
    const base = room.publicRoom({ [carol]: 0 })
    const second = room.levels(room.join(base, bob), alice, users({ ...named, [carol]: 0, [bob]: 50 }))
    // Both states hold an event that cites the second levels, so these are in both auth chains.
    const both = (state: StateTrie) => state.with([...room.join(second, dave)].filter(([key]) => key === keyOf(memberOf(dave))))
    const third = room.levels(second, bob, users({ ...named, [carol]: 10, [bob]: 50 }))
    const stale = second.with([...base].filter(([key]) => key === keyOf('m.room.power_levels')))
    return { room, third, resolved: room.resolve(both(third), both(stale)) }
  }

  test('replays what lies between conflicting events: version 12 does not fall back where version 11 does', () => {
    const levels = keyOf('m.room.power_levels')
    const newer = forgottenLevels('12')
    expect(newer.resolved.get(levels)).toBe(newer.third.get(levels))
    const older = forgottenLevels('11')
    expect(older.resolved.get(levels)).not.toBe(older.third.get(levels))
  })

  test('judges by what events cite, not by what the states agree on', () => {
    const outcome = (version: string) => {
      const room = new StateGraph(rulesFor(version))
      const base = room.publicRoom({ [bob]: 50 })
      const closed = room.joinRule(base, alice, 'invite')
      const joined = closed.with([...room.join(base, carol)].filter(([key]) => key === keyOf(memberOf(carol))))
      return room.content(room.resolve(closed, joined), memberOf(carol))
    }
    expect(outcome('12')).toEqual({ membership: 'join' })
    expect(outcome('11')).toBeUndefined()
  })
})

describe('third-party invites in resolution', () => {
  const offer = (graph: StateGraph, state: StateTrie, key: string) =>
    graph.send(state, ['m.room.third_party_invite', 'token'], alice, { public_key: key })
  const signed = { mxid: carol, token: 'token', signatures: {} }

  test('stand by the offer that they cite, and by another only if it verifies', () => {
    const room = new StateGraph(rulesFor('12'))
    const first = offer(room, room.publicRoom({}), 'one')
    const invited = room.send(
      first,
      memberOf(carol),
      alice,
      { membership: 'invite', third_party_invite: { signed } },
      { originServerTs: 999 },
    )
    expect(room.content(room.resolve(first, invited), memberOf(carol))).toMatchObject({ membership: 'invite' })
    const replaced = offer(room, first, 'two')
    expect(room.resolve(replaced, invited).has(keyOf(memberOf(carol)))).toBe(false)
    const verified = resolveState(room.rules, [replaced, invited], (part, keys) => part === signed && keys.includes('two'))
    expect(runResolution(verified, room.events).state.has(keyOf(memberOf(carol)))).toBe(true)
  })
})
