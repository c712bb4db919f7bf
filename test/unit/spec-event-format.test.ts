import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildPdu } from '../../src/spec/build-pdu.ts'
import { utf8Length } from '../../src/spec/canonical-json.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { eventLimits, maxDepth, parseEvent } from '../../src/spec/event-format.ts'
import { eventIdOf, hasValidContentHash } from '../../src/spec/event-hash.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { allVersions, rulesOfVersion } from './spec-rules.ts'

const hash = 'Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg'

/** A well-formed message of a room of version 11, with changes. */
function message(changes: JsonObject = {}): Pdu {
  return {
    auth_events: ['$a'],
    content: { body: 'hi', msgtype: 'm.text' },
    depth: 3,
    hashes: { sha256: 'abcd' },
    origin_server_ts: 1700000000000,
    prev_events: ['$b'],
    room_id: '!r:hs1',
    sender: '@alice:hs1',
    signatures: { hs1: { 'ed25519:1': 'sig' } },
    type: 'm.room.message',
    ...changes,
  }
}

function parsed(pdu: JsonValue, version = '11') {
  const outcome = parseEvent(pdu, rulesOfVersion(version))
  if ('error' in outcome) throw new Error(outcome.error)
  return outcome.event
}

/** Why the event is dropped; empty if it is not. */
function errorOf(pdu: JsonValue, version = '11'): string {
  const outcome = parseEvent(pdu, rulesOfVersion(version))
  return 'error' in outcome ? outcome.error : ''
}

function without(key: string): Pdu {
  return Object.fromEntries(Object.entries(message()).filter(([name]) => name !== key))
}

describe('an event that keeps to the format', () => {
  test('is read', () => {
    expect(parsed(message({ state_key: 'k' }))).toMatchObject({
      eventId: eventIdOf(message({ state_key: 'k' }), rulesOfVersion('11')),
      roomId: '!r:hs1',
      type: 'm.room.message',
      stateKey: 'k',
      sender: '@alice:hs1',
      content: { body: 'hi', msgtype: 'm.text' },
      originServerTs: 1700000000000,
      depth: 3,
      prevEvents: ['$b'],
      authEvents: ['$a'],
      redacts: undefined,
    })
    expect(parsed(message()).stateKey).toBeUndefined()
  })

  test('keeps keys that JavaScript lends to every object, so that its hash stays the same', () => {
    const pdu: JsonValue = JSON.parse(`{"__proto__": {"x": 1}, "constructor": 1, ${JSON.stringify(message({ unsigned: {} })).slice(1)}`)
    expect(JSON.stringify(parsed(pdu).pdu)).toContain('"__proto__":{"x":1},"constructor":1')
  })

  test('loses what was said in unsigned, whatever its size', () => {
    const event = parsed(message({ unsigned: { age: 1, padding: 'x'.repeat(70_000) } }))
    expect(event.pdu).toEqual(message())
    expect(event.eventId).toBe(parsed(message()).eventId)
  })

  test('may come from a user with a historical user id', () => {
    expect(parsed(message({ sender: '@Ünïcode:hs1' })).sender).toBe('@Ünïcode:hs1')
  })

  test('names what it redacts where its room version puts that', () => {
    const both = { type: 'm.room.redaction', redacts: '$top', content: { redacts: '$inner' } }
    expect(parsed(message(both), '10').redacts).toBe('$top')
    expect(parsed(message(both), '11').redacts).toBe('$inner')
    expect(parsed(message({ ...both, type: 'x' }), '11').redacts).toBeUndefined()
    expect(parsed(message({ type: 'm.room.redaction', content: { redacts: 5 } }), '11').redacts).toBeUndefined()
  })
})

