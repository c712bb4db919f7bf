import { createClient, MatrixError, OAuth2 } from 'matrix-js-sdk'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'

// The library takes the console's methods when it is loaded, and tells of every request.
vi.hoisted(() => {
  for (const method of ['trace', 'debug', 'log', 'info', 'warn', 'error'] as const) console[method] = () => undefined
})

const baseUrl = 'http://home.example'
const redirectUri = 'https://app.example/callback'
const network = new InProcessNetwork()
let home: InProcessHomeserver

beforeAll(async () => {
  home = await network.start('home.example')
  vi.stubGlobal('fetch', home.fetch)
  const body = { username: 'alice', password: 'wonderland-7', auth: { type: 'm.login.dummy' }, inhibit_login: true }
  await home.fetch(`${baseUrl}/_matrix/client/v3/register`, { method: 'POST', body: JSON.stringify(body) })
})

afterAll(async () => {
  vi.unstubAllGlobals()
  await network.stop()
})

/** matrix-js-sdk, registered as a client. */
async function openOAuth(): Promise<OAuth2> {
  const metadata = await createClient({ baseUrl, fetchFn: home.fetch }).getAuthMetadata()
  const clientId = await OAuth2.registerClient(metadata, {
    client_name: 'App',
    client_uri: 'https://app.example/',
    redirect_uris: [redirectUri],
    application_type: 'web',
  })
  return new OAuth2(metadata, { clientId })
}

/** What Alice does on a page: fills in the form that it shows, and allows. */
async function allow(pageUrl: string, more: Record<string, string> = {}): Promise<Response> {
  const text = await (await home.fetch(pageUrl)).text()
  const unescaped = (value = '') => value.replaceAll('&amp;', '&').replaceAll('&#39;', "'")
  const hidden = [...text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(([, name = '', value]) => [
    name,
    unescaped(value),
  ])
  const fields = { ...Object.fromEntries(hidden), username: 'alice', password: 'wonderland-7', decision: 'allow', ...more }
  const { origin, pathname } = new URL(pageUrl)
  return home.homeserver.handleClient(new Request(origin + pathname, { method: 'POST', body: new URLSearchParams(fields) }), {
    trusted: true,
    address: 'page',
  })
}

function whoami(accessToken: string) {
  return createClient({ baseUrl, fetchFn: home.fetch, accessToken }).whoami()
}

test('matrix-js-sdk discovers, registers, logs in by code, refreshes and logs out', async () => {
  const oauth = await openOAuth()
  const answer = await allow(await oauth.generateAuthorizationCodeGrantUrl('state', redirectUri))
  const returned = new URLSearchParams(new URL(answer.headers.get('location') ?? '').hash.slice(1))
  expect(returned.get('state')).toBe('state')
  const tokens = await oauth.completeAuthorizationCodeGrant(returned.get('code') ?? '', redirectUri)
  expect(await whoami(tokens.access_token)).toMatchObject({ user_id: '@alice:home.example', device_id: oauth.context.deviceId })
  const refreshed = await oauth.performRefreshTokenGrant(tokens.refresh_token ?? '')
  expect(await whoami(refreshed.access_token)).toMatchObject({ device_id: oauth.context.deviceId })
  await oauth.revokeToken(refreshed.access_token, 'access_token')
  await expect(whoami(refreshed.access_token)).rejects.toThrow(MatrixError)
})

test('matrix-js-sdk logs a device in that has no browser', async () => {
  const oauth = await openOAuth()
  const session = await oauth.startDeviceAuthorizationGrant()
  expect((await allow(session.verification_uri_complete ?? '')).status).toBe(200)
  const tokens = await oauth.waitForDeviceAuthorizationGrant(session)
  if (!('access_token' in tokens)) throw new Error(tokens.error)
  expect(await whoami(tokens.access_token)).toMatchObject({ device_id: oauth.context.deviceId })
})
