import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { crossSigningKeysOf, deviceKeysOf, json, publicKey, signed } from './keys-fixture.ts'
import { homeWorld, RogueServer } from './rogue-server.ts'
import { openUsers, type UsersFixture } from './users-fixture.ts'

interface User {
  readonly userId: string
  readonly token: string
  readonly deviceId: string
}

let home: UsersFixture
let alice: User
let bob: User

const room = '!room:a.example'
const carol = '@carol:b.example'

beforeEach(async () => {
  home = await openUsers()
  alice = await home.register('alice', { device_id: 'PHONE', initial_device_display_name: 'Phone' })
  bob = await home.register('bob', { device_id: 'LAPTOP' })
  home.members.rooms.set(room, new Set([alice.userId, bob.userId, carol]))
})

const upload = (user: User, body: object) => home.ask('POST', '/v3/keys/upload', { token: user.token, body })
const query = async (user: User, deviceKeys: object, timeout?: number) =>
  (await home.ask('POST', '/v3/keys/query', { token: user.token, body: { device_keys: deviceKeys, timeout } })).body
const claim = async (user: User, oneTimeKeys: object) =>
  (await home.ask('POST', '/v3/keys/claim', { token: user.token, body: { one_time_keys: oneTimeKeys } })).body
const changedFor = (user: User, since: number) => home.deviceLists.changedSince(user.userId, since, home.stream.current)

