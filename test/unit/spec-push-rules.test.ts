import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { powerLevelsOf } from '../../src/spec/power-levels.ts'
import { readPropertyPath } from '../../src/spec/property-path.ts'
import { defaultPushRules } from '../../src/spec/push-rule-defaults.ts'
import { evaluatePushRules, type PushContext, type PushRule, type PushRuleKind } from '../../src/spec/push-rules.ts'
import { draftEvent, type EventDraft } from './spec-event.ts'
import { rulesOfVersion } from './spec-rules.ts'

const bob = '@bob:hs1'
const powerLevels = powerLevelsOf(
  rulesOfVersion('11'),
  undefined,
  draftEvent({ type: 'm.room.power_levels', stateKey: '', content: { users: { '@mod:hs1': 50 } } }),
)
const inGroup: PushContext = { userId: bob, displayName: 'Bob *', memberCount: 5, powerLevels }
const text = (body: JsonValue, more: JsonObject = {}): EventDraft => ({
  type: 'm.room.message',
  content: { msgtype: 'm.text', body, ...more },
})

/** What the default rules make of an event: the rule and whether it notifies and highlights. */
function byDefault(draft: EventDraft, context: PushContext = inGroup) {
  const verdict = evaluatePushRules(defaultPushRules(bob), draftEvent(draft), context)
  return verdict && [verdict.ruleId, verdict.notify, verdict.highlight]
}

describe('by the default rules', () => {
  const mentionsBob = { 'm.mentions': { user_ids: ['@x:hs1', bob] } }
  const table: [string, EventDraft, unknown][] = [
    ['a message', text('hi'), ['.m.rule.message', true, false]],
    ['a notice', text('hi', { msgtype: 'm.notice' }), ['.m.rule.suppress_notices', false, false]],
    ['an invite', { type: 'm.room.member', stateKey: bob, content: { membership: 'invite' } }, ['.m.rule.invite_for_me', true, false]],
    [
      "another's invite",
      { type: 'm.room.member', stateKey: '@x:hs1', content: { membership: 'invite' } },
      ['.m.rule.member_event', false, false],
    ],
    ['a mention', text('hi', mentionsBob), ['.m.rule.is_user_mention', true, true]],
    ['a notice that mentions', text('hi', { ...mentionsBob, msgtype: 'm.notice' }), ['.m.rule.suppress_notices', false, false]],
    [
      'a mention of the room by a moderator',
      { ...text('hi', { 'm.mentions': { room: true } }), sender: '@mod:hs1' },
      ['.m.rule.is_room_mention', true, true],
    ],
    ['a mention of the room by another', text('hi', { 'm.mentions': { room: true } }), ['.m.rule.message', true, false]],
    ['a name in the body', text('hi bob'), ['.m.rule.message', true, false]],
    ['a tombstone', { type: 'm.room.tombstone', stateKey: '' }, ['.m.rule.tombstone', true, true]],
    ['a tombstone that is no state', { type: 'm.room.tombstone' }, undefined],
    ['a reaction', { type: 'm.reaction' }, ['.m.rule.reaction', false, false]],
    ['a server ACL', { type: 'm.room.server_acl', stateKey: '' }, ['.m.rule.room.server_acl', false, false]],
    ['an edit', text('* hi', { 'm.relates_to': { rel_type: 'm.replace' } }), ['.m.rule.suppress_edits', false, false]],
    ['a call', { type: 'm.call.invite' }, ['.m.rule.call', true, false]],
    ['an encrypted event', { type: 'm.room.encrypted' }, ['.m.rule.encrypted', true, false]],
    ['a topic', { type: 'm.room.topic', stateKey: '' }, undefined],
    ['an event of the user', { ...text('hi', mentionsBob), sender: bob }, undefined],
  ]
  test.each(table)('%s gets its rule', (_what, draft, expected) => {
    expect(byDefault(draft)).toEqual(expected)
  })

  test('messages between two are louder', () => {
    const between = { ...inGroup, memberCount: 2 }
    expect(byDefault(text('hi'), between)).toEqual(['.m.rule.room_one_to_one', true, false])
    expect(byDefault({ type: 'm.room.encrypted' }, between)).toEqual(['.m.rule.encrypted_room_one_to_one', true, false])
  })

  test('the master rule silences everything once enabled', () => {
    const rules = defaultPushRules(bob)
    const override = rules.override.map((rule) => (rule.rule_id === '.m.rule.master' ? { ...rule, enabled: true } : rule))
    expect(rules.override[0]).toMatchObject({ rule_id: '.m.rule.master', enabled: false })
    expect(evaluatePushRules({ ...rules, override }, draftEvent(text('hi')), inGroup)).toMatchObject({
      ruleId: '.m.rule.master',
      notify: false,
    })
  })
})

