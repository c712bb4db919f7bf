import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { creatorsOf, powerLevelsOf, readLevel } from '../../src/spec/power-levels.ts'
import { draftEvent } from './spec-event.ts'
import { allVersions, rulesOfVersion } from './spec-rules.ts'

const createOf = (content: JsonObject = {}) => draftEvent({ type: 'm.room.create', stateKey: '', sender: '@alice:hs1', content })
const levelsEvent = (content: JsonObject) => draftEvent({ type: 'm.room.power_levels', stateKey: '', content })

function levels(version: string, content: JsonObject | undefined, createContent: JsonObject = { creator: '@alice:hs1' }) {
  return powerLevelsOf(rulesOfVersion(version), createOf(createContent), content && levelsEvent(content))
}

describe('a room without power levels', () => {
  test.each(allVersions)('has the defaults of the specification in version %s', (version) => {
    const found = levels(version, undefined)
    expect([found.invite, found.kick, found.ban, found.redact, found.usersDefault]).toEqual([0, 50, 50, 50, 0])
    expect([found.event('m.room.message', false), found.event('m.room.name', true), found.notification('room')]).toEqual([0, 50, 50])
    expect([found.user('@alice:hs1'), found.user('@bob:hs1')]).toEqual([version === '12' ? Number.POSITIVE_INFINITY : 100, 0])
  })

  test('gives nobody any power if it lacks a create event too', () => {
    expect(powerLevelsOf(rulesOfVersion('12'), undefined, undefined).user('@alice:hs1')).toBe(0)
  })
})

describe('power levels', () => {
  const content = {
    ban: 1,
    kick: 2,
    redact: 3,
    invite: 4,
    events_default: 5,
    state_default: 6,
    users_default: 7,
    events: { 'm.room.name': 8, constructor: 9 },
    users: { '@bob:hs1': 10 },
    notifications: { room: 11 },
  }

  test('are what the event says', () => {
    const found = levels('11', content)
    expect([found.ban, found.kick, found.redact, found.invite, found.usersDefault]).toEqual([1, 2, 3, 4, 7])
    expect([found.event('m.room.name', true), found.event('m.room.name', false), found.event('constructor', false)]).toEqual([8, 8, 9])
    expect([found.event('m.room.message', false), found.event('m.room.topic', true)]).toEqual([5, 6])
    expect([found.user('@bob:hs1'), found.user('@carol:hs1'), found.notification('room'), found.notification('x')]).toEqual([10, 7, 11, 50])
  })

  test('never come from what JavaScript lends to every object', () => {
    const found = levels('11', { events_default: 5, users: {}, events: {} })
    for (const type of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) expect(found.event(type, false)).toBe(5)
  })

  test('give the creator no more than others once there is an event, until version 11', () => {
    for (const version of allVersions.slice(0, -1)) expect(levels(version, content).user('@alice:hs1')).toBe(7)
  })

  test('cannot touch the creators of a room of version 12', () => {
    const found = levels('12', { users: { '@alice:hs1': 5 } }, { additional_creators: ['@bob:hs2'] })
    expect([found.user('@alice:hs1'), found.user('@bob:hs2'), found.user('@carol:hs1')]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      0,
    ])
  })

  test('that are written wrongly read as the defaults', () => {
    const found = levels('11', { ban: '5', kick: 1.5, users: [], events: 'x', notifications: null, users_default: null })
    expect([found.ban, found.kick, found.user('@bob:hs1'), found.event('x', true), found.notification('room')]).toEqual([50, 50, 0, 50, 50])
  })
})

test.each<[JsonValue, number | undefined, number | undefined]>([
  [5, 5, 5],
  [-5, -5, -5],
  [50.57, 50, undefined],
  [-50.57, -50, undefined],
  ['100', 100, undefined],
  ['000100', 100, undefined],
  ['+100', 100, undefined],
  ['-100', -100, undefined],
  [' +100 ', 100, undefined],
  [' 00100\t', 100, undefined],
  ['1.5', undefined, undefined],
  ['1e3', undefined, undefined],
  ['0x10', undefined, undefined],
  ['+-1', undefined, undefined],
  ['', undefined, undefined],
  [' ', undefined, undefined],
  ['9'.repeat(400), undefined, undefined],
  [null, undefined, undefined],
  [true, undefined, undefined],
  [[5], undefined, undefined],
])('the level %j is %s until version 9 and %s from version 10', (value, old, strict) => {
  expect(readLevel(rulesOfVersion('9'), value)).toBe(old)
  expect(readLevel(rulesOfVersion('10'), value)).toBe(strict)
})

describe('the creators of a room', () => {
  const content = { creator: '@carol:hs1', additional_creators: ['@bob:hs2', 5, '@dave:hs2'] }

  test('are who its room version takes for them', () => {
    expect(creatorsOf(rulesOfVersion('10'), createOf(content))).toEqual(['@carol:hs1'])
    expect(creatorsOf(rulesOfVersion('11'), createOf(content))).toEqual(['@alice:hs1'])
    expect(creatorsOf(rulesOfVersion('12'), createOf(content))).toEqual(['@alice:hs1', '@bob:hs2', '@dave:hs2'])
    expect(creatorsOf(rulesOfVersion('10'), createOf({}))).toEqual([])
    expect(creatorsOf(rulesOfVersion('12'), createOf({ additional_creators: '@bob:hs2' }))).toEqual(['@alice:hs1'])
  })
})
