import { beforeEach, describe, expect, test } from 'vitest'
import { openUsers, type UsersFixture } from './users-fixture.ts'

let home: UsersFixture
let token: string

beforeEach(async () => {
  home = await openUsers()
  token = (await home.register('alice')).token
})

const pageUrl = (stage: string, session: unknown) =>
  `http://localhost/_matrix/client/v3/auth/${stage}/fallback/web?session=${encodeURIComponent(String(session))}`

const send = (request: Request) => home.handler(request, { trusted: true, address: 'test' })
const open = (stage: string, session: unknown) => send(new Request(pageUrl(stage, session)))
const fill = (stage: string, session: unknown, fields: Record<string, string>) =>
  send(new Request(pageUrl(stage, session), { method: 'POST', body: new URLSearchParams(fields) }))

/** Asks for something that takes authentication; resolves with the session. */
async function challenge(path: string, body: object, as?: string): Promise<unknown> {
  const answer = await home.ask('POST', path, { body, ...(as === undefined ? {} : { token: as }) })
  expect(answer.status).toBe(401)
  return answer.body.session
}

describe('the fallback page of a stage', () => {
  test('takes the password, tells the client, and the request then succeeds by its session alone', async () => {
    const session = await challenge('/v1/login/get_token', {}, token)
    const page = await (await open('m.login.password', session)).text()
    expect(page).toContain('to sign in another device')
    expect(page).toContain('<strong>@alice:')
    const done = await fill('m.login.password', session, { password: "alice's password" })
    expect(done.status).toBe(200)
    const text = await done.text()
    expect(text).toContain('window.onAuthDone()')
    expect(text).toContain("window.opener.postMessage('authDone', '*')")
    expect((await home.ask('POST', '/v1/login/get_token', { token, body: { auth: { session } } })).status).toBe(200)
  })

  test('allows its one script by its hash, and no frame around it', async () => {
    const session = await challenge('/v3/register', { username: 'bob', password: 'wonderland-7' })
    const shown = await open('m.login.dummy', session)
    expect(shown.headers.get('content-security-policy')).not.toContain('script-src')
    const done = await fill('m.login.dummy', session, {})
    expect(done.headers.get('content-security-policy')).toMatch(/script-src 'sha256-[A-Za-z0-9+/]{43}='/)
    expect(done.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  })

  test('shows a wrong password as wrong, and the request stays closed', async () => {
    const session = await challenge('/v1/login/get_token', {}, token)
    const wrong = await fill('m.login.password', session, { password: 'guessed' })
    expect(wrong.status).toBe(403)
    expect(await wrong.text()).toContain('role="alert"')
    expect((await home.ask('POST', '/v1/login/get_token', { token, body: { auth: { session } } })).status).toBe(401)
  })

  test('proves who a request is about where nobody is logged in, and nobody else', async () => {
    await home.register('mallory')
    const session = await challenge('/v3/account/password', { new_password: 'changed-by-page' })
    expect(await (await open('m.login.password', session)).text()).toContain('name="username"')
    await fill('m.login.password', session, { username: 'alice', password: "alice's password" })
    const body = { new_password: 'changed-by-page', auth: { session } }
    expect((await home.ask('POST', '/v3/account/password', { body })).status).toBe(200)
    const login = (user: string) => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: 'changed-by-page' })
    expect((await home.ask('POST', '/v3/login', { body: login('alice') })).status).toBe(200)
    expect((await home.ask('POST', '/v3/login', { body: login('mallory') })).status).toBe(403)
  })

  test('of an unknown session, one that is over, or a stage that is not asked for says so', async () => {
    const session = await challenge('/v3/register', { username: 'bob', password: 'wonderland-7' })
    expect((await open('m.login.dummy', 'unknown')).status).toBe(404)
    expect((await open('m.login.recaptcha', session)).status).toBe(404)
    await fill('m.login.dummy', session, {})
    expect(
      (await home.ask('POST', '/v3/register', { body: { username: 'bob', password: 'wonderland-7', auth: { session } } })).status,
    ).toBe(200)
    expect((await open('m.login.dummy', session)).status).toBe(404)
  })

  test('writes nothing into the page that someone else chose', async () => {
    const session = await challenge('/v3/account/password', { new_password: 'x' })
    const page = await (await fill('m.login.password', session, { username: '"><script>', password: 'x' })).text()
    expect(page).not.toContain('<script>')
  })
})