describe('an event is dropped', () => {
  test.each([null, [], 'event', 5, true])('if it is %j', (value) => {
    expect(errorOf(value)).toBe('an event is a JSON object')
  })

  test.each(['auth_events', 'content', 'depth', 'hashes', 'origin_server_ts', 'prev_events', 'room_id', 'sender', 'signatures', 'type'])(
    'if it has no %s',
    (key) => {
      expect(errorOf(without(key))).toContain(key)
    },
  )

  const wrong: [string, JsonValue][] = [
    ['auth_events', 'x'],
    ['auth_events', [5]],
    ['auth_events', ['no sigil']],
    ['auth_events', [['$a', {}]]],
    ['auth_events', Array(11).fill('$a')],
    ['prev_events', { 0: '$a' }],
    ['prev_events', Array(21).fill('$a')],
    ['prev_events', [`$${'a'.repeat(255)}`]],
    ['content', []],
    ['content', 'x'],
    ['depth', '1'],
    ['depth', -1],
    ['hashes', { sha256: 5 }],
    ['hashes', { md5: 'x' }],
    ['hashes', { sha256: '!' }],
    ['origin_server_ts', '1'],
    ['room_id', '!no-domain'],
    ['room_id', `!${hash}`],
    ['room_id', `!${'a'.repeat(252)}:hs1`],
    ['sender', 'alice'],
    ['sender', '@alice'],
    ['sender', `@${'a'.repeat(251)}:hs1`],
    ['signatures', []],
    ['signatures', { hs1: 'x' }],
    ['signatures', { hs1: { 'ed25519:1': 1 } }],
    ['state_key', null],
    ['state_key', 5],
    ['state_key', 'é'.repeat(128)],
    ['type', 5],
    ['type', 'x'.repeat(256)],
  ]
  test.each(wrong)('if its %s is %j', (key, value) => {
    expect(errorOf(message({ [key]: value }))).toContain(key)
  })

  test('if it takes more than 65,536 bytes of canonical JSON, and not before', () => {
    const padded = (length: number) => message({ content: { body: 'é'.repeat(length) } })
    const spare = eventLimits.bytes - utf8Length(JSON.stringify(padded(0)))
    expect(errorOf(padded(Math.floor(spare / 2)))).toBe('')
    expect(errorOf(padded(Math.floor(spare / 2) + 1))).toContain('65536')
  })

  test('if it nests deeper than the bound, however deep', () => {
    const nested = (depth: number): JsonValue => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
    expect(errorOf(message({ content: { a: nested(eventLimits.nesting - 2) } }))).toBe('')
    expect(errorOf(message({ content: { a: nested(eventLimits.nesting - 1) } }))).toContain('nests')
    expect(errorOf(message({ content: { a: nested(30_000) } }))).toContain('nests')
  })

  test('for numbers that are no integers from version 6 on, but for lone surrogates always', () => {
    for (const version of ['3', '4', '5']) expect(errorOf(message({ content: { x: 1.5 } }), version)).toBe('')
    for (const version of ['6', '9', '11']) expect(errorOf(message({ content: { x: 1.5 } }), version)).toContain('canonical')
    for (const version of ['3', '11']) expect(errorOf(message({ content: { x: '\ud800' } }), version)).toContain('canonical')
  })

  test('at a depth beyond 2⁵³−1 from version 6 on, beyond 2⁶³ before', () => {
    expect(errorOf(message({ depth: Number.MAX_SAFE_INTEGER }))).toBe('')
    expect(errorOf(message({ depth: 2 ** 53 }), '5')).toBe('')
    expect(errorOf(message({ depth: 2 ** 53 }), '6')).toContain('canonical')
    expect(errorOf(message({ depth: 2 ** 64 }), '5')).toContain('depth')
  })

  test('but never throws, whatever it is', () => {
    const anyValue = fc.jsonValue({ maxDepth: 4 }).map((value): JsonValue => JSON.parse(JSON.stringify(value)))
    const mutated = fc.tuple(fc.constantFrom(...Object.keys(message()), 'state_key', 'redacts', 'unsigned', 'event_id'), anyValue)
    fc.assert(
      fc.property(fc.array(mutated, { maxLength: 3 }), anyValue, fc.constantFrom(...allVersions), (changes, value, version) => {
        for (const pdu of [value, message(Object.fromEntries(changes))]) {
          const outcome = parseEvent(pdu, rulesOfVersion(version))
          expect('error' in outcome ? outcome.error.length : outcome.event.eventId.length).toBeGreaterThan(1)
        }
      }),
    )
  })
})

