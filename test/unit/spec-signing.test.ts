import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decodeBase64 } from '../../src/spec/base64.ts'
import type { RoomEvent } from '../../src/spec/event.ts'
import { contentHash } from '../../src/spec/event-hash.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { parseServerKeys, selfSignatures, verifyKeyAt } from '../../src/spec/server-keys.ts'
import { eventSigningBytes, requiredSigners, signaturesOf, signingBytes, withSignature } from '../../src/spec/signing.ts'
import { rulesOfVersion } from './spec-rules.ts'

// Appendices, "Cryptographic Test Vectors": the seed, and the names to sign with.
const seed = decodeBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1') ?? new Uint8Array()
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
  format: 'der',
  type: 'pkcs8',
})
const publicKey = createPublicKey(privateKey)
const rawPublicKey = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
const keyId = 'ed25519:1'

const signatureOf = (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey))
const signed = (object: JsonObject) => withSignature(object, 'domain', { keyId, signature: signatureOf(signingBytes(object)) })

function signedEvent(event: JsonObject, version: string): JsonObject {
  const hashed = { ...event, hashes: { sha256: contentHash(event) } }
  return withSignature(hashed, 'domain', { keyId, signature: signatureOf(eventSigningBytes(hashed, rulesOfVersion(version))) })
}

const dataSignature = 'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw'

describe('signing JSON', () => {
  test('makes the signatures of the specification', () => {
    const empty = 'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ'
    expect(signed({})).toEqual({ signatures: { domain: { 'ed25519:1': empty } } })
    const data = { one: 1, two: 'Two' }
    expect(signed(data)).toEqual({ ...data, signatures: { domain: { 'ed25519:1': dataSignature } } })
  })

  test('covers neither unsigned nor other signatures, and keeps both', () => {
    const object = { one: 1, two: 'Two', unsigned: { age: 5 }, signatures: { other: { 'ed25519:x': 'y' }, domain: { 'ed25519:0': 'z' } } }
    expect(signed(object)).toEqual({
      ...object,
      signatures: { other: { 'ed25519:x': 'y' }, domain: { 'ed25519:0': 'z', 'ed25519:1': dataSignature } },
    })
    expect(object.signatures.domain).toEqual({ 'ed25519:0': 'z' })
  })

  test('puts an object right whose signatures are nonsense', () => {
    expect(signed({ signatures: 'x' })).toEqual(signed({}))
    expect(signed({ signatures: { domain: 5 } })).toEqual(signed({}))
  })
})

describe('signing events', () => {
  test('makes the signatures of the specification', () => {
    const minimal = {
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
    }
    expect(signedEvent(minimal, '1')).toEqual({
      ...minimal,
      hashes: { sha256: '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos' },
      signatures: { domain: { 'ed25519:1': 'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg' } },
    })
    const redactable = {
      content: { body: 'Here is the message content' },
      event_id: '$0:domain',
      origin: 'domain',
      origin_server_ts: 1000000,
      type: 'm.room.message',
      room_id: '!r:domain',
      sender: '@u:domain',
      signatures: {},
      unsigned: { age_ts: 1000000 },
    }
    expect(signedEvent(redactable, '1')).toEqual({
      ...redactable,
      hashes: { sha256: 'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g' },
      signatures: { domain: { 'ed25519:1': 'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA' } },
    })
  })

  test('makes signatures that stay valid when the event is redacted', () => {
    const event = signedEvent({ type: 'm.room.message', content: { body: 'x' }, sender: '@a:domain' }, '11')
    const [signature] = signaturesOf(event, 'domain')
    const redacted = { ...event, content: {} }
    expect(verify(null, eventSigningBytes(redacted, rulesOfVersion('11')), publicKey, signature?.signature ?? new Uint8Array())).toBe(true)
  })
})

test('signatures that are malformed, or of unknown algorithms, are passed over', () => {
  const good = Buffer.alloc(64, 7).toString('base64')
  const object = {
    signatures: { hs1: { 'ed25519:a': good, 'ed25519:b': 'AAAA', 'ed25519:c': 5, 'ed25519:d': '!', 'rsa:e': good }, hs2: 'x' },
  }
  expect(signaturesOf(object, 'hs1')).toEqual([{ keyId: 'ed25519:a', signature: new Uint8Array(64).fill(7) }])
  for (const name of ['hs2', 'hs3', 'constructor', '__proto__']) expect(signaturesOf(object, name)).toEqual([])
  expect(signaturesOf({ signatures: [] }, 'hs1')).toEqual([])
})

