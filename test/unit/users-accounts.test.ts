import { createHmac } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { openUsers, type UsersFixture } from './users-fixture.ts'

let home: UsersFixture

beforeEach(async () => {
  home = await openUsers()
})

const dummy = { type: 'm.login.dummy' }

describe('registration', () => {
  test('asks for authentication first, with flows and a session and no error code', async () => {
    const { status, body } = await home.ask('POST', '/v3/register', { body: { username: 'alice', password: 'x' } })
    expect(status).toBe(401)
    expect(body).toEqual({ flows: [{ stages: ['m.login.dummy'] }], params: {}, session: expect.any(String) })
  })

  test('makes an account and logs it in once the session is completed', async () => {
    const { body: challenge } = await home.ask('POST', '/v3/register', { body: { username: 'alice', password: 'x' } })
    const auth = { ...dummy, session: challenge.session }
    const { status, body } = await home.ask('POST', '/v3/register', {
      body: { username: 'alice', password: 'x', device_id: 'PHONE', auth },
    })
    expect(status).toBe(200)
    expect(body).toEqual({ user_id: '@alice:a.example', device_id: 'PHONE', access_token: expect.stringMatching(/^[\w-]{43}$/) })
    const whoami = await home.ask('GET', '/v3/account/whoami', { token: String(body.access_token) })
    expect(whoami.body).toMatchObject({ user_id: '@alice:a.example', device_id: 'PHONE' })
  })

  test('takes m.login.dummy in one request, without a session', async () => {
    expect((await home.register('alice')).userId).toBe('@alice:a.example')
  })

  test('a session serves once, is worth nothing after a quarter of an hour, and never for another call', async () => {
    const body = { username: 'alice', password: 'x' }
    const { session } = (await home.ask('POST', '/v3/register', { body })).body
    expect((await home.ask('POST', '/v3/register', { body: { ...body, auth: { ...dummy, session } } })).status).toBe(200)
    const again = await home.ask('POST', '/v3/register', { body: { ...body, username: 'bob', auth: { ...dummy, session } } })
    expect(again.status).toBe(401)
    const late = (await home.ask('POST', '/v3/register', { body: { ...body, username: 'carol' } })).body.session
    await home.clock.run(16 * 60_000)
    const expired = await home.ask('POST', '/v3/register', { body: { ...body, username: 'carol', auth: { ...dummy, session: late } } })
    expect(expired.status).toBe(401)
    expect(expired.body.session).not.toBe(late)
    const { token } = await home.register('dave')
    const other = (await home.ask('POST', '/v3/register', { body: { ...body, username: 'erin' } })).body.session
    const stolen = await home.ask('POST', '/v3/delete_devices', { token, body: { devices: [], auth: { ...dummy, session: other } } })
    expect(stolen.status).toBe(401)
  })

  test('refuses a taken or malformed name before it asks for authentication', async () => {
    await home.register('alice')
    const taken = await home.ask('POST', '/v3/register', { body: { username: 'alice', password: 'x' } })
    expect([taken.status, taken.body.errcode]).toEqual([400, 'M_USER_IN_USE'])
    for (const username of ['', 'a b', 'ä', 'a:b', '@a:a.example', 'a\u212A', 'x'.repeat(250)]) {
      const { status, body } = await home.ask('POST', '/v3/register', { body: { username, password: 'x' } })
      expect([username, status, body.errcode]).toEqual([username, 400, 'M_INVALID_USERNAME'])
    }
  })

  test('maps capitals to small letters', async () => {
    expect((await home.register('ALICE')).userId).toBe('@alice:a.example')
  })

  test('two at once cannot get the same name', async () => {
    const body = { username: 'alice', password: 'x', auth: dummy }
    const both = await Promise.all([home.ask('POST', '/v3/register', { body }), home.ask('POST', '/v3/register', { body })])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 400])
  })

  test('makes a name up where there is none, and no login where none is wanted', async () => {
    const { body } = await home.ask('POST', '/v3/register', { body: { password: 'x', inhibit_login: true, auth: dummy } })
    expect(body).toEqual({ user_id: expect.stringMatching(/^@[a-z0-9]+:a\.example$/) })
  })

  test('is closed to strangers unless the settings open it, and to guests', async () => {
    const body = { username: 'alice', password: 'x', auth: dummy }
    const stranger = await home.ask('POST', '/v3/register', { body, trusted: false })
    expect([stranger.status, stranger.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
    const open = await openUsers({ openRegistration: true })
    expect((await open.ask('POST', '/v3/register', { body, trusted: false })).status).toBe(200)
    const guest = await home.ask('POST', '/v3/register?kind=guest', { body: {} })
    expect([guest.status, guest.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  })

  test('says whether a name is free', async () => {
    await home.register('alice')
    expect((await home.ask('GET', '/v3/register/available?username=bob')).body).toEqual({ available: true })
    expect((await home.ask('GET', '/v3/register/available?username=alice')).body.errcode).toBe('M_USER_IN_USE')
    expect((await home.ask('GET', '/v3/register/available?username=%C3%A4')).body.errcode).toBe('M_INVALID_USERNAME')
    expect((await home.ask('GET', '/v3/register/available')).body.errcode).toBe('M_MISSING_PARAM')
  })

  test('the first account is the administrator, and no other', async () => {
    await home.register('alice')
    await home.register('bob')
    expect([await home.accounts.get('@alice:a.example'), await home.accounts.get('@bob:a.example')]).toMatchObject([
      { admin: true },
      { admin: false },
    ])
  })

  test.each([
    ['no JSON', '{', 'M_NOT_JSON'],
    ['an array', [], 'M_BAD_JSON'],
    ['a number for a name', { username: 1 }, 'M_BAD_JSON'],
    ['a string for auth', { username: 'alice', auth: 'x' }, 'M_BAD_JSON'],
    ['an empty password', { username: 'alice', password: '', auth: dummy }, 'M_WEAK_PASSWORD'],
  ])('refuses %s', async (_, body, errcode) => {
    const answer = await home.ask('POST', '/v3/register', { body })
    expect([answer.status, answer.body.errcode]).toEqual([400, errcode])
  })
})

describe('login', () => {
  const login = (body: object) => home.ask('POST', '/v3/login', { body: { type: 'm.login.password', ...body } })
  const password = "alice's password"

  test('takes the user id, the localpart, and the old field', async () => {
    await home.register('alice')
    for (const named of [
      { identifier: { type: 'm.id.user', user: 'alice' } },
      { identifier: { type: 'm.id.user', user: '@Alice:a.example' } },
      { user: 'alice' },
    ]) {
      const { status, body } = await login({ ...named, password })
      expect([status, body.user_id]).toEqual([200, '@alice:a.example'])
    }
  })

  test('refuses wrong passwords, unknown users and third-party identifiers with 403, unknown types with 400', async () => {
    await home.register('alice')
    const identifier = { type: 'm.id.user', user: 'alice' }
    expect((await login({ identifier, password: 'wrong' })).body.errcode).toBe('M_FORBIDDEN')
    expect((await login({ identifier: { type: 'm.id.user', user: 'nobody' }, password })).body.errcode).toBe('M_FORBIDDEN')
    expect((await login({ identifier: { type: 'm.id.thirdparty', medium: 'email', address: 'a@b' }, password })).status).toBe(403)
    const unknownType = await home.ask('POST', '/v3/login', { body: { type: 'm.login.sso', token: 'x' } })
    expect([unknownType.status, unknownType.body.errcode]).toEqual([400, 'M_UNKNOWN'])
    expect((await login({ password })).body.errcode).toBe('M_MISSING_PARAM')
    expect((await login({ identifier })).body.errcode).toBe('M_MISSING_PARAM')
    expect((await home.ask('GET', '/v3/login')).body).toMatchObject({ flows: expect.arrayContaining([{ type: 'm.login.password' }]) })
  })

  test('on a known device revokes the tokens it had, and keeps its name', async () => {
    const { token } = await home.register('alice', { device_id: 'D', initial_device_display_name: 'Phone' })
    const again = await login({ user: 'alice', password, device_id: 'D', initial_device_display_name: 'Other' })
    const old = await home.ask('GET', '/v3/account/whoami', { token })
    expect([old.status, old.body.errcode, old.body.soft_logout]).toEqual([401, 'M_UNKNOWN_TOKEN', undefined])
    const { body } = await home.ask('GET', '/v3/devices', { token: String(again.body.access_token) })
    expect(body.devices).toMatchObject([{ device_id: 'D', display_name: 'Phone' }])
  })
})

describe('access tokens', () => {
  test('are missing or unknown with 401', async () => {
    expect((await home.ask('GET', '/v3/account/whoami')).body.errcode).toBe('M_MISSING_TOKEN')
    expect((await home.ask('GET', '/v3/account/whoami', { token: 'nonsense' })).body.errcode).toBe('M_UNKNOWN_TOKEN')
  })

  test('of clients that can refresh expire with a soft logout; refreshing gives new ones', async () => {
    const answer = await home.ask('POST', '/v3/register', { body: { username: 'alice', password: 'x', refresh_token: true, auth: dummy } })
    const [token, refresh, lifetime] = [String(answer.body.access_token), answer.body.refresh_token, Number(answer.body.expires_in_ms)]
    await home.clock.run(lifetime)
    const expired = await home.ask('GET', '/v3/account/whoami', { token })
    expect([expired.status, expired.body.errcode, expired.body.soft_logout]).toEqual([401, 'M_UNKNOWN_TOKEN', true])
    const { body: renewed } = await home.ask('POST', '/v3/refresh', { body: { refresh_token: refresh } })
    expect(renewed).toEqual({ access_token: expect.any(String), refresh_token: expect.any(String), expires_in_ms: lifetime })
    expect((await home.ask('GET', '/v3/account/whoami', { token: String(renewed.access_token) })).status).toBe(200)
  })

  test('a refresh token works until one of its successors is used: a lost answer can be asked for again', async () => {
    const answer = await home.ask('POST', '/v3/register', { body: { username: 'alice', password: 'x', refresh_token: true, auth: dummy } })
    const refresh = (token: unknown) => home.ask('POST', '/v3/refresh', { body: { refresh_token: token } })
    const lost = (await refresh(answer.body.refresh_token)).body
    const got = (await refresh(answer.body.refresh_token)).body
    expect((await home.ask('GET', '/v3/account/whoami', { token: String(lost.access_token) })).status).toBe(401)
    expect((await home.ask('GET', '/v3/account/whoami', { token: String(got.access_token) })).status).toBe(200)
    const reused = await refresh(answer.body.refresh_token)
    expect([reused.status, reused.body.errcode]).toEqual([401, 'M_UNKNOWN_TOKEN'])
    expect((await home.ask('GET', '/v3/account/whoami', { token: String(answer.body.access_token) })).status).toBe(401)
    expect((await refresh(got.refresh_token)).status).toBe(200)
  })

  test('survive a restart, and logging out survives it too', async () => {
    const { token } = await home.register('alice')
    const { token: gone } = await home.register('bob')
    await home.ask('POST', '/v3/logout', { token: gone })
    const restarted = await openUsers({ storage: home.storage })
    expect((await restarted.ask('GET', '/v3/account/whoami', { token })).status).toBe(200)
    expect((await restarted.ask('GET', '/v3/account/whoami', { token: gone })).status).toBe(401)
  })
})

describe('logging out', () => {
  test('ends the session and removes the device', async () => {
    const { token, deviceId } = await home.register('alice')
    const other = (await home.ask('POST', '/v3/login', { body: home.passwordAuth('alice') })).body
    expect((await home.ask('POST', '/v3/logout', { token })).body).toEqual({})
    expect((await home.ask('GET', '/v3/account/whoami', { token })).body.errcode).toBe('M_UNKNOWN_TOKEN')
    expect((await home.ask('GET', `/v3/devices/${deviceId}`, { token: String(other.access_token) })).body.errcode).toBe('M_NOT_FOUND')
    expect((await home.ask('GET', '/v3/account/whoami', { token: String(other.access_token) })).status).toBe(200)
  })

  test('everywhere ends every session of that user, and of nobody else', async () => {
    const alice = await home.register('alice')
    const second = (await home.ask('POST', '/v3/login', { body: home.passwordAuth('alice') })).body
    const bob = await home.register('bob')
    await home.ask('POST', '/v3/logout/all', { token: alice.token })
    for (const token of [alice.token, String(second.access_token)]) {
      expect((await home.ask('GET', '/v3/account/whoami', { token })).status).toBe(401)
    }
    expect((await home.ask('GET', '/v3/account/whoami', { token: bob.token })).status).toBe(200)
  })
})

describe('devices', () => {
  test('are listed, named, and removed with the password', async () => {
    const { token } = await home.register('alice', { device_id: 'ONE', initial_device_display_name: 'Phone' })
    await home.ask('POST', '/v3/login', { body: { ...home.passwordAuth('alice'), device_id: 'TWO' } })
    expect((await home.ask('PUT', '/v3/devices/TWO', { token, body: { display_name: 'Tablet' } })).status).toBe(200)
    expect((await home.ask('GET', '/v3/devices', { token })).body.devices).toMatchObject([
      { device_id: 'ONE', display_name: 'Phone', last_seen_ip: 'test' },
      { device_id: 'TWO', display_name: 'Tablet' },
    ])
    const { status, body } = await home.ask('DELETE', '/v3/devices/TWO', { token, body: {} })
    expect([status, body.flows]).toEqual([401, [{ stages: ['m.login.password'] }]])
    const auth = home.passwordAuth('alice', { session: body.session ?? '' })
    expect((await home.ask('DELETE', '/v3/devices/TWO', { token, body: { auth } })).status).toBe(200)
    expect((await home.ask('GET', '/v3/devices/TWO', { token })).status).toBe(404)
    expect((await home.ask('PUT', '/v3/devices/TWO', { token, body: { display_name: 'x' } })).status).toBe(404)
  })

  test("cannot be removed with another user's password, nor with a wrong one", async () => {
    const { token } = await home.register('alice')
    await home.register('bob')
    const wrong = await home.ask('POST', '/v3/delete_devices', {
      token,
      body: { devices: ['X'], auth: home.passwordAuth('alice', { password: 'wrong' }) },
    })
    expect([wrong.status, wrong.body.errcode, wrong.body.flows]).toEqual([401, 'M_FORBIDDEN', [{ stages: ['m.login.password'] }]])
    const other = await home.ask('POST', '/v3/delete_devices', { token, body: { devices: ['X'], auth: home.passwordAuth('bob') } })
    expect([other.status, other.body.errcode, other.body.flows]).toEqual([403, 'M_FORBIDDEN', undefined])
  })
})

describe('the password', () => {
  test('changes with the old one, and logs other devices out unless told not to', async () => {
    const { token } = await home.register('alice')
    const other = String((await home.ask('POST', '/v3/login', { body: home.passwordAuth('alice') })).body.access_token)
    const change = (body: object) => home.ask('POST', '/v3/account/password', { token, body })
    expect((await change({ new_password: 'new' })).status).toBe(401)
    expect((await change({ new_password: 'new', logout_devices: false, auth: home.passwordAuth('alice') })).status).toBe(200)
    expect((await home.ask('GET', '/v3/account/whoami', { token: other })).status).toBe(200)
    expect((await home.ask('POST', '/v3/login', { body: home.passwordAuth('alice') })).status).toBe(403)
    expect((await change({ new_password: 'newer', auth: home.passwordAuth('alice', { password: 'new' }) })).status).toBe(200)
    expect((await home.ask('GET', '/v3/account/whoami', { token: other })).status).toBe(401)
    expect((await home.ask('GET', '/v3/account/whoami', { token })).status).toBe(200)
  })
})

describe('deactivation', () => {
  test('leaves the rooms, ends all sessions, and nobody logs in or takes the name again', async () => {
    const { token, userId } = await home.register('alice')
    await home.ask('PUT', `/v3/user/${userId}/account_data/org.example`, { token, body: { a: 1 } })
    const answer = await home.ask('POST', '/v3/account/deactivate', { token, body: { erase: true, auth: home.passwordAuth('alice') } })
    expect(answer.body).toEqual({ id_server_unbind_result: 'success' })
    expect(home.leftRooms).toEqual([userId])
    expect((await home.ask('GET', '/v3/account/whoami', { token })).status).toBe(401)
    expect((await home.ask('POST', '/v3/login', { body: home.passwordAuth('alice') })).status).toBe(403)
    expect((await home.ask('GET', '/v3/register/available?username=alice')).body.errcode).toBe('M_USER_IN_USE')
    expect(await home.accountData.get(userId, '', 'org.example')).toBeUndefined()
  })
})

describe('shared-secret registration', () => {
  const register = async (secret: string, body: Record<string, unknown>) => {
    const server = await openUsers({ sharedSecret: 'secret' })
    const { nonce } = (await server.ask('GET', '/_synapse/admin/v1/register')).body
    const text = [nonce, body.username, body.password, body.admin ? 'admin' : 'notadmin'].join('\0')
    const mac = createHmac('sha1', secret).update(text).digest('hex')
    const answer = await server.ask('POST', '/_synapse/admin/v1/register', { body: { nonce, ...body, mac }, trusted: false })
    return { server, answer, again: () => server.ask('POST', '/_synapse/admin/v1/register', { body: { nonce, ...body, mac } }) }
  }

  test('registers for whoever knows the secret, once for each nonce', async () => {
    const { server, answer, again } = await register('secret', { username: 'alice', password: 'x', admin: true, displayname: 'Alice' })
    expect(answer.body).toMatchObject({ user_id: '@alice:a.example', access_token: expect.any(String), home_server: 'a.example' })
    expect((await server.ask('GET', '/v3/profile/@alice:a.example')).body).toEqual({ displayname: 'Alice' })
    expect(await server.accounts.get('@alice:a.example')).toMatchObject({ admin: true })
    expect((await again()).status).toBe(400)
  })

  test('refuses a wrong secret, and is not there without one', async () => {
    expect((await register('guess', { username: 'alice', password: 'x' })).answer.status).toBe(403)
    const without = await home.ask('GET', '/_synapse/admin/v1/register')
    expect([without.status, without.body.errcode]).toEqual([404, 'M_UNRECOGNIZED'])
  })
})

describe('rate limits', () => {
  test('slow down guessing by address with 429 and Retry-After, and leave others alone', async () => {
    const limited = await openUsers({ rateLimits: true })
    const guess = (address: string) => limited.ask('POST', '/v3/login', { body: limited.passwordAuth('nobody'), address })
    const answers = await Promise.all(Array.from({ length: 30 }, () => guess('guesser')))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]?.body).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: expect.any(Number) })
    expect(refused[0]?.headers.get('retry-after')).toMatch(/^\d+$/)
    expect((await guess('other')).status).toBe(403)
    await limited.clock.run(60_000)
    expect((await guess('guesser')).status).toBe(403)
    const { token } = await limited.register('alice')
    const wrong = { auth: limited.passwordAuth('alice', { password: 'wrong' }) }
    const removals = await Promise.all(Array.from({ length: 30 }, () => limited.ask('DELETE', '/v3/devices/X', { token, body: wrong })))
    expect(removals.some(({ status }) => status === 429)).toBe(true)
  })
})

