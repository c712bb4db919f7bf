import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { redact } from '../../src/spec/redaction.ts'
import { allVersions, rulesOfVersion } from './spec-rules.ts'

const versionsFrom = (first: number): string[] => allVersions.filter((version) => Number(version) >= first)
const versionsUntil = (last: number): string[] => allVersions.filter((version) => Number(version) <= last)

const everyTopLevelKey: JsonObject = {
  event_id: '$e',
  type: 'x',
  room_id: '!r',
  sender: '@a:b',
  state_key: '',
  content: { body: 'secret' },
  hashes: {},
  signatures: {},
  depth: 1,
  prev_events: [],
  prev_state: [],
  auth_events: [],
  origin: 'b',
  origin_server_ts: 1,
  membership: 'join',
  redacts: '$x',
  unsigned: {},
  age_ts: 1,
}

/** The content of an event of `type` after redaction, in room version `version`. */
function redactedContent(version: string, type: string, content: JsonObject) {
  return redact({ type, content }, rulesOfVersion(version)).content
}

describe('redaction', () => {
  test.each(versionsUntil(10))('in version %s keeps fifteen top-level keys', (version) => {
    const { redacts, unsigned, age_ts, ...kept } = everyTopLevelKey
    expect(redact(everyTopLevelKey, rulesOfVersion(version))).toEqual({ ...kept, content: {} })
    expect([redacts, unsigned, age_ts]).toHaveLength(3)
  })

  test.each(versionsFrom(11))('in version %s keeps twelve top-level keys', (version) => {
    const kept = Object.keys(redact(everyTopLevelKey, rulesOfVersion(version)))
    expect(kept.sort()).toEqual([
      'auth_events',
      'content',
      'depth',
      'event_id',
      'hashes',
      'origin_server_ts',
      'prev_events',
      'room_id',
      'sender',
      'signatures',
      'state_key',
      'type',
    ])
  })

  test('leaves the given event alone', () => {
    const before = structuredClone(everyTopLevelKey)
    redact(everyTopLevelKey, rulesOfVersion('12'))
    expect(everyTopLevelKey).toEqual(before)
  })

  const member = {
    membership: 'join',
    displayname: 'Alice',
    join_authorised_via_users_server: '@b:hs1',
    third_party_invite: { signed: { token: 't' }, display_name: 'A' },
  }

  test.each([
    ...versionsUntil(8).map((version) => [version, { membership: 'join' }] as const),
    ...['9', '10'].map((version) => [version, { membership: 'join', join_authorised_via_users_server: '@b:hs1' }] as const),
    ...['11', '12'].map(
      (version) =>
        [
          version,
          { membership: 'join', join_authorised_via_users_server: '@b:hs1', third_party_invite: { signed: { token: 't' } } },
        ] as const,
    ),
  ])('of a membership in version %s leaves %j', (version, kept) => {
    expect(redactedContent(version, 'm.room.member', member)).toEqual(kept)
  })

  test('of a third-party invite without a signature leaves an empty object, of anything else nothing', () => {
    expect(redactedContent('11', 'm.room.member', { third_party_invite: { a: 1 } })).toEqual({ third_party_invite: {} })
    expect(redactedContent('11', 'm.room.member', { third_party_invite: 'a' })).toEqual({})
  })

  test('of a create event keeps the creator until version 10 and everything from version 11', () => {
    const content = { creator: '@a:b', room_version: '11', x: { y: 1 } }
    for (const version of versionsUntil(10)) expect(redactedContent(version, 'm.room.create', content)).toEqual({ creator: '@a:b' })
    for (const version of versionsFrom(11)) expect(redactedContent(version, 'm.room.create', content)).toEqual(content)
  })

  test('of join rules keeps allow from version 8', () => {
    const content = { join_rule: 'restricted', allow: [], x: 1 }
    for (const version of versionsUntil(7))
      expect(redactedContent(version, 'm.room.join_rules', content)).toEqual({ join_rule: 'restricted' })
    for (const version of versionsFrom(8)) {
      expect(redactedContent(version, 'm.room.join_rules', content)).toEqual({ join_rule: 'restricted', allow: [] })
    }
  })

  test('of power levels keeps invite from version 11, never notifications', () => {
    const always = { ban: 1, events: {}, events_default: 2, kick: 3, redact: 4, state_default: 5, users: {}, users_default: 6 }
    const content = { ...always, invite: 7, notifications: {} }
    for (const version of versionsUntil(10)) expect(redactedContent(version, 'm.room.power_levels', content)).toEqual(always)
    for (const version of versionsFrom(11))
      expect(redactedContent(version, 'm.room.power_levels', content)).toEqual({ ...always, invite: 7 })
  })

  test('of aliases keeps them until version 5', () => {
    for (const version of versionsUntil(5))
      expect(redactedContent(version, 'm.room.aliases', { aliases: ['#a:b'] })).toEqual({ aliases: ['#a:b'] })
    for (const version of versionsFrom(6)) expect(redactedContent(version, 'm.room.aliases', { aliases: ['#a:b'] })).toEqual({})
  })

  test('of a redaction keeps what it redacts from version 11', () => {
    for (const version of versionsUntil(10)) expect(redactedContent(version, 'm.room.redaction', { redacts: '$x' })).toEqual({})
    for (const version of versionsFrom(11))
      expect(redactedContent(version, 'm.room.redaction', { redacts: '$x', reason: 'y' })).toEqual({ redacts: '$x' })
  })

  test('of history visibility keeps it in all versions', () => {
    for (const version of allVersions) {
      expect(redactedContent(version, 'm.room.history_visibility', { history_visibility: 'joined', x: 1 })).toEqual({
        history_visibility: 'joined',
      })
    }
  })

  test('done twice changes nothing, whatever the event', () => {
    const type = fc.constantFrom('m.room.member', 'm.room.create', 'm.room.power_levels', 'm.room.redaction', 'm.room.message')
    fc.assert(
      fc.property(fc.jsonValue(), type, fc.constantFrom(...allVersions), (content, eventType, version) => {
        const value: unknown = JSON.parse(JSON.stringify({ ...everyTopLevelKey, type: eventType, content }))
        if (!isObject(value)) throw new TypeError('not an object')
        const once = redact(value, rulesOfVersion(version))
        expect(redact(once, rulesOfVersion(version))).toEqual(once)
      }),
    )
  })
})
