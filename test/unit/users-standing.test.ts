import { beforeEach, describe, expect, test } from 'vitest'
import { openUsers, type UsersFixture } from './users-fixture.ts'

let home: UsersFixture
let admin: { userId: string; token: string }
let alice: { userId: string; token: string; deviceId: string }

beforeEach(async () => {
  home = await openUsers({ guests: true })
  admin = await home.register('admin')
  alice = await home.register('alice')
})

const put = (path: string, body: object, token = admin.token) => home.ask('PUT', `/v1/admin/${path}`, { token, body })
const whoami = (token = alice.token) => home.ask('GET', '/v3/account/whoami', { token })

describe('a locked account', () => {
  test('answers M_USER_LOCKED with soft_logout to everything but logging out, and goes on once it is unlocked', async () => {
    expect(await put(`lock/${alice.userId}`, { locked: true })).toMatchObject({ status: 200, body: { locked: true } })
    expect(await whoami()).toMatchObject({ status: 401, body: { errcode: 'M_USER_LOCKED', soft_logout: true } })
    expect((await home.ask('GET', `/v1/admin/lock/${alice.userId}`, { token: admin.token })).body).toEqual({ locked: true })
    await put(`lock/${alice.userId}`, { locked: false })
    expect(await whoami()).toMatchObject({ status: 200, body: { user_id: alice.userId } })
    await put(`lock/${alice.userId}`, { locked: true })
    expect((await home.ask('POST', '/v3/logout', { token: alice.token, body: {} })).status).toBe(200)
  })

  test('can neither log in nor refresh its tokens', async () => {
    const login = () => home.ask('POST', '/v3/login', { body: home.passwordAuth('alice', { refresh_token: true }) })
    const { refresh_token } = (await login()).body
    await put(`lock/${alice.userId}`, { locked: true })
    expect((await login()).body.errcode).toBe('M_USER_LOCKED')
    expect((await home.ask('POST', '/v3/refresh', { body: { refresh_token } })).body.errcode).toBe('M_USER_LOCKED')
  })
})

