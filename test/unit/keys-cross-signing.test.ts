import { beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { crossSigningKeysOf, deviceKeysOf, json, publicKey, signed } from './keys-fixture.ts'
import { openUsers, type UsersFixture } from './users-fixture.ts'

interface User {
  readonly userId: string
  readonly token: string
}

let home: UsersFixture
let alice: User
let bob: User

beforeEach(async () => {
  home = await openUsers()
  alice = await home.register('alice', { device_id: 'PHONE' })
  bob = await home.register('bob', { device_id: 'LAPTOP' })
  home.members.rooms.set('!room:a.example', new Set([alice.userId, bob.userId, '@carol:b.example']))
})

const upload = (user: User, body: object) => home.ask('POST', '/v3/keys/device_signing/upload', { token: user.token, body })
const sign = (user: User, body: object) => home.ask('POST', '/v3/keys/signatures/upload', { token: user.token, body })
const query = async (user: User, ...userIds: string[]) =>
  (
    await home.ask('POST', '/v3/keys/query', {
      token: user.token,
      body: { device_keys: Object.fromEntries(userIds.map((userId) => [userId, []])) },
    })
  ).body
const at = (object: JsonObject | undefined, ...path: string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as JsonObject | undefined)?.[key], object)

describe('cross-signing keys', () => {
  test('are published at first without a password, and others do not see the user-signing key', async () => {
    const keys = await crossSigningKeysOf(alice.userId, 'a')
    const since = home.stream.current
    expect((await upload(alice, keys)).body).toEqual({})
    expect(await query(bob, alice.userId)).toMatchObject({
      master_keys: { [alice.userId]: keys.master_key },
      self_signing_keys: { [alice.userId]: keys.self_signing_key },
      user_signing_keys: {},
    })
    expect(await query(alice, alice.userId)).toMatchObject({ user_signing_keys: { [alice.userId]: keys.user_signing_key } })
    expect(await home.deviceKeys.queryLocal({ [alice.userId]: [] })).not.toHaveProperty('user_signing_keys')
    expect(await home.deviceLists.changedSince(bob.userId, since, home.stream.current)).toEqual([alice.userId])
    expect((await home.outgoing('b.example')).at(-1)).toMatchObject({
      edu_type: 'm.signing_key_update',
      content: { user_id: alice.userId, master_key: keys.master_key, self_signing_key: keys.self_signing_key },
    })
  })

  test('may be uploaded again as they are, and replaced with the password alone', async () => {
    const keys = await crossSigningKeysOf(alice.userId, 'a')
    await upload(alice, keys)
    const since = home.stream.current
    expect((await upload(alice, keys)).status).toBe(200)
    expect(home.stream.current).toBe(since)
    const others = await crossSigningKeysOf(alice.userId, 'b')
    const refused = await upload(alice, others)
    expect([refused.status, refused.body.flows]).toEqual([401, [{ stages: ['m.login.password'] }]])
    expect((await upload(alice, { ...others, auth: { type: 'm.login.dummy' } })).status).toBe(401)
    expect((await upload(alice, { ...others, auth: home.passwordAuth('alice') })).status).toBe(200)
    expect(await query(bob, alice.userId)).toMatchObject({ master_keys: { [alice.userId]: others.master_key } })
  })

  test('of two first uploads at once, one needs the password', async () => {
    const uploads = [await crossSigningKeysOf(alice.userId, 'a'), await crossSigningKeysOf(alice.userId, 'b')]
    const answers = await Promise.all(uploads.map((keys) => upload(alice, keys)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401])
  })

  test('that add to those there are need the password', async () => {
    const { master_key, self_signing_key } = await crossSigningKeysOf(alice.userId, 'a')
    await upload(alice, { master_key })
    expect((await upload(alice, { self_signing_key })).status).toBe(401)
    expect((await upload(alice, { self_signing_key, auth: home.passwordAuth('alice') })).status).toBe(200)
    expect(await query(bob, alice.userId)).toMatchObject({ self_signing_keys: { [alice.userId]: self_signing_key } })
  })

  test('that an old master key signed go with it', async () => {
    await upload(alice, await crossSigningKeysOf(alice.userId, 'a'))
    const { master_key } = await crossSigningKeysOf(alice.userId, 'b')
    await upload(alice, { master_key, auth: home.passwordAuth('alice') })
    expect(await query(alice, alice.userId)).toMatchObject({ self_signing_keys: {}, user_signing_keys: {} })
  })

  test('are refused without a master key, badly signed, of others, malformed, or named like a device', async () => {
    const keys = await crossSigningKeysOf(alice.userId, 'a')
    const { self_signing_key: stranger } = await crossSigningKeysOf(alice.userId, 'b')
    const cases: [object, number, string][] = [
      [{ self_signing_key: keys.self_signing_key }, 400, 'M_MISSING_PARAM'],
      [{ ...keys, self_signing_key: stranger }, 400, 'M_INVALID_SIGNATURE'],
      [{ ...keys, self_signing_key: { ...keys.self_signing_key, signatures: {} } }, 400, 'M_INVALID_SIGNATURE'],
      [await crossSigningKeysOf(bob.userId, 'a'), 400, 'M_INVALID_PARAM'],
      [{ master_key: { ...keys.master_key, usage: ['self_signing'] } }, 400, 'M_INVALID_PARAM'],
      [{ master_key: { ...keys.master_key, keys: {} } }, 400, 'M_INVALID_PARAM'],
      [{ master_key: { ...keys.master_key, keys: { 'ed25519:x': 'x' } } }, 400, 'M_INVALID_PARAM'],
      [{ master_key: 'x' }, 400, 'M_BAD_JSON'],
    ]
    for (const [body, status, errcode] of cases) {
      const answer = await upload(alice, body)
      expect([answer.status, answer.body.errcode]).toEqual([status, errcode])
    }
    await home.ask('POST', '/v3/login', { body: { ...home.passwordAuth('alice'), device_id: publicKey('a master') } })
    expect((await upload(alice, keys)).body.errcode).toBe('M_FORBIDDEN')
  })

  test('keep devices from being named like them', async () => {
    await upload(alice, await crossSigningKeysOf(alice.userId, 'a'))
    const login = await home.ask('POST', '/v3/login', { body: { ...home.passwordAuth('alice'), device_id: publicKey('a master') } })
    expect([login.status, login.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })
})

describe('signatures', () => {
  const selfSigned = async (userId: string, deviceId: string, secret: string) =>
    signed(await deviceKeysOf(userId, deviceId), {
      userId,
      keyId: `ed25519:${publicKey(`${secret} self_signing`)}`,
      secret: `${secret} self_signing`,
    })

  beforeEach(async () => {
    await upload(alice, await crossSigningKeysOf(alice.userId, 'a'))
    await upload(bob, await crossSigningKeysOf(bob.userId, 'b'))
    await home.ask('POST', '/v3/keys/upload', { token: alice.token, body: { device_keys: await deviceKeysOf(alice.userId, 'PHONE') } })
  })

  test('of a device by the self-signing key are seen by everyone, and told to other servers', async () => {
    const since = home.stream.current
    const keys = await selfSigned(alice.userId, 'PHONE', 'a')
    expect((await sign(alice, { [alice.userId]: { PHONE: keys } })).body).toEqual({ failures: {} })
    expect(at(await query(bob, alice.userId), 'device_keys', alice.userId, 'PHONE', 'signatures')).toEqual(keys.signatures)
    expect(await home.deviceLists.changedSince(bob.userId, since, home.stream.current)).toEqual([alice.userId])
    expect((await home.outgoing('b.example')).at(-1)).toMatchObject({
      edu_type: 'm.device_list_update',
      content: { device_id: 'PHONE', keys: { signatures: keys.signatures } },
    })
  })

  test('of another user by the user-signing key are seen by who made them alone', async () => {
    const since = home.stream.current
    const { master_key: master } = await crossSigningKeysOf(bob.userId, 'b')
    const keyId = `ed25519:${publicKey('a user_signing')}`
    const key = await signed(master, { userId: alice.userId, keyId, secret: 'a user_signing' })
    expect((await sign(alice, { [bob.userId]: { [publicKey('b master')]: key } })).body).toEqual({ failures: {} })
    expect(at(await query(alice, bob.userId), 'master_keys', bob.userId, 'signatures', alice.userId, keyId)).toEqual(
      at(key, 'signatures', alice.userId, keyId),
    )
    expect(at(await query(bob, bob.userId), 'master_keys', bob.userId, 'signatures')).toBeUndefined()
    expect(await home.deviceLists.changedSince(alice.userId, since, home.stream.current)).toEqual([bob.userId])
    expect(await home.deviceLists.changedSince(bob.userId, since, home.stream.current)).toEqual([])
  })

  test('of the master key by a device are seen by everyone', async () => {
    const { master_key: master } = await crossSigningKeysOf(alice.userId, 'a')
    const key = await signed(master, { userId: alice.userId, keyId: 'ed25519:PHONE', secret: 'PHONE' })
    expect((await sign(alice, { [alice.userId]: { [publicKey('a master')]: key } })).body).toEqual({ failures: {} })
    expect(at(await query(bob, alice.userId), 'master_keys', alice.userId, 'signatures')).toEqual(key.signatures)
  })

  test("of another server's user are kept beside what that server says", async () => {
    const carol = '@carol:b.example'
    const { master_key: master } = await crossSigningKeysOf(carol, 'c')
    home.others.query = async () => json({ device_keys: { [carol]: {} }, master_keys: { [carol]: master } })
    await query(alice, carol)
    const keyId = `ed25519:${publicKey('a user_signing')}`
    const key = await signed(master, { userId: alice.userId, keyId, secret: 'a user_signing' })
    expect((await sign(alice, { [carol]: { [publicKey('c master')]: key } })).body).toEqual({ failures: {} })
    expect(at(await query(alice, carol), 'master_keys', carol, 'signatures', alice.userId, keyId)).toBeDefined()
    expect(at(await query(bob, carol), 'master_keys', carol, 'signatures')).toBeUndefined()
  })

  test('that are wrong fail one by one', async () => {
    const good = await selfSigned(alice.userId, 'PHONE', 'a')
    const bobs = await deviceKeysOf(bob.userId, 'LAPTOP')
    const { body } = await sign(alice, {
      [alice.userId]: {
        PHONE: { ...good, algorithms: [] },
        NONE: await deviceKeysOf(alice.userId, 'NONE'),
        [publicKey('a master')]: await signed((await crossSigningKeysOf(alice.userId, 'a')).master_key, {
          userId: alice.userId,
          keyId: 'ed25519:PHONE',
          secret: 'other',
        }),
      },
      [bob.userId]: { LAPTOP: bobs, x: 1 },
    })
    const code = (userId: string, key: string) => at(body, 'failures', userId, key, 'errcode')
    expect(code(alice.userId, 'PHONE')).toBe('M_INVALID_PARAM')
    expect(code(alice.userId, 'NONE')).toBe('M_NOT_FOUND')
    expect(code(alice.userId, publicKey('a master'))).toBe('M_INVALID_SIGNATURE')
    expect(code(bob.userId, 'LAPTOP')).toBe('M_NOT_FOUND')
    expect(code(bob.userId, 'x')).toBe('M_BAD_JSON')
  })

  test('with the wrong kind of key are worth nothing', async () => {
    const device = await deviceKeysOf(alice.userId, 'PHONE')
    const byUserSigning = await signed(device, {
      userId: alice.userId,
      keyId: `ed25519:${publicKey('a user_signing')}`,
      secret: 'a user_signing',
    })
    const { body } = await sign(alice, { [alice.userId]: { PHONE: byUserSigning } })
    expect(at(body, 'failures', alice.userId, 'PHONE', 'errcode')).toBe('M_INVALID_SIGNATURE')
  })
})