describe('device keys', () => {
  test('are published, queried with the name of the device, and gone with the device', async () => {
    const keys = await deviceKeysOf(alice.userId, 'PHONE')
    expect((await upload(alice, { device_keys: keys })).body).toEqual({ one_time_key_counts: { signed_curve25519: 0 } })
    const shown = { ...keys, unsigned: { device_display_name: 'Phone' } }
    expect(await query(bob, { [alice.userId]: [] })).toMatchObject({ device_keys: { [alice.userId]: { PHONE: shown } }, failures: {} })
    expect(await query(bob, { [alice.userId]: ['OTHER'], '@nobody:a.example': [] })).toMatchObject({ device_keys: { [alice.userId]: {} } })
    await home.ask('POST', '/v3/logout', { token: alice.token })
    expect(await query(bob, { [alice.userId]: [] })).toMatchObject({ device_keys: { [alice.userId]: {} } })
  })

  test('without a signature are for other clients to judge', async () => {
    const keys = { ...(await deviceKeysOf(alice.userId, 'PHONE')), signatures: {} }
    expect((await upload(alice, { device_keys: keys })).status).toBe(200)
    expect(await query(bob, { [alice.userId]: [] })).toMatchObject({ device_keys: { [alice.userId]: { PHONE: keys } } })
  })

  test.each([
    ['of another user', async () => deviceKeysOf(bob.userId, 'PHONE'), 'M_INVALID_PARAM'],
    ['of another device', async () => deviceKeysOf(alice.userId, 'LAPTOP'), 'M_INVALID_PARAM'],
    [
      'changed after they were signed',
      async () => ({ ...(await deviceKeysOf(alice.userId, 'PHONE')), algorithms: [] }),
      'M_INVALID_SIGNATURE',
    ],
    ['without keys', async () => ({ user_id: alice.userId, device_id: 'PHONE' }), 'M_BAD_JSON'],
  ])('%s are refused', async (_, keys, errcode) => {
    const { status, body } = await upload(alice, { device_keys: await keys() })
    expect([status, body.errcode]).toEqual([400, errcode])
  })

  test('that change are seen by who shares a room, once, and by nobody else', async () => {
    const mallory = await home.register('mallory')
    const since = home.stream.current
    const keys = await deviceKeysOf(alice.userId, 'PHONE')
    await upload(alice, { device_keys: keys })
    expect(await changedFor(bob, since)).toEqual([alice.userId])
    expect(await changedFor(alice, since)).toEqual([alice.userId])
    expect(await changedFor(mallory, since)).toEqual([])
    const after = home.stream.current
    await upload(alice, { device_keys: keys })
    expect(await changedFor(bob, after)).toEqual([])
    const asked = await home.ask('GET', `/v3/keys/changes?from=${since}&to=${after}`, { token: bob.token })
    expect(asked.body).toEqual({ changed: [alice.userId], left: [] })
  })

  test('are told to other servers as a chain of updates, each with what changed', async () => {
    const keys = await deviceKeysOf(alice.userId, 'PHONE')
    await upload(alice, { device_keys: keys })
    await home.ask('PUT', '/v3/devices/PHONE', { token: alice.token, body: { display_name: 'Mobile' } })
    const second = await home.ask('POST', '/v3/login', { body: { ...home.passwordAuth('alice'), device_id: 'TABLET' } })
    await home.ask('POST', '/v3/logout', { token: String(second.body.access_token) })
    const edus = (await home.outgoing('b.example')).filter(({ content }) => content.user_id === alice.userId)
    expect(edus.map(({ edu_type }) => edu_type)).toEqual(Array(4).fill('m.device_list_update'))
    expect(edus.map(({ content }) => content)).toMatchObject([
      { device_id: 'PHONE', device_display_name: 'Phone', keys },
      { device_id: 'PHONE', device_display_name: 'Mobile', keys },
      { device_id: 'TABLET' },
      { device_id: 'TABLET', deleted: true },
    ])
    for (const [index, { content }] of edus.entries()) {
      const before = edus[index - 1]
      if (before) expect(content.prev_id).toEqual([before.content.stream_id])
    }
    expect(await home.deviceKeys.devicesOf(alice.userId)).toEqual({
      user_id: alice.userId,
      stream_id: edus.at(-1)?.content.stream_id,
      devices: [{ device_id: 'PHONE', device_display_name: 'Mobile', keys }],
    })
    await expect(home.deviceKeys.devicesOf('@nobody:a.example')).rejects.toMatchObject({ errcode: 'M_NOT_FOUND' })
  })

  test('keep their place in updates when the device is renamed at the same time, whatever comes first', async () => {
    const keys = await deviceKeysOf(alice.userId, 'PHONE')
    await Promise.all([
      home.ask('PUT', '/v3/devices/PHONE', { token: alice.token, body: { display_name: 'Mobile' } }),
      upload(alice, { device_keys: keys }),
      home.ask('PUT', '/v3/devices/PHONE', { token: alice.token, body: { display_name: 'Mobile' } }),
    ])
    expect((await home.outgoing('b.example')).at(-1)?.content).toMatchObject({ device_id: 'PHONE', device_display_name: 'Mobile', keys })
  })

  test('wake the queues of servers once their updates are durable', async () => {
    home.woken.length = 0
    await upload(alice, { device_keys: await deviceKeysOf(alice.userId, 'PHONE') })
    expect(home.woken).toEqual(['b.example'])
  })

  test('that replace others lose the signatures that were on those', async () => {
    const keys = await deviceKeysOf(alice.userId, 'PHONE')
    await upload(alice, { device_keys: keys })
    const crossSigning = await crossSigningKeysOf(alice.userId, 'a')
    await home.ask('POST', '/v3/keys/device_signing/upload', { token: alice.token, body: crossSigning })
    const bySelfSigningKey = { userId: alice.userId, keyId: `ed25519:${publicKey('a self_signing')}`, secret: 'a self_signing' }
    await home.ask('POST', '/v3/keys/signatures/upload', {
      token: alice.token,
      body: { [alice.userId]: { PHONE: await signed(keys, bySelfSigningKey) } },
    })
    expect(JSON.stringify(await query(bob, { [alice.userId]: [] }))).toContain(`${bySelfSigningKey.keyId}":"`)
    const replaced = await deviceKeysOf(alice.userId, 'PHONE', 'other secret')
    await upload(alice, { device_keys: replaced })
    const shown = { PHONE: { ...replaced, unsigned: { device_display_name: 'Phone' } } }
    expect((await query(bob, { [alice.userId]: [] })).device_keys).toEqual({ [alice.userId]: shown })
    expect((await home.outgoing('b.example')).at(-1)?.content.keys).toEqual(replaced)
  })

  test('are announced to servers that come to share a room', async () => {
    await home.deviceLists.announce(alice.userId, ['c.example', 'a.example'])
    expect(await home.outgoing('c.example')).toMatchObject([
      { edu_type: 'm.device_list_update', content: { user_id: alice.userId, device_id: 'PHONE' } },
    ])
    expect(await home.outgoing('a.example')).toEqual([])
  })
})

