import { createHash } from 'node:crypto'
import { expect, fetchJson, test } from './support/test.ts'

test.use({ homeserver: 'real' })

const verifier = 'v'.repeat(43)
const challenge = createHash('sha256').update(verifier).digest('base64url')
const form = (fields: Record<string, string>) => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
})

test('a client in the only tab goes to the authorisation page, an account is made there, and comes back with a code for its tokens', async ({
  openTab,
  site,
}) => {
  const page = await openTab()
  const redirectUri = `${site.url}/index.html`
  const registered = await fetchJson(page, '/_matrix/oauth2/registration', {
    method: 'POST',
    body: JSON.stringify({ client_name: 'Tab client', client_uri: site.url, redirect_uris: [redirectUri] }),
  })
  expect(registered).toMatchObject({ status: 201 })
  const { client_id: clientId } = registered.body as { client_id: string }
  const wish = new URLSearchParams({
    response_type: 'code',
    response_mode: 'fragment',
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: 'urn:matrix:client:api:* urn:matrix:client:device:TABDEVICE1',
    state: 'here',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    prompt: 'create',
  })
  await page.goto(`${site.url}/_matrix/oauth2/authorize?${wish}`)
  await expect(page.getByRole('heading')).toHaveText('Continue to Tab client')
  expect(page.frames().some((frame) => frame.url().endsWith('/tab-host.html'))).toBe(true)
  await page.getByLabel('User name').fill('alice')
  await page.getByLabel('Password').fill('wonderland-7')
  await page.getByRole('button', { name: 'Create account and allow' }).click()
  await page.waitForURL(/#state=here&code=/)
  const code = new URLSearchParams(new URL(page.url()).hash.slice(1)).get('code') ?? ''
  const grant = { grant_type: 'authorization_code', code, client_id: clientId, redirect_uri: redirectUri, code_verifier: verifier }
  const { status, body } = await fetchJson(page, '/_matrix/oauth2/token', form(grant))
  expect(status).toBe(200)
  const { access_token: token } = body as { access_token: string }
  const headers = { authorization: `Bearer ${token}` }
  expect((await fetchJson(page, '/_matrix/client/v3/account/whoami', { headers })).body).toMatchObject({
    user_id: '@alice:test',
    device_id: 'TABDEVICE1',
  })
})

test('the account page opens though no tab is left, and signs the user in', async ({ openTab, context, site }) => {
  const page = await openTab()
  const account = { username: 'bob', password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
  await fetchJson(page, '/_matrix/client/v3/register', { method: 'POST', body: JSON.stringify(account) })
  const blank = await context.newPage()
  await page.close()
  await blank.goto(`${site.url}/_matrix/oauth2/account`)
  await blank.getByLabel('User name').fill('bob')
  await blank.getByLabel('Password').fill('wonderland-7')
  await blank.getByRole('button', { name: 'Sign in' }).click()
  await expect(blank.getByText('@bob:test')).toBeVisible()
})

test('a client opens the fallback page of a stage in a window of its own, and hears when the user has given the password there', async ({
  openTab,
  site,
}) => {
  const page = await openTab()
  const account = { username: 'carol', password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
  const registered = await fetchJson(page, '/_matrix/client/v3/register', { method: 'POST', body: JSON.stringify(account) })
  const { access_token: token } = registered.body as { access_token: string }
  const ask = (auth?: object) =>
    fetchJson(page, '/_matrix/client/v1/login/get_token', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ auth }),
    })
  const { session } = (await ask()).body as { session: string }
  const opened = page.waitForEvent('popup')
  const heard = await page.evaluateHandle((url) => {
    const message = new Promise((resolve) =>
      window.addEventListener('message', ({ data, origin }) => data === 'authDone' && resolve({ data, origin })),
    )
    window.open(url)
    return { message }
  }, `/_matrix/client/v3/auth/m.login.password/fallback/web?session=${session}`)
  const popup = await opened
  await popup.getByLabel('Password').fill('wonderland-7')
  await popup.getByRole('button', { name: 'Go on' }).click()
  await expect(popup.getByRole('heading')).toHaveText('Done')
  expect(await heard.evaluate(({ message }) => message)).toEqual({ data: 'authDone', origin: site.url })
  expect(await ask({ session })).toMatchObject({ status: 200, body: { login_token: expect.any(String) } })
})

test('an application that knows no way to log in shows the page for it, and is handed the answer', async ({ openTab, context, site }) => {
  const page = await openTab()
  const account = { username: 'dora', password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
  await fetchJson(page, '/_matrix/client/v3/register', { method: 'POST', body: JSON.stringify(account) })
  const shown = await context.newPage()
  const answers: unknown[] = []
  await shown.exposeFunction('handed', (answer: unknown) => answers.push(answer))
  await shown.addInitScript('window.matrixLogin = { onLogin: (answer) => window.handed(answer) }')
  await shown.goto(`${site.url}/_matrix/static/client/login/?device_id=FALLBACK`)
  await shown.getByLabel('User name').fill('dora')
  await shown.getByLabel('Password').fill('wrong')
  await shown.getByRole('button', { name: 'Sign in' }).click()
  await expect(shown.getByRole('alert')).toBeVisible()
  await shown.getByLabel('Password').fill('wonderland-7')
  await shown.getByRole('button', { name: 'Sign in' }).click()
  await expect(shown.getByRole('alert')).toBeHidden()
  expect(answers).toEqual([expect.objectContaining({ user_id: '@dora:test', device_id: 'FALLBACK', access_token: expect.any(String) })])
})