function rule(changes: Partial<PushRule>): PushRule {
  return { rule_id: 'own', default: false, enabled: true, actions: ['notify'], ...changes }
}

function withRules(kind: PushRuleKind, ...rules: PushRule[]) {
  return { override: [], content: [], postcontent: [], room: [], sender: [], underride: [], [kind]: rules }
}

/** Whether a rule of one condition matches an event. */
function holds(condition: JsonObject, draft: EventDraft, context: Partial<PushContext> = {}): boolean {
  const ruleset = withRules('override', rule({ conditions: [condition] }))
  return evaluatePushRules(ruleset, draftEvent(draft), { ...inGroup, ...context }) !== undefined
}

describe('the condition', () => {
  test('event_match takes a glob for the whole value of a string, or for words of the body', () => {
    const is = (key: string, pattern: JsonValue, draft: EventDraft) => holds({ kind: 'event_match', key, pattern }, draft)
    expect(is('content.topic', 'lunc?*', { type: 'm.room.topic', content: { topic: 'Lunch plans' } })).toBe(true)
    expect(is('content.topic', 'lunc', { type: 'm.room.topic', content: { topic: 'Lunch plans' } })).toBe(false)
    expect(is('content.body', 'ex*ple', text('An example event.'))).toBe(true)
    expect(is('content.body', 'exam', text('An example event.'))).toBe(false)
    expect(is('content.a\\.b', 'x', { type: 'x', content: { 'a.b': 'x' } })).toBe(true)
    expect(is('content.a.b', 'x', { type: 'x', content: { a: { b: 'x' } } })).toBe(true)
    expect(is('room_id', '!room:hs1', text('hi'))).toBe(true)
    const withoutText: JsonObject[] = [{}, { topic: null }, { topic: 5 }, { topic: ['x'] }]
    for (const content of withoutText) expect(is('content.topic', '*', { type: 'm.room.topic', content })).toBe(false)
    expect(is('content.constructor.name', '*', text('hi'))).toBe(false)
    expect(is('content.body', 5, text('5'))).toBe(false)
  })

  test('event_property_is takes a value as it is', () => {
    const is = (value: JsonValue, actual: JsonValue) =>
      holds({ kind: 'event_property_is', key: 'content.x', value }, { type: 'x', content: { x: actual } })
    for (const value of [true, false, null, 5, 'five', '']) expect(is(value, value)).toBe(true)
    for (const [value, actual] of [
      [true, 'true'],
      [true, 1],
      [null, 0],
      ['Five', 'five'],
      [5, '5'],
    ] as const)
      expect(is(value, actual)).toBe(false)
    expect(is([], [])).toBe(false)
    expect(holds({ kind: 'event_property_is', key: 'content.x', value: null }, { type: 'x' })).toBe(false)
  })

  test('event_property_contains takes a value out of a list', () => {
    const has = (value: JsonValue, actual: JsonValue) =>
      holds({ kind: 'event_property_contains', key: 'content.x', value }, { type: 'x', content: { x: actual } })
    expect(has('b', ['a', 'b'])).toBe(true)
    expect(has(null, [null])).toBe(true)
    expect(has('b', ['ab'])).toBe(false)
    expect(has('b', 'b')).toBe(false)
    expect(has('b', { b: 'b' })).toBe(false)
  })

  test('contains_display_name takes the name between word boundaries, its asterisks as they are', () => {
    const condition = { kind: 'contains_display_name' }
    expect(holds(condition, text('hello BOB *!'))).toBe(true)
    expect(holds(condition, text('hello bobby'))).toBe(false)
    expect(holds(condition, text('anything'), { displayName: undefined })).toBe(false)
    expect(holds(condition, text('anything'), { displayName: '' })).toBe(false)
    expect(holds(condition, text(5))).toBe(false)
  })

  test.each<[JsonValue, number[], number[]]>([
    ['2', [2], [1, 3]],
    ['==2', [2], [1, 3]],
    ['<2', [0, 1], [2, 3]],
    ['>2', [3], [1, 2]],
    ['<=2', [1, 2], [3]],
    ['>=2', [2, 3], [1]],
    ['=2', [], [2]],
    ['x', [], [2]],
    ['', [], [0]],
    [2, [], [2]],
  ])('room_member_count %j compares', (is, matching, others) => {
    for (const memberCount of matching) expect(holds({ kind: 'room_member_count', is }, text('hi'), { memberCount })).toBe(true)
    for (const memberCount of others) expect(holds({ kind: 'room_member_count', is }, text('hi'), { memberCount })).toBe(false)
  })

  test('sender_notification_permission asks the power levels', () => {
    const condition = { kind: 'sender_notification_permission', key: 'room' }
    expect(holds(condition, { ...text('hi'), sender: '@mod:hs1' })).toBe(true)
    expect(holds(condition, text('hi'))).toBe(false)
    expect(holds({ kind: 'sender_notification_permission' }, { ...text('hi'), sender: '@mod:hs1' })).toBe(false)
  })

  test('thread_subscription asks whether the user subscribes to the thread of the event, if it is in one', () => {
    const is = (subscribed: JsonValue, context: Partial<PushContext>) =>
      holds({ kind: 'io.element.msc4306.thread_subscription', subscribed }, text('hi'), context)
    expect(is(true, { threadSubscribed: true })).toBe(true)
    expect(is(false, { threadSubscribed: true })).toBe(false)
    expect(is(false, { threadSubscribed: false })).toBe(true)
    expect(is(true, {}) || is(false, {}) || is('x', {})).toBe(false)
  })

  test('of an unknown kind never holds', () => {
    const unknown: JsonObject[] = [{ kind: 'org.example.new', key: 'type' }, { kind: 5 }, {}]
    for (const condition of unknown) expect(holds(condition, text('hi'))).toBe(false)
  })
})

