import { beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { deviceKeysOf } from './keys-fixture.ts'
import { openUsers, type UsersFixture } from './users-fixture.ts'

let home: UsersFixture
let alice: { userId: string; token: string; deviceId: string }
let bob: { userId: string; token: string; deviceId: string }

const path = '/unstable/org.matrix.msc3814.v1/dehydrated_device'
const data = { algorithm: 'm.dehydration.v2', device_pickle: 'sealed' }

beforeEach(async () => {
  home = await openUsers()
  alice = await home.register('alice', { device_id: 'PHONE' })
  bob = await home.register('bob', { device_id: 'BOB' })
})

const bodyOf = async (deviceId: string): Promise<JsonObject> => ({
  device_id: deviceId,
  device_data: data,
  initial_device_display_name: 'asleep',
  device_keys: { ...(await deviceKeysOf(alice.userId, deviceId)), unsigned: { a: 1 } },
  one_time_keys: { 'signed_curve25519:ONE': { key: `one of ${deviceId}` } },
  fallback_keys: { 'signed_curve25519:LAST': { key: `last of ${deviceId}`, fallback: true } },
})
const leave = async (deviceId: string, body: JsonObject = {}) =>
  home.ask('PUT', path, { token: alice.token, body: { ...(await bodyOf(deviceId)), ...body } })
const send = (deviceId: string, n: number) =>
  home.ask('PUT', `/v3/sendToDevice/m.room.encrypted/t${n}`, {
    token: bob.token,
    body: { messages: { [alice.userId]: { [deviceId]: { n } } } },
  })
const messages = (deviceId: string, query = '') => home.ask('GET', `${path}/${deviceId}/events${query}`, { token: alice.token })
const deviceIds = async () => (await home.devices.list(alice.userId)).map(({ deviceId }) => deviceId)
const claim = async (deviceId: string) => {
  const body = { one_time_keys: { [alice.userId]: { [deviceId]: 'signed_curve25519' } } }
  return (await home.ask('POST', '/v3/keys/claim', { token: bob.token, body })).body.one_time_keys
}

describe('a dehydrated device', () => {
  test('is left, found again, and written to like any other', async () => {
    expect((await home.ask('GET', path, { token: alice.token })).body.errcode).toBe('M_NOT_FOUND')
    expect((await leave('ASLEEP')).body).toEqual({ device_id: 'ASLEEP' })
    expect((await home.ask('GET', path, { token: alice.token })).body).toEqual({ device_id: 'ASLEEP', device_data: data })
    expect((await home.ask('GET', path, { token: bob.token })).status).toBe(404)
    const { body } = await home.ask('POST', '/v3/keys/query', { token: bob.token, body: { device_keys: { [alice.userId]: [] } } })
    expect(body).toMatchObject({
      device_keys: { [alice.userId]: { ASLEEP: { device_id: 'ASLEEP', unsigned: { device_display_name: 'asleep' } } } },
    })
    expect(await claim('ASLEEP')).toEqual({ [alice.userId]: { ASLEEP: { 'signed_curve25519:ONE': { key: 'one of ASLEEP' } } } })
    const fallback = { 'signed_curve25519:LAST': { key: 'last of ASLEEP', fallback: true } }
    expect(await claim('ASLEEP')).toEqual({ [alice.userId]: { ASLEEP: fallback } })
  })

  test('keeps its messages however often they are read, in pages', async () => {
    await leave('ASLEEP')
    for (let n = 0; n < 5; n++) await send('ASLEEP', n)
    for (const _ of [1, 2]) {
      const first = await messages('ASLEEP', '?limit=3')
      expect((first.body.events as JsonObject[]).map(({ content }) => content)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
      expect(first.body.next_batch).toMatch(/^d\d+$/)
      const second = await messages('ASLEEP', `?from=${first.body.next_batch}`)
      expect((second.body.events as JsonObject[]).map(({ content }) => content)).toEqual([{ n: 3 }, { n: 4 }])
      expect(second.body).not.toHaveProperty('next_batch')
    }
    const former = await home.ask('POST', `${path}/ASLEEP/events`, { token: alice.token, body: {} })
    expect(former.body.events).toHaveLength(5)
    const rest = await home.ask('POST', `${path}/ASLEEP/events`, { token: alice.token, body: { next_batch: former.body.next_batch } })
    expect(rest.body).toEqual({ events: [], next_batch: former.body.next_batch })
  })

  test('takes the place of the one before, which goes with its keys and its messages in one step that others see', async () => {
    home.members.rooms.set('!room:a.example', new Set([alice.userId, bob.userId, '@carol:b.example']))
    await leave('FIRST')
    await send('FIRST', 1)
    const since = home.stream.current
    expect((await leave('SECOND')).status).toBe(200)
    expect(await deviceIds()).toEqual(['PHONE', 'SECOND'])
    expect(await claim('FIRST')).toEqual({})
    expect((await messages('FIRST')).body.errcode).toBe('M_FORBIDDEN')
    expect((await messages('SECOND')).body).toEqual({ events: [] })
    expect(await home.deviceLists.changedSince(bob.userId, since, home.stream.current)).toEqual([alice.userId])
    const told = (await home.outgoing('b.example'))
      .filter(({ edu_type }) => edu_type === 'm.device_list_update')
      .map(({ content }) => content)
    expect(told.slice(-2)).toEqual([
      expect.objectContaining({ device_id: 'FIRST', deleted: true }),
      expect.objectContaining({ device_id: 'SECOND', device_display_name: 'asleep', keys: expect.anything() }),
    ])
    expect((await leave('SECOND')).status).toBe(200)
    expect(await claim('SECOND')).toMatchObject({ [alice.userId]: { SECOND: {} } })
  })

  test('outlives a restart', async () => {
    await leave('ASLEEP')
    await send('ASLEEP', 1)
    home = await openUsers({ storage: home.storage })
    expect((await messages('ASLEEP')).body.events).toHaveLength(1)
  })

  test.each([
    ['is deleted', () => home.ask('DELETE', path, { token: alice.token })],
    ['is removed as a device', () => home.devices.remove(alice.userId, ['ASLEEP'])],
  ])('is gone with all that was its own when it %s', async (_, remove) => {
    await leave('ASLEEP')
    await send('ASLEEP', 1)
    await remove()
    expect(await deviceIds()).toEqual(['PHONE'])
    expect((await home.ask('GET', path, { token: alice.token })).status).toBe(404)
    expect((await home.ask('DELETE', path, { token: alice.token })).status).toBe(404)
    await leave('ASLEEP')
    expect((await messages('ASLEEP')).body.events).toEqual([])
  })

  test.each([
    ['no keys', async () => ({ ...(await bodyOf('NEW')), device_keys: undefined }), 'M_MISSING_PARAM'],
    [
      "another device's keys",
      async () => ({ ...(await bodyOf('NEW')), device_keys: await deviceKeysOf(alice.userId, 'X') }),
      'M_INVALID_PARAM',
    ],
    [
      'unsigned keys',
      async () => ({ ...(await bodyOf('NEW')), device_keys: { ...(await deviceKeysOf(alice.userId, 'NEW')), signatures: {} } }),
      'M_INVALID_SIGNATURE',
    ],
    ['the id of a device that is logged in', () => bodyOf('PHONE'), 'M_INVALID_PARAM'],
    ['data without an algorithm', async () => ({ ...(await bodyOf('NEW')), device_data: {} }), 'M_MISSING_PARAM'],
    ['too much data', async () => ({ ...(await bodyOf('NEW')), device_data: { ...data, more: 'x'.repeat(300_000) } }), 'M_INVALID_PARAM'],
    ['several fallback keys', async () => ({ ...(await bodyOf('NEW')), fallback_keys: { 'a:1': 'x', 'a:2': 'y' } }), 'M_INVALID_PARAM'],
  ])('is refused with %s, and the one before stays', async (_, body, errcode) => {
    await leave('ASLEEP')
    const answer = await home.ask('PUT', path, { token: alice.token, body: await body() })
    expect([answer.status, answer.body.errcode]).toEqual([400, errcode])
    expect((await home.ask('GET', path, { token: alice.token })).body.device_id).toBe('ASLEEP')
    expect(await deviceIds()).toEqual(['ASLEEP', 'PHONE'])
  })

  test.each(['5', 'dx', 'd-1'])('has no token %s', async (token) => {
    await leave('ASLEEP')
    expect((await messages('ASLEEP', `?from=${token}`)).body.errcode).toBe('M_INVALID_PARAM')
  })
})