describe('an event must be signed', () => {
  const event = (changes: Partial<RoomEvent>): RoomEvent => ({
    eventId: '$e:event.example',
    roomId: '!r:hs1',
    type: 'm.room.member',
    stateKey: '@bob:target.example',
    sender: '@alice:sender.example:80',
    content: { membership: 'join' },
    originServerTs: 0,
    depth: 1,
    prevEvents: [],
    authEvents: [],
    redacts: undefined,
    pdu: {},
    ...changes,
  })

  test("by the sender's server", () => {
    expect(requiredSigners(event({}), rulesOfVersion('11'))).toEqual(['sender.example:80'])
  })

  test("in versions 1 and 2 by the event id's server as well", () => {
    expect(requiredSigners(event({}), rulesOfVersion('2'))).toEqual(['sender.example:80', 'event.example'])
    expect(requiredSigners(event({ eventId: '$e:sender.example:80' }), rulesOfVersion('1'))).toEqual(['sender.example:80'])
  })

  test('from version 8 on by the server of who authorised a join, where that is a user', () => {
    const authorised = event({ content: { membership: 'join', join_authorised_via_users_server: '@carol:resident.example' } })
    expect(requiredSigners(authorised, rulesOfVersion('8'))).toEqual(['sender.example:80', 'resident.example'])
    expect(requiredSigners(authorised, rulesOfVersion('7'))).toEqual(['sender.example:80'])
    expect(requiredSigners({ ...authorised, type: 'm.room.message' }, rulesOfVersion('8'))).toEqual(['sender.example:80'])
    for (const nobody of [5, 'carol', '@carol']) {
      const content = { membership: 'join', join_authorised_via_users_server: nobody }
      expect(requiredSigners(event({ content }), rulesOfVersion('8'))).toEqual(['sender.example:80'])
    }
  })

  test('by nobody in particular if it is a third-party invite', () => {
    const invite = { membership: 'invite', third_party_invite: { signed: {} } }
    expect(requiredSigners(event({ content: invite }), rulesOfVersion('11'))).toEqual([])
    expect(requiredSigners(event({ content: { ...invite, membership: 'join' } }), rulesOfVersion('11'))).toEqual(['sender.example:80'])
    expect(requiredSigners(event({ content: invite, type: 'x' }), rulesOfVersion('11'))).toEqual(['sender.example:80'])
  })
})

describe('a server-key document', () => {
  const key = rawPublicKey.toString('base64')
  const oldKey = Buffer.alloc(32, 9).toString('base64')
  const document: JsonObject = {
    server_name: 'domain',
    valid_until_ts: 1000,
    verify_keys: { 'ed25519:1': { key }, 'rsa:1': { key: 'x' } },
    old_verify_keys: { 'ed25519:0': { key: oldKey, expired_ts: 500 } },
    signatures: {},
  }

  test('is read, with its signatures by its own keys ready to verify', () => {
    const keys = parseServerKeys(signed(document))
    if (keys === undefined) throw new Error('not read')
    expect(keys.serverName).toBe('domain')
    expect([...keys.verifyKeys.keys()]).toEqual(['ed25519:1'])
    expect(keys.oldVerifyKeys.get('ed25519:0')?.expiredTs).toBe(500)
    const [own, ...others] = selfSignatures(keys)
    expect(others).toEqual([])
    expect(own?.publicKey).toEqual(new Uint8Array(rawPublicKey))
    expect(verify(null, own?.message ?? new Uint8Array(), publicKey, own?.signature ?? new Uint8Array())).toBe(true)
  })

  test('may leave out old keys, and be signed by none of its own', () => {
    const { old_verify_keys, ...rest } = document
    const keys = parseServerKeys(rest)
    expect(keys?.oldVerifyKeys.size).toBe(0)
    expect(keys && selfSignatures(keys)).toEqual([])
    expect(old_verify_keys).toBeDefined()
  })

  const wrong: JsonObject[] = [
    { server_name: 'a b' },
    { server_name: 5 },
    { valid_until_ts: '1000' },
    { valid_until_ts: 1.5 },
    { verify_keys: [] },
    { verify_keys: { 'ed25519:1': { key: 'AAAA' } } },
    { verify_keys: { 'ed25519:1': key } },
    { old_verify_keys: 'x' },
    { old_verify_keys: { 'ed25519:0': { key: oldKey } } },
    { signatures: 5 },
    { verify_keys: Object.fromEntries(Array.from({ length: 101 }, (_none, index) => [`ed25519:${index}`, { key }])) },
  ]
  test.each(wrong)('is refused with %j', (changes) => {
    expect(parseServerKeys({ ...document, ...changes })).toBeUndefined()
  })

  test.each([null, [], 'x'])('is never %j', (value) => {
    expect(parseServerKeys(value)).toBeUndefined()
  })

  test('holds a current key until the earlier of its date and seven days after it was fetched', () => {
    const week = 7 * 24 * 3600 * 1000
    const keys = parseServerKeys({ ...document, valid_until_ts: 10 * week })
    if (keys === undefined) throw new Error('not read')
    const isValidAt = (at: number, fetchedAt: number, enforceValidity = true) =>
      verifyKeyAt(keys, keyId, { at, fetchedAt, enforceValidity }) !== undefined
    expect(isValidAt(week + 5, 5)).toBe(true)
    expect(isValidAt(week + 6, 5)).toBe(false)
    expect(isValidAt(10 * week, 9 * week + 1)).toBe(true)
    expect(isValidAt(10 * week + 1, 10 * week)).toBe(false)
    expect(isValidAt(10 * week + 1, 10 * week, false)).toBe(true)
  })

  test('holds an old key until it expired, and no key that it does not list', () => {
    const keys = parseServerKeys(document)
    if (keys === undefined) throw new Error('not read')
    const use = { fetchedAt: 0, enforceValidity: true }
    expect(verifyKeyAt(keys, 'ed25519:0', { ...use, at: 500 })).toEqual(new Uint8Array(32).fill(9))
    expect(verifyKeyAt(keys, 'ed25519:0', { ...use, at: 501 })).toBeUndefined()
    expect(verifyKeyAt(keys, 'ed25519:0', { ...use, at: 501, enforceValidity: false })).toBeDefined()
    expect(verifyKeyAt(keys, 'ed25519:2', { ...use, at: 0 })).toBeUndefined()
  })
})