describe('rules', () => {
  test('of the kinds override, content, postcontent, room, sender, underride are tried in this order, the first that matches decides', () => {
    const all = {
      override: [rule({ rule_id: 'o', conditions: [] })],
      content: [rule({ rule_id: 'c', pattern: 'hi' })],
      postcontent: [rule({ rule_id: 'p', conditions: [] })],
      room: [rule({ rule_id: '!room:hs1' })],
      sender: [rule({ rule_id: '@alice:hs1' })],
      underride: [rule({ rule_id: 'u' }), rule({ rule_id: 'never' })],
    }
    const order: string[] = []
    for (let remaining = { ...all }; ; ) {
      const verdict = evaluatePushRules(remaining, draftEvent(text('hi')), inGroup)
      if (verdict === undefined || verdict.ruleId === 'never') break
      order.push(verdict.ruleId)
      const without = (rules: PushRule[]) => rules.filter((candidate) => candidate.rule_id !== verdict.ruleId)
      remaining = {
        override: without(remaining.override),
        content: without(remaining.content),
        postcontent: without(remaining.postcontent),
        room: without(remaining.room),
        sender: without(remaining.sender),
        underride: without(remaining.underride),
      }
    }
    expect(order).toEqual(['o', 'c', 'p', '!room:hs1', '@alice:hs1', 'u'])
  })

  test('that are disabled, or for another room, sender or word, do not match', () => {
    const others = {
      override: [rule({ enabled: false })],
      content: [rule({ pattern: 'ho' }), rule({})],
      postcontent: [rule({ conditions: [{ kind: 'io.element.msc4306.thread_subscription', subscribed: true }] })],
      room: [rule({ rule_id: '!other:hs1' })],
      sender: [rule({ rule_id: '@carol:hs1' })],
      underride: [rule({ conditions: [{ kind: 'unknown' }] })],
    }
    expect(evaluatePushRules(others, draftEvent(text('hi')), inGroup)).toBeUndefined()
  })

  test('forget historical actions and read a highlight without a value as true', () => {
    const verdict = (...actions: JsonValue[]) =>
      evaluatePushRules(withRules('override', rule({ actions })), draftEvent(text('hi')), inGroup)
    expect(verdict('dont_notify')).toMatchObject({ actions: [], notify: false, highlight: false })
    expect(verdict('coalesce', 'notify')).toMatchObject({ actions: ['notify'], notify: true })
    expect(verdict({ set_tweak: 'highlight' })).toMatchObject({ highlight: true, notify: false })
    expect(verdict({ set_tweak: 'highlight', value: true })).toMatchObject({ highlight: true })
    expect(verdict({ set_tweak: 'highlight', value: false })).toMatchObject({ highlight: false })
  })
})

test.each([
  ['content.body', ['content', 'body']],
  ['content.m\\.relates_to', ['content', 'm.relates_to']],
  ['content.m\\\\foo', ['content', 'm\\foo']],
  ['content.\\x', ['content', '\\x']],
  ['content.a\\', ['content', 'a\\']],
  ['a\\\\.b', ['a\\', 'b']],
  ['', ['']],
])('the path %j leads through %j', (path, names) => {
  expect(readPropertyPath(path)).toEqual(names)
})