describe('one-time keys', () => {
  const wanted = () => ({ [alice.userId]: { PHONE: 'signed_curve25519' } })
  const keys = (...names: string[]) => ({
    one_time_keys: Object.fromEntries(names.map((name) => [`signed_curve25519:${name}`, { key: name }])),
  })
  const nameOf = (body: JsonObject) => JSON.stringify(body.one_time_keys).match(/"key":"(\w+)"/)?.[1]

  test('are counted, and handed out in the order of upload, each once', async () => {
    expect((await upload(alice, keys('b'))).body).toEqual({ one_time_key_counts: { signed_curve25519: 1 } })
    expect((await upload(alice, keys('a'))).body).toEqual({ one_time_key_counts: { signed_curve25519: 2 } })
    expect(await claim(bob, wanted())).toEqual({
      one_time_keys: { [alice.userId]: { PHONE: { 'signed_curve25519:b': { key: 'b' } } } },
      failures: {},
    })
    expect(await home.oneTimeKeys.counts(alice.userId, 'PHONE')).toEqual({ signed_curve25519: 1 })
    expect(nameOf(await claim(bob, wanted()))).toBe('a')
    expect(await claim(bob, wanted())).toEqual({ one_time_keys: {}, failures: {} })
  })

  test('are never handed out twice, however many ask at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 20 }), async (count, claims) => {
        home = await openUsers()
        alice = await home.register('alice', { device_id: 'PHONE' })
        await upload(alice, keys(...Array.from({ length: count }, (_, i) => `k${i}`)))
        const answers = await Promise.all(Array.from({ length: claims }, () => claim(alice, wanted())))
        const names = answers.flatMap((answer) => nameOf(answer) ?? [])
        expect(new Set(names).size).toBe(names.length)
        expect(names).toHaveLength(Math.min(count, claims))
        const left = Math.max(0, count - claims)
        expect(await home.oneTimeKeys.counts(alice.userId, 'PHONE')).toEqual({ signed_curve25519: left })
      }),
      { numRuns: 20 },
    )
  })

  test('give way to the fallback key, which can be used again and says that it was', async () => {
    await upload(alice, { ...keys('a'), fallback_keys: { 'signed_curve25519:f': { key: 'f', fallback: true } } })
    expect(await home.oneTimeKeys.unusedFallbackTypes(alice.userId, 'PHONE')).toEqual(['signed_curve25519'])
    expect(nameOf(await claim(bob, wanted()))).toBe('a')
    const since = home.stream.current
    expect(nameOf(await claim(bob, wanted()))).toBe('f')
    expect(nameOf(await claim(bob, wanted()))).toBe('f')
    expect(await home.oneTimeKeys.unusedFallbackTypes(alice.userId, 'PHONE')).toEqual([])
    expect(home.oneTimeKeys.changedAfter(alice.userId, 'PHONE', since)).toBe(true)
    expect(home.oneTimeKeys.changedAfter(alice.userId, 'PHONE', home.stream.current)).toBe(false)
    await upload(alice, { fallback_keys: { 'signed_curve25519:g': { key: 'g' } } })
    expect(await home.oneTimeKeys.unusedFallbackTypes(alice.userId, 'PHONE')).toEqual(['signed_curve25519'])
    expect(nameOf(await claim(bob, wanted()))).toBe('g')
  })

  test('may be uploaded again, but not replaced', async () => {
    await upload(alice, keys('a'))
    expect((await upload(alice, keys('a'))).body).toEqual({ one_time_key_counts: { signed_curve25519: 1 } })
    const replaced = await upload(alice, { one_time_keys: { 'signed_curve25519:a': { key: 'other' } } })
    expect([replaced.status, replaced.body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    expect((await upload(alice, { one_time_keys: { nonsense: 'x' } })).status).toBe(400)
    expect((await upload(alice, { one_time_keys: { 'signed_curve25519:n': 5 } })).status).toBe(400)
    expect((await upload(alice, { one_time_keys: [] })).status).toBe(400)
    expect((await upload(alice, { fallback_keys: { 'a:1': 'x', 'a:2': 'y' } })).status).toBe(400)
  })

  test('that were handed out never are again, though the device repeats its upload, even after a restart', async () => {
    await upload(alice, keys('a'))
    expect(nameOf(await claim(bob, wanted()))).toBe('a')
    expect((await upload(alice, keys('a'))).body).toEqual({ one_time_key_counts: { signed_curve25519: 0 } })
    home = await openUsers({ storage: home.storage })
    await upload(alice, keys('a', 'b'))
    expect(nameOf(await claim(bob, wanted()))).toBe('b')
    expect(await claim(bob, wanted())).toEqual({ one_time_keys: {}, failures: {} })
  })

  test('that are uploaded twice at once are handed out once', async () => {
    await Promise.all([upload(alice, keys('a', 'b')), upload(alice, keys('a', 'b')), upload(alice, keys('b', 'c'))])
    expect(await home.oneTimeKeys.counts(alice.userId, 'PHONE')).toEqual({ signed_curve25519: 3 })
  })

  test('leave a fallback key used that is uploaded again, and a new one unused that comes while the old is handed out', async () => {
    const fallback = (name: string) => ({ fallback_keys: { [`signed_curve25519:${name}`]: { key: name, fallback: true } } })
    await upload(alice, fallback('f'))
    expect(nameOf(await claim(bob, wanted()))).toBe('f')
    await upload(alice, fallback('f'))
    expect(await home.oneTimeKeys.unusedFallbackTypes(alice.userId, 'PHONE')).toEqual([])
    await upload(alice, fallback('g'))
    const [handedOut] = await Promise.all([claim(bob, wanted()), upload(alice, fallback('h'))])
    expect(['g', 'h']).toContain(nameOf(handedOut))
    expect(nameOf(await claim(bob, wanted()))).toBe('h')
  })

  test('go with the device, and a new device of the same id has none', async () => {
    await upload(alice, keys('a'))
    await home.ask('POST', '/v3/logout', { token: alice.token })
    await home.ask('POST', '/v3/login', { body: { ...home.passwordAuth('alice'), device_id: 'PHONE' } })
    expect(await home.oneTimeKeys.counts(alice.userId, 'PHONE')).toEqual({ signed_curve25519: 0 })
    expect(await claim(bob, wanted())).toEqual({ one_time_keys: {}, failures: {} })
  })

  test('of other servers are claimed there, and only what was asked for comes back', async () => {
    home.others.claim = async () =>
      json({ one_time_keys: { [carol]: { DESK: { 'a:1': 'x' }, OTHER: { 'a:2': 'y' } }, [alice.userId]: { PHONE: { 'a:3': 'z' } } } })
    expect(await claim(alice, { [carol]: { DESK: 'a' } })).toEqual({ one_time_keys: { [carol]: { DESK: { 'a:1': 'x' } } }, failures: {} })
    home.others.claim = () => Promise.reject(new Error('unreachable'))
    expect(await claim(alice, { [carol]: { DESK: 'a' } })).toMatchObject({ one_time_keys: {}, failures: { 'b.example': {} } })
  })
})