describe('account moderation', () => {
  test('is for administrators, who learn of it by the capability', async () => {
    const capabilities = async (token: string) => (await home.ask('GET', '/v3/capabilities', { token })).body.capabilities
    expect(await capabilities(admin.token)).toMatchObject({ 'm.account_moderation': { lock: true, suspend: true } })
    expect(await capabilities(alice.token)).not.toHaveProperty(['m.account_moderation'])
    expect(await put(`lock/${admin.userId}`, { locked: true }, alice.token)).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    expect((await put('lock/@nobody:a.example', { locked: true }, alice.token)).status).toBe(403)
  })

  test.each(['lock', 'suspend'])('refuses to %s who is unknown, elsewhere, an administrator, or oneself', async (action) => {
    const body = { locked: true, suspended: true }
    expect(await put(`${action}/@nobody:a.example`, body)).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    expect(await put(`${action}/@bob:b.example`, body)).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
    expect(await put(`${action}/${admin.userId}`, body)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect(await put(`${action}/${alice.userId}`, {})).toMatchObject({ status: 400, body: { errcode: 'M_MISSING_PARAM' } })
  })

  test('names the administrator as the contact of the homeserver', async () => {
    expect((await home.ask('GET', '/.well-known/matrix/support')).body).toEqual({
      contacts: [{ matrix_id: admin.userId, role: 'm.role.admin' }],
    })
  })
})

describe('a suspended account', () => {
  test('reads, but does not change its profile', async () => {
    const rename = () => home.ask('PUT', `/v3/profile/${alice.userId}/displayname`, { token: alice.token, body: { displayname: 'A' } })
    await put(`suspend/${alice.userId}`, { suspended: true })
    expect(await rename()).toMatchObject({ status: 403, body: { errcode: 'M_USER_SUSPENDED' } })
    expect((await whoami()).status).toBe(200)
    expect((await home.ask('GET', `/v1/admin/suspend/${alice.userId}`, { token: admin.token })).body).toEqual({ suspended: true })
    await put(`suspend/${alice.userId}`, { suspended: false })
    expect((await rename()).status).toBe(200)
  })
})

describe('guests', () => {
  const guest = async () => (await home.ask('POST', '/v3/register?kind=guest', { body: { device_id: 'MINE' } })).body

  test('register without a name, a password or authentication, on a device that is made up', async () => {
    const { user_id, access_token, device_id } = await guest()
    expect(device_id).not.toBe('MINE')
    expect((await whoami(String(access_token))).body).toEqual({ user_id, device_id, is_guest: true })
  })

  test('may change their display name, and nothing that guests may not', async () => {
    const { user_id, access_token } = await guest()
    const token = String(access_token)
    const profile = (field: string) => home.ask('PUT', `/v3/profile/${user_id}/${field}`, { token, body: { [field]: 'mxc://a.example/x' } })
    expect((await profile('displayname')).status).toBe(200)
    expect((await profile('avatar_url')).body.errcode).toBe('M_GUEST_ACCESS_FORBIDDEN')
    const data = await home.ask('PUT', `/v3/user/${user_id}/account_data/org.example`, { token, body: {} })
    expect(data).toMatchObject({ status: 403, body: { errcode: 'M_GUEST_ACCESS_FORBIDDEN' } })
  })

  test('become ordinary users by registering with their token and name', async () => {
    const { user_id, access_token } = await guest()
    const username = String(user_id).slice(1).split(':')[0]
    const register = (body: object) =>
      home.ask('POST', '/v3/register', { body: { password: 'x', auth: { type: 'm.login.dummy' }, ...body } })
    expect((await register({ username: 'other', guest_access_token: access_token })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await register({ username: 'alice', guest_access_token: alice.token })).body.errcode).toBe('M_FORBIDDEN')
    expect((await register({ username, guest_access_token: access_token })).body).toMatchObject({ user_id })
    expect((await whoami(String(access_token))).body).toMatchObject({ is_guest: false })
  })

  test('are refused where the settings do not let them in', async () => {
    const closed = await openUsers()
    expect((await closed.ask('POST', '/v3/register?kind=guest', { body: {} })).body.errcode).toBe('M_FORBIDDEN')
  })

  test('never become the administrator', async () => {
    const empty = await openUsers({ guests: true })
    await empty.ask('POST', '/v3/register?kind=guest', { body: {} })
    const { userId } = await empty.register('first')
    expect(await empty.accounts.admins()).toEqual([userId])
  })
})

describe('login tokens', () => {
  const tokenFor = async () => {
    const { body } = await home.ask('POST', '/v1/login/get_token', { token: alice.token, body: {} })
    const auth = home.passwordAuth('alice', { session: body.session ?? '' })
    return home.ask('POST', '/v1/login/get_token', { token: alice.token, body: { auth } })
  }
  const login = (token: unknown) => home.ask('POST', '/v3/login', { body: { type: 'm.login.token', token } })

  test('log another device in, once, after the password was given', async () => {
    const { body } = await tokenFor()
    expect(body).toEqual({ login_token: expect.any(String), expires_in_ms: 120_000 })
    const answers = await Promise.all([login(body.login_token), login(body.login_token)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403])
    expect(answers.find(({ status }) => status === 200)?.body).toMatchObject({ user_id: alice.userId })
    expect(answers.find(({ status }) => status === 403)?.body.errcode).toBe('M_FORBIDDEN')
  })

  test('are worth nothing after two minutes, and are offered among the flows', async () => {
    const { login_token } = (await tokenFor()).body
    await home.clock.run(121_000)
    expect((await login(login_token)).status).toBe(403)
    expect((await login('nonsense')).status).toBe(403)
    expect((await login(undefined)).body.errcode).toBe('M_MISSING_PARAM')
    expect((await home.ask('GET', '/v3/login')).body.flows).toContainEqual({ type: 'm.login.token', get_login_token: true })
  })
})

describe('registration tokens', () => {
  const path = '/_synapse/admin/v1/registration_tokens'
  const valid = async (token: string) =>
    (await home.ask('GET', `/v1/register/m.login.registration_token/validity?token=${token}`)).body.valid
  const register = (username: string, token: string) => {
    const body = { username, password: 'x', auth: { type: 'm.login.registration_token', token } }
    return home.ask('POST', '/v3/register', { body, trusted: false })
  }

  test('let strangers register as often as they allow, even at once', async () => {
    expect((await register('bob', 'abc')).body.errcode).toBe('M_FORBIDDEN')
    const made = await home.ask('POST', `${path}/new`, { token: admin.token, body: { token: 'abc', uses_allowed: 2 } })
    expect(made.body).toEqual({ token: 'abc', uses_allowed: 2, pending: 0, completed: 0, expiry_time: null })
    expect(await valid('abc')).toBe(true)
    expect((await register('bob', 'wrong')).body).toMatchObject({
      errcode: 'M_FORBIDDEN',
      flows: [{ stages: ['m.login.registration_token'] }],
    })
    const answers = await Promise.all(['bob', 'carol', 'dave'].map((name) => register(name, 'abc')))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 403])
    expect(await valid('abc')).toBe(false)
    const listed = await home.ask('GET', path, { token: admin.token })
    expect(listed.body.registration_tokens).toMatchObject([{ token: 'abc', completed: 2 }])
  })

  test('expire, and are ended by administrators alone', async () => {
    const expiry_time = home.clock.now() + 1000
    const { body } = await home.ask('POST', `${path}/new`, { token: admin.token, body: { expiry_time } })
    expect(await valid(String(body.token))).toBe(true)
    await home.clock.run(1001)
    expect(await valid(String(body.token))).toBe(false)
    expect((await home.ask('DELETE', `${path}/${body.token}`, { token: alice.token })).status).toBe(403)
    expect((await home.ask('DELETE', `${path}/${body.token}`, { token: admin.token })).status).toBe(200)
    expect((await home.ask('DELETE', `${path}/${body.token}`, { token: admin.token })).body.errcode).toBe('M_NOT_FOUND')
  })
})

test('third-party identifiers are refused as not offered, and none is found to be bound', async () => {
  const post = (path: string, body: object) => home.ask('POST', `/v3/account/3pid${path}`, { token: alice.token, body })
  for (const path of ['', '/add', '/bind', '/delete']) expect((await post(path, {})).body.errcode).toBe('M_FORBIDDEN')
  expect((await post('/unbind', { medium: 'email', address: 'a@b.example' })).body).toEqual({ id_server_unbind_result: 'no-support' })
})
