import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isCompliantUserId,
  isEventId,
  isEventIdOf,
  isNewUserId,
  isRoomId,
  isRoomIdOf,
  parseRoomAlias,
  parseUserId,
  serverNameOf,
} from '../../src/spec/identifiers.ts'
import { rulesOf, supportedRoomVersions } from '../../src/spec/room-version.ts'
import { isServerName, parseServerName } from '../../src/spec/server-name.ts'
import { rulesOfVersion } from './spec-rules.ts'

const hash = 'Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg'

describe('server names', () => {
  // Appendices, "Server Name", and the corners of its grammar.
  test.each([
    'matrix.org',
    'matrix.org:8888',
    '1.2.3.4',
    '1.2.3.4:1234',
    '[1234:5678::abcd]',
    '[1234:5678::abcd]:5678',
    '[::]',
    '[::1]:8448',
    '[1::]',
    '[::ffff:1.2.3.4]',
    '[1:2:3:4:5:6:7:8]',
    '[1:2:3:4:5:6:1.2.3.4]',
    'hs1',
    'MATRIX.ORG',
    'k51qzi5uqu5di.relay.example:443',
  ])('takes %s', (name) => {
    expect(isServerName(name)).toBe(true)
  })

  test.each([
    '',
    ':80',
    'a b',
    'matrix.org:',
    'matrix.org:123456',
    'matrix.org:80:80',
    'matrix.org:8o',
    'exämple.org',
    'a/b',
    'a_b',
    '1.2.3.256',
    '[1.2.3.4]',
    '[]',
    '[:]',
    '[:::]',
    '[1::2::3]',
    '[1:2:3:4:5:6:7]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1:2:3:4:5:6:7::8]',
    '[12345::]',
    '[g::1]',
    '[::1.2.3.256]',
    '[1.2.3.4::]',
    '::1',
    'matrix.org\n',
    'a'.repeat(256),
  ])('refuses %j', (name) => {
    expect(isServerName(name)).toBe(false)
  })

  test('come apart into host, port and kind', () => {
    expect(parseServerName('[::1]:80')).toEqual({ host: '[::1]', port: 80, kind: 'ipv6' })
    expect(parseServerName('1.2.3.4')).toEqual({ host: '1.2.3.4', port: undefined, kind: 'ipv4' })
    expect(parseServerName('hs1:8448')).toEqual({ host: 'hs1', port: 8448, kind: 'dns' })
  })

  test('take every IPv6 address however it is shortened', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(isServerName(`[${address}]`)).toBe(true)
      }),
    )
  })
})

describe('user ids', () => {
  test('of new users keep to the strict grammar', () => {
    for (const id of ['@alice:hs1', '@a.b_c=d-e/f+g0:[::1]:80']) expect(isNewUserId(id)).toBe(true)
    for (const id of ['@:hs1', '@Alice:hs1', '@a b:hs1', '@é:hs1', 'alice:hs1', '@alice', '@alice:', '@alice:a b'])
      expect(isNewUserId(id)).toBe(false)
  })

  test('of received events may be historical', () => {
    expect(parseUserId('@:hs1')).toEqual({ localpart: '', serverName: 'hs1' })
    expect(parseUserId('@Ünïcode \u0001:hs1:80')).toEqual({ localpart: 'Ünïcode \u0001', serverName: 'hs1:80' })
    for (const id of ['@a\0:hs1', '@a:b:c', '@\ud800:hs1', 'alice:hs1', '']) expect(parseUserId(id)).toBeUndefined()
  })

  test('end at 255 bytes, not characters', () => {
    expect(parseUserId(`@${'a'.repeat(250)}:hs1`)).toBeDefined()
    expect(parseUserId(`@${'a'.repeat(251)}:hs1`)).toBeUndefined()
    expect(parseUserId(`@${'é'.repeat(125)}:hs1`)).toBeDefined()
    expect(parseUserId(`@${'é'.repeat(126)}:hs1`)).toBeUndefined()
  })

  test('are compliant with visible ASCII alone', () => {
    expect(isCompliantUserId('@Alice!:hs1')).toBe(true)
    for (const id of ['@:hs1', '@a b:hs1', '@é:hs1']) expect(isCompliantUserId(id)).toBe(false)
  })

  test('come apart as they were put together', () => {
    const localpart = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => !/[:\0]/.test(text) && text.isWellFormed())
    fc.assert(
      fc.property(localpart, fc.constantFrom('hs1', 'a.example:8448', '[::1]:1'), (user, serverName) => {
        expect(parseUserId(`@${user}:${serverName}`)).toEqual({ localpart: user, serverName })
        expect(serverNameOf(`@${user}:${serverName}`)).toBe(serverName)
      }),
    )
  })
})

describe('room ids, event ids and aliases', () => {
  test('of rooms have a domain until version 11 and a hash from version 12', () => {
    expect(isRoomIdOf(rulesOfVersion('11'), '!abc:hs1')).toBe(true)
    expect(isRoomIdOf(rulesOfVersion('11'), `!${hash}`)).toBe(false)
    expect(isRoomIdOf(rulesOfVersion('12'), `!${hash}`)).toBe(true)
    expect(isRoomIdOf(rulesOfVersion('12'), '!abc:hs1')).toBe(false)
    for (const id of ['!abc:hs1', `!${hash}`]) expect(isRoomId(id)).toBe(true)
    for (const id of ['!abc', `$${hash}`, `!${hash}x`, `!${hash}\n`, '!a\0:hs1', '!a:b c']) expect(isRoomId(id)).toBe(false)
  })

  test('of events look as their room version makes them', () => {
    expect(isEventIdOf(rulesOfVersion('2'), '$abc:hs1')).toBe(true)
    expect(isEventIdOf(rulesOfVersion('2'), `$${hash}`)).toBe(false)
    expect(isEventIdOf(rulesOfVersion('3'), '$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk')).toBe(true)
    expect(isEventIdOf(rulesOfVersion('4'), '$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk')).toBe(false)
    expect(isEventIdOf(rulesOfVersion('4'), `$${hash}`)).toBe(true)
    for (const id of ['', '$', 'abc', `$${'a'.repeat(255)}`]) expect(isEventId(id)).toBe(false)
  })

  test('of aliases have a localpart and a domain', () => {
    expect(parseRoomAlias('#日本 room:hs1')).toEqual({ localpart: '日本 room', serverName: 'hs1' })
    for (const alias of ['room:hs1', '#room', '#a\0:hs1', `#${'a'.repeat(255)}:hs1`]) expect(parseRoomAlias(alias)).toBeUndefined()
  })
})

test('the rules of every room version of the specification are there, and of no other', () => {
  expect(supportedRoomVersions()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12'])
  for (const version of supportedRoomVersions()) expect(rulesOf(version)?.version).toBe(version)
  for (const version of ['', '0', '13', '1.0', 'org.example.other']) expect(rulesOf(version)).toBeUndefined()
})
