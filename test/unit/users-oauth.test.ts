import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { openUsers, type UsersFixture } from './users-fixture.ts'

const verifier = 'v'.repeat(43)
const challenge = createHash('sha256').update(verifier).digest('base64url')
const scope = 'openid urn:matrix:client:api:* urn:matrix:client:device:NEWDEVICE1'
const granted = 'urn:matrix:client:api:* urn:matrix:client:device:NEWDEVICE1'
const redirectUri = 'https://app.example.com/callback'
const web = {
  client_name: 'My <App>',
  client_uri: 'https://example.com/',
  redirect_uris: [redirectUri],
  tos_uri: 'https://example.com/tos',
}
const credentials = { username: 'alice', password: "alice's password" }

let home: UsersFixture
let clientId: string

beforeEach(async () => {
  home = await openUsers()
  await home.register('alice')
  clientId = String((await register(web)).body.client_id)
})

const register = (metadata: object) => home.ask('POST', '/_matrix/oauth2/registration', { body: metadata })
const whoami = (token: unknown) => home.ask('GET', '/v3/account/whoami', { token: String(token) })

async function form(path: string, fields: Record<string, string>): Promise<Response> {
  const request = new Request(`http://localhost/_matrix/oauth2/${path}`, { method: 'POST', body: new URLSearchParams(fields) })
  return home.handler(request, { trusted: true, address: 'test' })
}

function open(path: string, fields: Record<string, string>): Promise<Response> {
  return home.handler(new Request(`http://localhost/_matrix/oauth2/${path}?${new URLSearchParams(fields)}`), {
    trusted: true,
    address: 'test',
  })
}

const wanted = (changes: Record<string, string> = {}) => ({
  response_type: 'code',
  response_mode: 'fragment',
  client_id: clientId,
  redirect_uri: redirectUri,
  scope,
  state: 'st&te',
  code_challenge: challenge,
  code_challenge_method: 'S256',
  ...changes,
})

/** What the redirect to the client says. */
function told(response: Response): URLSearchParams {
  expect(response.status).toBe(303)
  const { search, hash, origin } = new URL(response.headers.get('location') ?? '')
  expect(origin).toBe('https://app.example.com')
  return new URLSearchParams((hash || search).slice(1))
}

const allow = (changes: Record<string, string> = {}) => form('authorize', { ...wanted(), ...credentials, decision: 'allow', ...changes })
const token = async (fields: Record<string, string>) => {
  const response = await form('token', { client_id: clientId, ...fields })
  return { status: response.status, body: await response.json() }
}
const redeem = (code: string, changes: Record<string, string> = {}) =>
  token({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier, ...changes })
const logIn = async () => (await redeem(told(await allow()).get('code') ?? '')).body

test('the metadata names every endpoint, and what each can do', async () => {
  const { body } = await home.ask('GET', '/v1/auth_metadata')
  expect(body).toMatchObject({
    issuer: 'http://localhost/',
    authorization_endpoint: 'http://localhost/_matrix/oauth2/authorize',
    grant_types_supported: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_modes_supported: ['query', 'fragment'],
    prompt_values_supported: ['create'],
    account_management_actions_supported: expect.arrayContaining(['org.matrix.cross_signing_reset']),
  })
  const { body: strangers } = await home.ask('GET', '/v1/auth_metadata', { trusted: false })
  expect(strangers).not.toHaveProperty('prompt_values_supported')
})

describe('client registration', () => {
  test('gives one id for one set of metadata, and answers with what it understood', async () => {
    const metadata = { ...web, 'client_name#fr': 'Mon app', grant_types: ['authorization_code', 'refresh_token', 'urn:unknown'] }
    const first = await register(metadata)
    expect(first).toMatchObject({
      status: 201,
      body: { client_name: 'My <App>', grant_types: ['authorization_code', 'refresh_token'], application_type: 'web' },
    })
    expect(first.body).not.toHaveProperty(['client_name#fr'])
    expect((await register(metadata)).body.client_id).toBe(first.body.client_id)
  })

  test.each(['https://example.com/callback', 'https://app.example.com/callback', 'https://example.com:5173/?query=value'])(
    'takes the redirect URI %s of a web client',
    async (uri) => {
      expect((await register({ ...web, redirect_uris: [uri] })).status).toBe(201)
    },
  )

  test.each([
    'https://example.com/callback#fragment',
    'http://example.com/callback',
    'http://localhost:1/',
    'https://user@example.com/',
    'https://evil.com/',
    'https://evilexample.com/',
    'com.example:/callback',
    'javascript:alert(1)',
  ])('refuses the redirect URI %s of a web client', async (uri) => {
    expect(await register({ ...web, redirect_uris: [uri] })).toMatchObject({ status: 400, body: { error: 'invalid_redirect_uri' } })
  })

  test.each([
    ['com.example.app:/callback', 201],
    ['com.example:/', 201],
    ['com.example:callback', 201],
    ['http://localhost/callback', 201],
    ['http://127.0.0.1/callback', 201],
    ['http://[::1]/callback', 201],
    ['example:/callback', 400],
    ['com.example.app://callback', 400],
    ['com.examples:/callback', 400],
    ['https://localhost/callback', 400],
    ['http://localhost:1234/callback', 400],
    ['http://localhost.evil.com/callback', 400],
  ])('answers the redirect URI %s of a native client with %i', async (uri, status) => {
    expect((await register({ ...web, application_type: 'native', redirect_uris: [uri] })).status).toBe(status)
  })

  test.each([
    [{ redirect_uris: [redirectUri] }],
    [{ ...web, client_uri: 'http://example.com/' }],
    [{ ...web, client_uri: 'https://user:x@example.com/' }],
    [{ ...web, logo_uri: 'https://elsewhere.com/logo.png' }],
    [{ ...web, token_endpoint_auth_method: 'client_secret_basic' }],
    [{ ...web, application_type: 'other' }],
  ])('refuses %j', async (metadata) => {
    expect(await register(metadata)).toMatchObject({ status: 400, body: { error: 'invalid_client_metadata' } })
  })
})