describe('administration', () => {
  test('shows where a user is logged in: to that user and to administrators', async () => {
    const admin = await home.register('admin')
    const { token, userId, deviceId } = await home.register('alice')
    const shown = {
      user_id: userId,
      devices: { [deviceId]: { sessions: [{ connections: [{ ip: 'test', last_seen: home.clock.now() }] }] } },
    }
    const whois = (asking: string, about: string) => home.ask('GET', `/v3/admin/whois/${about}`, { token: asking })
    expect((await whois(token, userId)).body).toEqual(shown)
    expect((await whois(admin.token, userId)).body).toEqual(shown)
    expect((await whois(token, admin.userId)).body.errcode).toBe('M_FORBIDDEN')
  })
})

describe('discovery', () => {
  test('names versions, capabilities and the base URL', async () => {
    const { token } = await home.register('alice')
    expect((await home.ask('GET', '/versions')).body).toEqual({
      versions: expect.arrayContaining(['v1.1', 'v1.19']),
      unstable_features: expect.objectContaining({ 'org.matrix.msc4108': true, 'org.matrix.simplified_msc3575': true }),
    })
    expect((await home.ask('GET', '/v3/capabilities', { token })).body).toMatchObject({
      capabilities: { 'm.room_versions': { default: '12', available: { '10': 'stable' } } },
    })
    expect((await home.ask('GET', '/.well-known/matrix/client')).body).toEqual({ 'm.homeserver': { base_url: 'http://localhost' } })
    expect((await home.ask('GET', '/v3/thirdparty/protocols', { token })).body).toEqual({})
    expect((await home.ask('GET', '/v3/thirdparty/user/irc', { token })).body.errcode).toBe('M_NOT_FOUND')
    expect((await home.ask('GET', '/v3/account/3pid', { token })).body).toEqual({ threepids: [] })
  })
})