describe("other servers' devices", () => {
  let asked: number
  let desk: JsonObject

  beforeEach(async () => {
    asked = 0
    desk = await deviceKeysOf(carol, 'DESK')
    home.others.query = async () => {
      asked++
      return json({ device_keys: { [carol]: { DESK: desk, LIAR: await deviceKeysOf(carol, 'OTHER') }, [alice.userId]: {} } })
    }
  })

  const update = (content: object, origin = 'b.example') =>
    home.remoteDeviceLists.receiveDeviceList(origin, json({ user_id: carol, device_id: 'DESK', ...content }))
  const devices = async () => {
    const { device_keys: keys } = await query(alice, { [carol]: [] })
    return Object.keys((keys as Record<string, object>)[carol] ?? {})
  }

  test('are asked for once, and then known for as long as a room is shared', async () => {
    expect(await query(alice, { [carol]: [] })).toMatchObject({ device_keys: { [carol]: { DESK: desk } }, failures: {} })
    expect(await devices()).toEqual(['DESK'])
    expect(asked).toBe(1)
    await home.remoteDeviceLists.unsubscribed(carol)
    await devices()
    expect(asked).toBe(2)
    home.members.rooms.clear()
    await devices()
    await devices()
    expect(asked).toBe(4)
  })

  test('follow the updates of their server, which clients see', async () => {
    await devices()
    const since = home.stream.current
    await update({ device_id: 'TABLET', stream_id: 5, keys: await deviceKeysOf(carol, 'TABLET'), device_display_name: 'Tablet' })
    expect(await changedFor(alice, since)).toEqual([carol])
    expect(await devices()).toEqual(['DESK', 'TABLET'])
    await update({ stream_id: 6, prev_id: [5], deleted: true })
    expect(await devices()).toEqual(['TABLET'])
    const seen = home.stream.current
    await update({ stream_id: 6, prev_id: [5], deleted: true })
    expect(await changedFor(alice, seen)).toEqual([])
    expect(asked).toBe(1)
  })

  test('that nobody asked for change for who shares a room, each time, and for nobody else', async () => {
    const since = home.stream.current
    await update({ stream_id: 5, keys: desk })
    expect(await changedFor(alice, since)).toEqual([carol])
    const again = home.stream.current
    await home.remoteDeviceLists.receiveSigningKeys('b.example', { user_id: carol })
    expect(await changedFor(alice, again)).toEqual([carol])
    expect(await devices()).toEqual(['DESK'])
    expect(asked).toBe(1)
    await update({ user_id: '@stranger:b.example', stream_id: 5 })
    expect(await home.remoteDeviceLists.kept(['@stranger:b.example'])).toEqual([])
  })

  test('are asked for anew once an update was missed', async () => {
    await devices()
    await update({ stream_id: 5, keys: desk })
    await update({ stream_id: 9, prev_id: [8], deleted: true })
    expect(await devices()).toEqual(['DESK'])
    expect(asked).toBe(2)
  })

  test('an answer that an update overtook is not kept, and clients are told to ask again', async () => {
    const answer = home.others.query
    home.others.query = async (server, keys) => {
      await update({ stream_id: 5, deleted: true })
      return answer?.(server, keys) ?? {}
    }
    const since = home.stream.current
    await devices()
    expect(await changedFor(alice, since)).toEqual([carol])
    home.others.query = answer
    await devices()
    expect(asked).toBe(2)
  })

  test('an answer that a parting overtook is not kept', async () => {
    const answer = home.others.query
    home.others.query = async (server, keys) => {
      for (const stranger of await home.remoteDeviceLists.kept([carol])) await home.remoteDeviceLists.unsubscribed(stranger)
      return answer?.(server, keys) ?? {}
    }
    await devices()
    home.others.query = answer
    await devices()
    expect(asked).toBe(2)
  })

  test('cannot be changed by another server, nor by nonsense', async () => {
    await devices()
    const since = home.stream.current
    await update({ stream_id: 5, deleted: true }, 'c.example')
    await home.remoteDeviceLists.receiveSigningKeys('c.example', { user_id: carol })
    await fc.assert(
      fc.asyncProperty(
        fc.record({ stream_id: fc.jsonValue(), device_id: fc.jsonValue(), prev_id: fc.jsonValue(), keys: fc.jsonValue() }),
        (content) => home.remoteDeviceLists.receiveDeviceList('b.example', json({ ...content, user_id: 'x' })),
      ),
    )
    expect(await changedFor(alice, since)).toEqual([])
    expect(await devices()).toEqual(['DESK'])
  })

  test('that cannot be had are failures, in bounded time, and do not hold up the others', async () => {
    await upload(bob, { device_keys: await deviceKeysOf(bob.userId, 'LAPTOP') })
    home.others.query = () => new Promise(() => undefined)
    const answer = query(alice, { [carol]: [], [bob.userId]: [] }, 5000)
    await home.clock.run(5000)
    expect(await answer).toMatchObject({ device_keys: { [bob.userId]: { LAPTOP: {} } }, failures: { 'b.example': {} } })
  })

  test('that could not be had are reported as changed once their server speaks', async () => {
    home.others.query = () => Promise.reject(new Error('unreachable'))
    await query(alice, { [carol]: [] })
    const since = home.stream.current
    await update({ stream_id: 5, keys: desk })
    expect(await changedFor(alice, since)).toEqual([carol])
  })

  test('are followed after a crash as before it: who was answered is told of changes', async () => {
    const whole = await homeWorld()
    const other = new RogueServer(whole, 'other.example')
    await other.join(await whole.room())
    other.script = ({ path }) => (path.endsWith('/user/keys/query') ? { device_keys: {} } : undefined)
    const { next_batch: since } = await whole.must('GET', '/v3/sync?timeout=0')
    await whole.must('POST', '/v3/keys/query', { device_keys: { [other.userId]: [] } })
    whole.server.crash()
    await whole.server.start()
    const content = { user_id: other.userId, device_id: 'TABLET', stream_id: 1, prev_id: [], deleted: true }
    const body = { origin: other.name, origin_server_ts: 1, pdus: [], edus: [{ edu_type: 'm.device_list_update', content }] }
    await other.ask('PUT', ['v1', 'send', 'update'], { body })
    await whole.settle()
    expect(await whole.must('GET', `/v3/sync?timeout=0&since=${String(since)}`)).toMatchObject({
      device_lists: { changed: [other.userId] },
    })
  })

  test('bring cross-signing keys, which their server may replace', async () => {
    const key = (name: string) => ({ user_id: carol, usage: ['master'], keys: { [`ed25519:${name}`]: name } })
    home.others.query = async () => ({ device_keys: { [carol]: {} }, master_keys: { [carol]: key('one') } })
    expect(await query(alice, { [carol]: [] })).toMatchObject({ master_keys: { [carol]: key('one') } })
    await home.remoteDeviceLists.receiveSigningKeys('b.example', { user_id: carol, master_key: key('two') })
    expect(await query(alice, { [carol]: [] })).toMatchObject({ master_keys: { [carol]: key('two') } })
  })
})

describe('malformed requests', () => {
  test.each([
    ['/v3/keys/query', {}, 'M_MISSING_PARAM'],
    ['/v3/keys/query', { device_keys: { '@a:b': 'x' } }, 'M_BAD_JSON'],
    ['/v3/keys/query', { device_keys: [] }, 'M_BAD_JSON'],
    ['/v3/keys/query', { device_keys: {}, timeout: 'x' }, 'M_BAD_JSON'],
    ['/v3/keys/claim', { one_time_keys: { '@a:b': { D: 1 } } }, 'M_BAD_JSON'],
    ['/v3/keys/upload', { device_keys: 1 }, 'M_BAD_JSON'],
  ])('%s %j is refused', async (path, body, errcode) => {
    const answer = await home.ask('POST', path, { token: alice.token, body })
    expect([answer.status, answer.body.errcode]).toEqual([400, errcode])
  })
})
