import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { openUsers, type UsersFixture } from './users-fixture.ts'

let home: UsersFixture
let token: string

const algorithm = 'm.megolm_backup.v1.curve25519-aes-sha2'
const room = '!room:a.example'
const inRoom = `/${encodeURIComponent(room)}`

beforeEach(async () => {
  home = await openUsers()
  token = (await home.register('alice')).token
})

const ask = (method: string, path: string, body?: unknown) =>
  home.ask(method, `/v3/room_keys${path}`, body === undefined ? { token } : { token, body })
const create = async () => String((await ask('POST', '/version', { algorithm, auth_data: { public_key: 'x' } })).body.version)
const key = (extra: JsonObject = {}): JsonObject => ({
  first_message_index: 5,
  forwarded_count: 5,
  is_verified: false,
  session_data: { c: 'x' },
  ...extra,
})

describe('a key backup', () => {
  test('has a version, and is the current one until another is made', async () => {
    expect((await ask('GET', '/version')).body.errcode).toBe('M_NOT_FOUND')
    const first = await create()
    expect((await ask('GET', '/version')).body).toEqual({ algorithm, auth_data: { public_key: 'x' }, count: 0, etag: '0', version: first })
    const second = await create()
    expect((await ask('GET', '/version')).body.version).toBe(second)
    expect((await ask('GET', `/version/${first}`)).body.version).toBe(first)
    expect((await ask('DELETE', `/version/${second}`)).status).toBe(200)
    expect((await ask('DELETE', `/version/${second}`)).status).toBe(200)
    expect((await ask('DELETE', '/version/77')).status).toBe(404)
    expect((await ask('GET', `/version/${second}`)).status).toBe(404)
    expect((await ask('GET', '/version')).body.version).toBe(first)
    expect(await create()).not.toBe(second)
  })

  test('lets its auth_data be replaced, and nothing else', async () => {
    const version = await create()
    expect((await ask('PUT', `/version/${version}`, { algorithm, auth_data: { new: 1 }, version })).status).toBe(200)
    expect((await ask('GET', '/version')).body.auth_data).toEqual({ new: 1 })
    expect((await ask('PUT', `/version/${version}`, { algorithm: 'other', auth_data: {} })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await ask('PUT', `/version/${version}`, { algorithm, auth_data: {}, version: '9' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await ask('PUT', '/version/9', { algorithm, auth_data: {} })).body.errcode).toBe('M_NOT_FOUND')
    expect((await ask('POST', '/version', { algorithm })).body.errcode).toBe('M_MISSING_PARAM')
  })

  test('stores keys singly, by room and all at once, and counts them', async () => {
    const version = await create()
    const query = `?version=${version}`
    expect((await ask('PUT', `/keys${inRoom}/s1${query}`, key())).body).toEqual({ etag: '1', count: 1 })
    expect((await ask('PUT', `/keys${inRoom}${query}`, { sessions: { s1: key(), s2: key() } })).body).toEqual({ etag: '2', count: 2 })
    expect((await ask('PUT', `/keys${query}`, { rooms: { '!other:a.example': { sessions: { s3: key() } } } })).body).toEqual({
      etag: '3',
      count: 3,
    })
    expect((await ask('GET', `/keys${inRoom}/s1${query}`)).body).toEqual(key())
    expect((await ask('GET', `/keys${inRoom}${query}`)).body).toEqual({ sessions: { s1: key(), s2: key() } })
    expect((await ask('GET', `/keys${query}`)).body).toEqual({
      rooms: { [room]: { sessions: { s1: key(), s2: key() } }, '!other:a.example': { sessions: { s3: key() } } },
    })
    expect((await ask('DELETE', `/keys${inRoom}/s1${query}`)).body).toEqual({ etag: '4', count: 2 })
    expect((await ask('DELETE', `/keys${inRoom}/s1${query}`)).body).toEqual({ etag: '4', count: 2 })
    expect((await ask('GET', `/keys${inRoom}/s1${query}`)).body.errcode).toBe('M_NOT_FOUND')
    expect((await ask('DELETE', `/keys${query}`)).body).toEqual({ etag: '5', count: 0 })
    expect((await ask('GET', `/keys${query}`)).body).toEqual({ rooms: {} })
    expect((await ask('GET', `/keys${inRoom}${query}`)).body).toEqual({ sessions: {} })
  })

  test('takes keys for the current version alone, and says which that is', async () => {
    const first = await create()
    const second = await create()
    const { status, body } = await ask('PUT', `/keys${inRoom}/s1?version=${first}`, key())
    expect([status, body.errcode, body.current_version]).toEqual([403, 'M_WRONG_ROOM_KEYS_VERSION', second])
    expect((await ask('PUT', `/keys${inRoom}/s1`, key())).body.errcode).toBe('M_MISSING_PARAM')
    expect((await ask('GET', '/keys?version=77')).body.errcode).toBe('M_NOT_FOUND')
    expect((await ask('GET', '/keys?version=x')).body.errcode).toBe('M_NOT_FOUND')
  })

  test('keeps the better of two keys: verified, then of a lower index, then forwarded less', async () => {
    const better = (a: JsonObject, b: JsonObject): boolean =>
      a.is_verified !== b.is_verified
        ? a.is_verified === true
        : a.first_message_index !== b.first_message_index
          ? Number(a.first_message_index) < Number(b.first_message_index)
          : Number(a.forwarded_count) < Number(b.forwarded_count)
    const anyKey = fc.record({ first_message_index: fc.nat(2), forwarded_count: fc.nat(2), is_verified: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(anyKey, { minLength: 1, maxLength: 6 }), async (uploads) => {
        const version = await create()
        let kept: JsonObject | undefined
        for (const each of uploads) {
          await ask('PUT', `/keys${inRoom}/s?version=${version}`, key(each))
          if (!kept || better(key(each), kept)) kept = key(each)
        }
        expect((await ask('GET', `/keys${inRoom}/s?version=${version}`)).body).toEqual(kept)
      }),
      { numRuns: 40 },
    )
  })

  test.each([
    ['no index', `/keys${inRoom}/s`, key({ first_message_index: 'x' })],
    ['no data', `/keys${inRoom}/s`, key({ session_data: 'x' })],
    ['sessions that are a list', `/keys${inRoom}`, { sessions: [] }],
    ['no rooms', '/keys', {}],
    ['a room that is none', '/keys', { rooms: { x: { sessions: {} } } }],
    ['a room that is none in the path', '/keys/x/s', key()],
  ])('refuses keys with %s', async (_, path, body) => {
    const version = await create()
    const answer = await ask('PUT', `${path}?version=${version}`, body)
    expect([answer.status, answer.body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('is its user’s alone', async () => {
    const version = await create()
    await ask('PUT', `/keys${inRoom}/s1?version=${version}`, key())
    const { token: other } = await home.register('mallory')
    expect((await home.ask('GET', `/v3/room_keys/keys?version=${version}`, { token: other })).status).toBe(404)
  })

  test('counts right when uploads come at once', async () => {
    const version = await create()
    await Promise.all(Array.from({ length: 10 }, (_, i) => ask('PUT', `/keys${inRoom}/s${i}?version=${version}`, key())))
    expect((await ask('GET', '/version')).body).toMatchObject({ count: 10, etag: '10' })
  })
})