describe('the authorisation page', () => {
  test('shows who asks and for what, escaped, without scripts and in no frame', async () => {
    const response = await open('authorize', wanted())
    const text = await response.text()
    expect(text).toContain('My &lt;App&gt;')
    expect(text).toContain('https://example.com/tos')
    expect(text).toContain('NEWDEVICE1')
    expect(text).toContain('value="st&amp;te"')
    const policy = response.headers.get('content-security-policy')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("form-action 'self' https://app.example.com")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('sends a code to the client when the user allows it, and an error when not', async () => {
    const answer = told(await allow())
    expect([answer.get('state'), answer.get('code')]).toEqual(['st&te', expect.stringMatching(/^[\w-]{43}$/)])
    expect(told(await allow({ response_mode: 'query' })).get('code')).toMatch(/^[\w-]{43}$/)
    expect(Object.fromEntries(told(await allow({ decision: 'deny' })))).toEqual({ state: 'st&te', error: 'access_denied' })
  })

  test('never sends anything to an address that is not the client’s', async () => {
    const wrong: Record<string, string>[] = [
      { redirect_uri: 'https://evil.com/' },
      { redirect_uri: `${redirectUri}/x` },
      { client_id: 'unknown' },
    ]
    for (const changes of wrong) {
      const response = await allow(changes)
      expect([response.status, response.headers.get('location')]).toEqual([400, null])
    }
  })

  test.each([
    ['response_type', 'token', 'unsupported_response_type'],
    ['response_mode', 'form_post', 'invalid_request'],
    ['code_challenge_method', 'plain', 'invalid_request'],
    ['code_challenge', 'short', 'invalid_request'],
    ['scope', 'urn:matrix:client:api:*', 'invalid_scope'],
    ['scope', `${scope} urn:matrix:client:device:OTHER`, 'invalid_scope'],
    ['scope', 'urn:matrix:client:device:NEWDEVICE1', 'invalid_scope'],
  ])('tells the client that %s=%s is %s', async (name, value, error) => {
    expect(told(await open('authorize', wanted({ [name]: value }))).get('error')).toBe(error)
  })

  test('asks again after a wrong password, and keeps the user name', async () => {
    const response = await allow({ password: 'wrong' })
    expect(response.status).toBe(403)
    const text = await response.text()
    expect(text).toContain('role="alert"')
    expect(text).toContain('value="alice"')
  })

  test('lets no locked account in', async () => {
    await home.accounts.moderate('@alice:a.example', 'locked', true)
    expect(await (await allow()).text()).toContain('locked')
  })

  test('makes an account where the client asks for that', async () => {
    const shown = async () => {
      const text = await (await open('authorize', wanted({ prompt: 'create' }))).text()
      return /name="form_key" value="([^"]+)"/.exec(text)?.[1] ?? ''
    }
    const newcomer = { prompt: 'create', username: 'bob', password: 'long enough', form_key: await shown() }
    expect((await allow({ ...newcomer, form_key: 'of another site' })).status).toBe(403)
    const { body } = await redeem(told(await allow(newcomer)).get('code') ?? '')
    expect((await whoami(body.access_token)).body).toMatchObject({ user_id: '@bob:a.example' })
    expect(await (await allow(newcomer)).text()).toContain('send this again')
    expect(await (await allow({ ...newcomer, form_key: await shown() })).text()).toContain('taken')
  })
})

