import { describe, expect, test } from 'vitest'
import { encodeBase64 } from '../../src/spec/base64.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { contentHash, eventIdOf, hasValidContentHash, referenceHash, roomIdOfCreate } from '../../src/spec/event-hash.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { allVersions, rulesOfVersion } from './spec-rules.ts'

/** Its hashes, and those below, come from the specification's example code, run in Python. */
const message: Pdu = {
  auth_events: ['$a'],
  content: { body: '日本😀', msgtype: 'm.text' },
  depth: 7,
  hashes: { sha256: 'sToNPiHFNbblxmgAJN9vUKKJYq66gJ3j+1pYW44Y81Y' },
  origin: 'hs1',
  origin_server_ts: 1700000000001,
  prev_events: ['$b'],
  room_id: '!r:hs1',
  sender: '@alice:hs1',
  type: 'm.room.message',
  unsigned: { age: 1 },
}

const create: Pdu = {
  auth_events: [],
  content: { room_version: '12', additional_creators: ['@bob:hs2'], 'm.federate': true },
  depth: 1,
  hashes: { sha256: 'PSlkGyAGbvpHqkn7cz5WGt/DXMh6v8KFSEHr0ftoUos' },
  origin_server_ts: 1700000000000,
  prev_events: [],
  sender: '@alice:hs1',
  signatures: { hs1: { 'ed25519:1': 'AAAA' } },
  state_key: '',
  type: 'm.room.create',
}

describe('the content hash', () => {
  // Appendices, "Event Signing".
  test.each([
    [
      '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos',
      {
        room_id: '!x:domain',
        sender: '@a:domain',
        origin: 'domain',
        origin_server_ts: 1000000,
        signatures: {},
        hashes: {},
        type: 'X',
        content: {},
        prev_events: [],
        auth_events: [],
        depth: 3,
        unsigned: { age_ts: 1000000 },
      },
    ],
    [
      'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g',
      {
        content: { body: 'Here is the message content' },
        event_id: '$0:domain',
        origin: 'domain',
        origin_server_ts: 1000000,
        type: 'm.room.message',
        room_id: '!r:domain',
        sender: '@u:domain',
        signatures: {},
        unsigned: { age_ts: 1000000 },
      },
    ],
  ])('is %s for the example of the specification', (hash, pdu) => {
    expect(contentHash(pdu)).toBe(hash)
  })

  test('of an event is believed as long as nothing but hashes, signatures and unsigned changes', () => {
    expect(hasValidContentHash(message)).toBe(true)
    expect(hasValidContentHash({ ...message, signatures: { x: {} }, unsigned: {} })).toBe(true)
    expect(hasValidContentHash({ ...message, hashes: { sha256: 'sToNPiHFNbblxmgAJN9vUKKJYq66gJ3j+1pYW44Y81Y=', md5: 'x' } })).toBe(true)
    const changes: JsonObject[] = [
      { depth: 8 },
      { content: {} },
      { hashes: {} },
      { hashes: 'x' },
      { hashes: { sha256: '?' } },
      { more: null },
    ]
    for (const changed of changes) {
      expect(hasValidContentHash({ ...message, ...changed })).toBe(false)
    }
  })
})

describe('the event id', () => {
  test('is the reference hash, in the base64 of the room version', () => {
    expect(eventIdOf(message, rulesOfVersion('3'))).toBe('$ME/ReC+hc1nN/6P23sNwfWYVnAO2NQRnFAq0Um3PnT8')
    for (const version of ['4', '5', '6', '7', '8', '9', '10']) {
      expect(eventIdOf(message, rulesOfVersion(version))).toBe('$ME_ReC-hc1nN_6P23sNwfWYVnAO2NQRnFAq0Um3PnT8')
    }
    for (const version of ['11', '12'])
      expect(eventIdOf(message, rulesOfVersion(version))).toBe('$j5nR7KOLA-cIHifrydJOqywI_esZXTGIlqsYRtHsCP8')
    expect(encodeBase64(referenceHash(message, rulesOfVersion('11')))).toBe('j5nR7KOLA+cIHifrydJOqywI/esZXTGIlqsYRtHsCP8')
  })

  test('is what the event says in versions 1 and 2', () => {
    expect(eventIdOf({ ...message, event_id: '$x:hs1' }, rulesOfVersion('1'))).toBe('$x:hs1')
    expect(eventIdOf(message, rulesOfVersion('2'))).toBeUndefined()
  })

  test('does not change with redactable content, signatures or unsigned', () => {
    for (const version of allVersions.slice(2)) {
      const rules = rulesOfVersion(version)
      const other = { ...message, content: {}, signatures: { hs1: {} }, unsigned: {} }
      expect(eventIdOf(other, rules)).toBe(eventIdOf(message, rules))
      expect(eventIdOf({ ...message, depth: 8 }, rules)).not.toBe(eventIdOf(message, rules))
    }
  })
})

describe('the room id', () => {
  test('is the hash of the create event from version 12 on', () => {
    expect(roomIdOfCreate(create, rulesOfVersion('12'))).toBe('!C6L-JOcZqyFAjPzFS7ZGP3d1MEP_EBraxK2V_u9pSBw')
  })

  test('is what the create event says before', () => {
    expect(roomIdOfCreate({ ...create, room_id: '!r:hs1' }, rulesOfVersion('11'))).toBe('!r:hs1')
    expect(roomIdOfCreate(create, rulesOfVersion('11'))).toBeUndefined()
  })
})
