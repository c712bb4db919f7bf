import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { alice, bob, carol, dave, ruleSets, rulesFor, TestRoom } from './spec-room-fixture.ts'

const singles = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite']

/** The levels that let Bob send power levels at 50; Alice, who made the room, is not named, as version 12 wants it. */
const base = { state_default: 50, users: { [bob]: 50, [carol]: 50, [dave]: 10 } }

describe.each(ruleSets.map((rules) => [rules.version, rules] as const))('power levels in room version %s', (version, rules) => {
  /** Whether Bob, at 50, may change the levels from `before` to `after`. */
  const allowsChange = (before: JsonObject, after: JsonObject): boolean =>
    new TestRoom(rules)
      .member(bob, 'join')
      .levels({ ...base, ...before })
      .allows({ type: 'm.room.power_levels', stateKey: '', sender: bob, content: { ...base, ...after } })

  const allowsFirst = (content: JsonObject): boolean => new TestRoom(rules).allows({ type: 'm.room.power_levels', stateKey: '', content })

  test('the first ones are free', () => {
    expect(allowsFirst({})).toBe(true)
    expect(allowsFirst({ users: { [bob]: 1000 }, ban: 5000, events: { 'm.room.name': 7000 } })).toBe(true)
  })

  test('users is an object of user IDs and levels, always', () => {
    const wrong: JsonValue[] = [
      null,
      [],
      'x',
      1,
      { [bob]: null },
      { [bob]: 'x' },
      { [bob]: [1] },
      { [bob]: true },
      { bob: 1 },
      { '@bob': 1 },
    ]
    for (const users of wrong) expect(allowsFirst({ users })).toBe(false)
  })

  test('before version 10 levels may be strings or floats, since then integers alone', () => {
    const isOld = !rules.auth.integerPowerLevels
    for (const level of ['50', ' +050 ', 50.7]) {
      expect(allowsFirst({ users: { [bob]: level } })).toBe(isOld)
      expect(allowsFirst({ ban: level })).toBe(isOld)
      expect(allowsFirst({ events: { a: level } })).toBe(isOld)
      expect(allowsFirst({ notifications: { room: level } })).toBe(isOld)
    }
  })

  test('from version 10 every level is an integer', () => {
    const isOld = !rules.auth.integerPowerLevels
    for (const name of singles) for (const level of [null, 'x', {}, true]) expect(allowsFirst({ [name]: level })).toBe(isOld)
    for (const name of ['events', 'notifications']) {
      const wrong: JsonValue[] = [null, 'x', [], { a: null }, { a: 'x' }, { a: {} }]
      for (const levels of wrong) expect(allowsFirst({ [name]: levels })).toBe(isOld)
    }
  })

  test('from version 12 users names no creator', () => {
    const isOld = version !== '12'
    expect(allowsFirst({ users: { [alice]: 100 } })).toBe(isOld)
    const room = new TestRoom(rules, { additional_creators: [dave] })
    const naming = (user: string) => ({ type: 'm.room.power_levels', stateKey: '', content: { users: { [user]: 0 } } })
    expect(room.allows(naming(dave))).toBe(isOld)
    expect(room.allows(naming(carol))).toBe(true)
  })

  test.each(singles)('%s: neither level, old or new, may be above the sender', (name) => {
    const [low, high] = name === 'state_default' ? [20, 51] : [50, 51]
    expect(allowsChange({ [name]: low }, { [name]: low - 1 })).toBe(true)
    expect(allowsChange({ [name]: low }, { [name]: high })).toBe(false)
    if (name !== 'state_default') expect(allowsChange({ [name]: high }, { [name]: low })).toBe(false)
    expect(allowsChange({}, { [name]: high })).toBe(false)
  })

  test('levels above the sender may stay, as they were or written otherwise', () => {
    expect(allowsChange({ ban: 90, events: { a: 90 } }, { ban: 90, events: { a: 90 }, kick: 10 })).toBe(true)
    if (!rules.auth.integerPowerLevels) expect(allowsChange({ ban: 90 }, { ban: ' 090' })).toBe(true)
  })

  test('what is taken away counts as changed', () => {
    expect(allowsChange({ ban: 90 }, {})).toBe(false)
    expect(allowsChange({ ban: 50 }, {})).toBe(true)
    expect(allowsChange({ events: { a: 90 } }, {})).toBe(false)
    expect(allowsChange({ events: { a: 50 } }, { events: {} })).toBe(true)
  })

  test.each([
    ['events', true],
    ['notifications', rules.auth.guardsNotificationLevels],
  ])('%s: entries are guarded, notifications from version 6', (name, isGuarded) => {
    expect(allowsChange({}, { [name]: { room: 50 } })).toBe(true)
    expect(allowsChange({}, { [name]: { room: 51 } })).toBe(!isGuarded)
    expect(allowsChange({ [name]: { room: 51 } }, { [name]: { room: 50 } })).toBe(!isGuarded)
    expect(allowsChange({ [name]: { room: 10 } }, { [name]: { room: 51 } })).toBe(!isGuarded)
    expect(allowsChange({ [name]: { room: 51, x: 1 } }, { [name]: { room: 51, x: 2 } })).toBe(true)
  })

  describe('users', () => {
    const change = (user: string, level: number | undefined): boolean => {
      const users: JsonObject = { ...base.users }
      if (level === undefined) delete users[user]
      else users[user] = level
      return allowsChange({}, { users })
    }

    test('lower ones are raised as far as the sender', () => {
      expect(change(dave, 50)).toBe(true)
      expect(change(dave, 51)).toBe(false)
      expect(change(dave, undefined)).toBe(true)
    })

    test('equals are left alone', () => {
      expect(change(carol, 49)).toBe(false)
      expect(change(carol, undefined)).toBe(false)
    })

    test('new ones are added as far as the sender', () => {
      expect(change('@new:example.org', 50)).toBe(true)
      expect(change('@new:example.org', 51)).toBe(false)
    })

    test('the sender lowers itself and does not raise itself', () => {
      expect(change(bob, 10)).toBe(true)
      expect(change(bob, undefined)).toBe(true)
      expect(change(bob, 51)).toBe(false)
    })
  })

  test('entries under names that objects inherit are entries', () => {
    const after = JSON.parse('{"__proto__": 51, "constructor": 51}')
    expect(allowsChange({}, { events: after })).toBe(false)
    expect(allowsChange({ events: after }, { events: after, kick: 1 })).toBe(true)
    expect(allowsChange({ events: after }, {})).toBe(false)
  })
})

test('a creator of version 12 gives any level and takes any away', () => {
  const room = new TestRoom(rulesFor('12'), { additional_creators: [bob] })
    .member(bob, 'join')
    .levels({ users: { [carol]: 2 ** 53 - 1 }, ban: 2 ** 53 - 1 })
  for (const sender of [alice, bob]) {
    expect(
      room.allows({ type: 'm.room.power_levels', stateKey: '', sender, content: { users: { [dave]: 2 ** 53 - 1 }, kick: 2 ** 53 - 1 } }),
    ).toBe(true)
  }
})
