import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { StoredSession } from '../../demo/session/stored-session.ts'
import { refreshingFetch } from '../../demo/session/token-refresh.ts'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'

const network = new InProcessNetwork()
const base = 'http://a.example'
let server: InProcessHomeserver
let session: StoredSession

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  server = await network.start('a.example')
  vi.stubGlobal('fetch', (input: RequestInfo | URL, init?: RequestInit) => server.fetch(new URL(String(input), base), init))
  const body = JSON.stringify({ username: 'alice', password: 'wonderland-7', auth: { type: 'm.login.dummy' }, refresh_token: true })
  const registered = await (await fetch('/_matrix/client/v3/register', { method: 'POST', body })).json()
  const { user_id: userId, device_id: deviceId, access_token: accessToken, refresh_token: refreshToken } = registered
  session = { userId, deviceId, accessToken, refreshToken }
})

afterEach(async () => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
  await network.stop()
})

function whoami(fetching: typeof fetch): Promise<Response> {
  return fetching('/_matrix/client/v3/account/whoami', { headers: { authorization: 'Bearer whatever the SDK was given at first' } })
}

test('requests go on after the access token has expired; those under way together renew it once, and the new one is kept', async () => {
  const saved: StoredSession[] = []
  const fetching = refreshingFetch(session, (renewed) => saved.push(renewed))
  vi.setSystemTime(Date.now() + 400 * 24 * 3600_000)
  const answers = await Promise.all([whoami(fetching), whoami(fetching), whoami(fetching)])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(saved).toHaveLength(1)
  expect(saved[0]).toMatchObject({ userId: session.userId, deviceId: session.deviceId })
  expect(saved[0]?.accessToken).not.toBe(session.accessToken)
  expect((await whoami(refreshingFetch(saved[0] ?? session, () => undefined))).status).toBe(200)
})

test('a session that was ended elsewhere is not renewed', async () => {
  const saved: StoredSession[] = []
  const fetching = refreshingFetch(session, (renewed) => saved.push(renewed))
  await fetch('/_matrix/client/v3/logout', { method: 'POST', headers: { authorization: `Bearer ${session.accessToken}` } })
  expect((await whoami(fetching)).status).toBe(401)
  expect(saved).toEqual([])
})