describe('the token endpoint', () => {
  test('logs the client in on the device it asked for', async () => {
    const body = await logIn()
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.any(String),
      scope: granted,
    })
    expect((await whoami(body.access_token)).body).toMatchObject({ user_id: '@alice:a.example', device_id: 'NEWDEVICE1' })
    expect(await home.devices.get('@alice:a.example', 'NEWDEVICE1')).toMatchObject({ displayName: 'My <App>' })
  })

  test('takes a code once: whoever brings it again ends the session it began', async () => {
    const code = told(await allow()).get('code') ?? ''
    const { body } = await redeem(code)
    expect(await redeem(code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await whoami(body.access_token)).status).toBe(401)
  })

  test('takes a code with its verifier, its address and its client alone, and within a minute', async () => {
    const other = String((await register({ ...web, client_name: 'Other' })).body.client_id)
    const wrong: Record<string, string>[] = [
      { code_verifier: 'w'.repeat(43) },
      { redirect_uri: 'https://app.example.com/' },
      { client_id: other },
    ]
    for (const changes of wrong) {
      const code = told(await allow()).get('code') ?? ''
      expect((await redeem(code, changes)).body.error).toBe('invalid_grant')
    }
    const late = told(await allow()).get('code') ?? ''
    await home.clock.run(60_001)
    expect((await redeem(late)).body.error).toBe('invalid_grant')
  })

  test('refreshes tokens for the client that has them, and the old ones end with the use of the new', async () => {
    const { access_token: old, refresh_token } = await logIn()
    const refresh = { grant_type: 'refresh_token', refresh_token }
    const { body } = await token(refresh)
    expect(body).toMatchObject({ token_type: 'Bearer', scope: granted })
    expect((await whoami(body.access_token)).status).toBe(200)
    expect((await whoami(old)).status).toBe(401)
    const other = String((await register({ ...web, client_name: 'Other' })).body.client_id)
    expect((await token({ ...refresh, refresh_token: body.refresh_token, client_id: other })).body.error).toBe('invalid_grant')
    expect((await home.ask('POST', '/v3/refresh', { body: { refresh_token: body.refresh_token } })).body.errcode).toBe('M_UNKNOWN_TOKEN')
  })

  test('ends the session when a refresh token comes again after its successor was used, and not before', async () => {
    const { refresh_token: first } = await logIn()
    const refresh = async (refreshToken: unknown) =>
      (await token({ grant_type: 'refresh_token', refresh_token: String(refreshToken) })).body
    const lost = await refresh(first)
    const second = await refresh(first)
    expect((await whoami(second.access_token)).status).toBe(200)
    const third = await refresh(second.refresh_token)
    expect((await whoami(third.access_token)).status).toBe(200)
    expect((await token({ grant_type: 'refresh_token', refresh_token: String(first).slice(0, 22) })).body.error).toBe('invalid_grant')
    const again = await logIn()
    expect((await refresh(lost.refresh_token)).error).toBe('invalid_grant')
    expect((await whoami(third.access_token)).status).toBe(401)
    expect((await refresh(third.refresh_token)).error).toBe('invalid_grant')
    expect((await whoami(again.access_token)).status).toBe(200)
  })

  test.each([
    [{ grant_type: 'password' }, 400, 'unsupported_grant_type'],
    [{}, 400, 'invalid_request'],
    [{ grant_type: 'authorization_code' }, 400, 'invalid_request'],
    [{ grant_type: 'refresh_token', refresh_token: 'x', client_id: 'unknown' }, 401, 'invalid_client'],
    [{ grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'invalid_grant'],
  ])('answers %j with %i %s', async (fields, status, error) => {
    expect(await token(fields as Record<string, string>)).toMatchObject({ status, body: { error } })
  })

  test('revocation logs the device out, whichever token it is given, and passes over what is none', async () => {
    for (const which of ['access_token', 'refresh_token']) {
      const tokens = await logIn()
      expect((await form('revoke', { token: tokens[which] })).status).toBe(200)
      expect((await whoami(tokens.access_token)).status).toBe(401)
      expect((await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).body.error).toBe('invalid_grant')
    }
    expect((await form('revoke', { token: 'nonsense' })).status).toBe(200)
    expect((await form('revoke', {})).status).toBe(400)
  })
})