describe('in versions 1 and 2 an event', () => {
  const old = (changes: JsonObject = {}) =>
    message({ event_id: '$1:hs1', auth_events: [['$a:hs1', { sha256: 'x' }]], prev_events: [['$b:hs1', { sha256: 'y' }]], ...changes })

  test('names itself and refers to others by pairs of id and hash', () => {
    expect(parsed(old(), '1')).toMatchObject({ eventId: '$1:hs1', authEvents: ['$a:hs1'], prevEvents: ['$b:hs1'] })
  })

  test('without an id of its own, or with plain ids, is dropped', () => {
    expect(errorOf(message({ auth_events: [], prev_events: [] }), '2')).toContain('event_id')
    expect(errorOf(old({ event_id: `$${hash}` }), '2')).toContain('event_id')
    expect(errorOf(old({ prev_events: ['$b:hs1'] }), '2')).toContain('prev_events')
    expect(errorOf(old({ prev_events: [['$b:hs1']] }), '2')).toContain('prev_events')
  })
})

describe('in version 12 an event', () => {
  const create = message({
    type: 'm.room.create',
    state_key: '',
    content: { room_version: '12' },
    auth_events: [],
    prev_events: [],
    depth: 1,
  })

  test('that creates the room has no room id: the room id is its hash', () => {
    const { room_id, ...pdu } = create
    const event = parsed(pdu, '12')
    expect(event.roomId).toBe(`!${event.eventId.slice(1)}`)
    expect(event.pdu).not.toHaveProperty('room_id')
    expect(errorOf({ ...pdu, room_id: room_id ?? null }, '12')).toContain('room_id')
    expect(errorOf({ ...pdu, room_id: event.roomId }, '12')).toContain('room_id')
  })

  test('that only looks like one does not make a room', () => {
    const { room_id, state_key, ...pdu } = create
    expect([room_id, state_key]).toEqual(['!r:hs1', ''])
    expect(errorOf(pdu, '12')).toContain('room_id')
    expect(errorOf({ ...pdu, state_key: 'x' }, '12')).toContain('room_id')
  })

  test('of another type has a hash for its room id', () => {
    expect(errorOf(message({ room_id: `!${hash}` }), '12')).toBe('')
    expect(errorOf(message(), '12')).toContain('room_id')
    expect(errorOf(without('room_id'), '12')).toContain('room_id')
  })
})

describe('an event of ours', () => {
  const fields = {
    type: 'm.room.redaction',
    sender: '@alice:hs1',
    roomId: '!r:hs1',
    content: { reason: 'spam' },
    originServerTs: 5,
    prevEvents: ['$b'],
    authEvents: ['$a'],
    depth: 4,
    redacts: '$x',
  }

  test.each(allVersions.filter((version) => Number(version) >= 3))(
    'keeps to the format of version %s and carries its content hash',
    (version) => {
      const rules = rulesOfVersion(version)
      const pdu = buildPdu({ ...fields, roomId: version === '12' ? `!${hash}` : '!r:hs1' }, rules)
      expect(hasValidContentHash(pdu)).toBe(true)
      expect(parsed(pdu, version)).toMatchObject({
        type: 'm.room.redaction',
        redacts: '$x',
        prevEvents: ['$b'],
        authEvents: ['$a'],
        depth: 4,
      })
    },
  )

  test.each(['1', '2'])('of version %s takes the id it is given and names the hashes of those before it', (version) => {
    const chosen = { eventId: '$new:hs1', referenceHash: () => new Uint8Array(32) }
    const pdu = buildPdu({ ...fields, prevEvents: ['$b:hs1'], chosen }, rulesOfVersion(version))
    expect(pdu.prev_events).toEqual([['$b:hs1', { sha256: 'A'.repeat(43) }]])
    expect(parsed(pdu, version)).toMatchObject({ eventId: '$new:hs1', prevEvents: ['$b:hs1'] })
    expect(() => buildPdu(fields, rulesOfVersion(version))).toThrow(TypeError)
  })

  test('that creates a room of version 12 has no room id', () => {
    const { roomId, redacts, ...rest } = fields
    const pdu = buildPdu(
      { ...rest, type: 'm.room.create', stateKey: '', prevEvents: [], authEvents: [], content: {} },
      rulesOfVersion('12'),
    )
    expect(parsed(pdu, '12').roomId).toBe(`!${eventIdOf(pdu, rulesOfVersion('12'))?.slice(1)}`)
    expect([roomId, redacts]).toHaveLength(2)
  })

  test('is never deeper than its room version allows', () => {
    for (const version of ['5', '11']) {
      const rules = rulesOfVersion(version)
      expect(buildPdu({ ...fields, depth: maxDepth(rules) + 1 }, rules).depth).toBe(maxDepth(rules))
    }
  })
})