describe('the device grant', () => {
  const begin = async () => (await form('device', { client_id: clientId, scope })).json()
  const poll = (deviceCode: string) => token({ grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: deviceCode })

  test('logs a device in once its user typed the code and allowed it', async () => {
    const { device_code, user_code, verification_uri_complete, expires_in, interval } = await begin()
    expect([user_code, expires_in, interval]).toEqual([expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/), 1800, 5])
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
    expect((await poll(device_code)).body.error).toBe('slow_down')
    const page = await (await open('link', { user_code: new URL(verification_uri_complete).searchParams.get('user_code') ?? '' })).text()
    expect(page).toContain('My &lt;App&gt;')
    const typed = user_code.toLowerCase().replace('-', ' ')
    expect((await form('link', { ...credentials, user_code: typed, password: 'wrong', decision: 'allow' })).status).toBe(403)
    expect((await form('link', { ...credentials, user_code: typed, decision: 'allow' })).status).toBe(200)
    const { body } = await poll(device_code)
    expect((await whoami(body.access_token)).body).toMatchObject({ device_id: 'NEWDEVICE1' })
    expect((await poll(device_code)).body.error).toBe('invalid_grant')
  })

  test('ends when the user turns the device away, and after half an hour', async () => {
    const denied = await begin()
    await form('link', { user_code: denied.user_code, decision: 'deny' })
    expect((await poll(denied.device_code)).body.error).toBe('access_denied')
    const late = await begin()
    await home.clock.run(30 * 60_000)
    expect((await poll(late.device_code)).body.error).toBe('expired_token')
    expect((await open('link', { user_code: late.user_code })).status).toBe(404)
    expect((await open('link', {})).status).toBe(200)
  })

  test('is refused to a client that is not registered, and for what is no login', async () => {
    expect((await form('device', { client_id: 'unknown', scope })).status).toBe(401)
    expect(await (await form('device', { client_id: clientId, scope: 'openid' })).json()).toMatchObject({ error: 'invalid_scope' })
  })
})

describe('the account page', () => {
  const visit = async (fields: Record<string, string> = {}) => {
    const signedIn = 'session' in fields ? fields : { ...credentials, ...fields }
    const text = await (await form('account', signedIn)).text()
    return { text, session: /name="session" value="([^"]+)"/.exec(text)?.[1] ?? '' }
  }

  test('shows nothing before the password was given', async () => {
    expect(await (await open('account', {})).text()).not.toContain('@alice:a.example')
    expect((await form('account', { username: 'alice', password: 'wrong' })).status).toBe(403)
    expect((await form('account', { session: 'guessed', do: 'deactivate' })).status).toBe(403)
  })

  test('lists devices and signs one out', async () => {
    const { access_token } = await logIn()
    const { text, session } = await visit({ action: 'org.matrix.devices_list' })
    expect(text).toContain('NEWDEVICE1')
    expect(text).not.toContain('Close the account')
    await form('account', { session, do: 'sign-out', device_id: 'NEWDEVICE1' })
    expect((await whoami(access_token)).status).toBe(401)
  })

  test('changes the display name', async () => {
    const { session } = await visit()
    expect(await (await form('account', { session, do: 'rename', display_name: '<Alice>' })).text()).toContain('value="&lt;Alice&gt;"')
    expect((await home.ask('GET', '/v3/profile/@alice:a.example')).body).toEqual({ displayname: '<Alice>' })
  })

  test('closes the account, with the password once more; each form of it works once', async () => {
    const { session } = await visit()
    const again = await visit({ session, do: 'deactivate', password: 'wrong' })
    expect(home.leftRooms).toEqual([])
    expect((await form('account', { session, do: 'deactivate', password: credentials.password })).status).toBe(403)
    await form('account', { session: again.session, do: 'deactivate', password: credentials.password })
    expect(home.leftRooms).toEqual(['@alice:a.example'])
    expect((await form('account', credentials)).status).toBe(403)
  })

  test('is forgotten after ten minutes', async () => {
    const { session } = await visit()
    await home.clock.run(10 * 60_000)
    expect((await form('account', { session, do: 'show' })).status).toBe(403)
  })

  test('lets an OAuth client replace cross-signing keys once', async () => {
    const { access_token } = await logIn()
    const upload = (key: string, session?: unknown) => {
      const master_key = { user_id: '@alice:a.example', usage: ['master'], keys: { [`ed25519:${key}`]: key } }
      const auth = session === undefined ? {} : { auth: { session } }
      return home.ask('POST', '/v3/keys/device_signing/upload', { token: String(access_token), body: { master_key, ...auth } })
    }
    const [first, second, third] = ['a', 'b', 'c'].map((letter) => letter.repeat(43))
    expect((await upload(first ?? '')).status).toBe(200)
    const challenged = await upload(second ?? '')
    expect(challenged).toMatchObject({ status: 401, body: { flows: [{ stages: ['m.oauth'] }] } })
    expect(challenged.body.params).toEqual({
      'm.oauth': { url: 'http://localhost/_matrix/oauth2/account?action=org.matrix.cross_signing_reset' },
    })
    expect((await upload(second ?? '', challenged.body.session)).status).toBe(401)
    const { session } = await visit({ action: 'org.matrix.cross_signing_reset' })
    await form('account', { session, do: 'reset' })
    expect((await upload(second ?? '', challenged.body.session)).status).toBe(200)
    expect((await upload(third ?? '')).status).toBe(401)
  })
})
