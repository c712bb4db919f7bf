import type { Page } from '@playwright/test'
import { type Client, expect, history, meet, register, say, test } from './support/client.ts'

/** What a script may make: a function of a text, a function by `eval`, and WebAssembly. */
async function powers(): Promise<string[]> {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  const attempts: Record<string, () => unknown> = {
    function: () => new Function('return 1')(),
    // biome-ignore lint/security/noGlobalEval: that it is refused is what is tested.
    eval: () => eval('1'),
    WebAssembly: () => WebAssembly.instantiate(empty),
  }
  const succeeds = (attempt: () => unknown) =>
    // In a task of its own: what the debugger evaluates may do more than a page.
    new Promise<boolean>((resolve) =>
      setTimeout(() =>
        Promise.resolve()
          .then(attempt)
          .then(
            () => resolve(true),
            () => resolve(false),
          ),
      ),
    )
  const outcomes = await Promise.all(Object.entries(attempts).map(async ([name, attempt]) => ((await succeeds(attempt)) ? [name] : [])))
  return outcomes.flat()
}

test('tab host, homeserver worker and service worker can neither evaluate text nor run WebAssembly, which the client can', async ({
  openApp,
  context,
}) => {
  const page = await openApp()
  await register(page, 'alice')
  expect(await page.evaluate(powers)).toEqual(['WebAssembly'])
  const frame = page.frames().find((each) => each.url().endsWith('/tab-host.html'))
  expect(await frame?.evaluate(powers)).toEqual([])
  const workers = page.workers()
  expect(workers.map((worker) => new URL(worker.url()).pathname)).toContainEqual(expect.stringMatching(/^\/workers\/homeserver-worker-/))
  for (const worker of workers) expect(await worker.evaluate(powers)).toEqual([])
  const serviceWorkers = context.serviceWorkers()
  expect(serviceWorkers.map((worker) => new URL(worker.url()).pathname)).toEqual(['/sw.js'])
  for (const worker of serviceWorkers) expect(await worker.evaluate(powers)).toEqual([])
})

test('what the browser was given for tab host, workers and service worker says that scripts are ours alone', async ({ openApp }) => {
  const page = await openApp()
  await register(page, 'alice')
  const paths = ['/sw.js', '/tab-host.html', ...page.workers().map((worker) => new URL(worker.url()).pathname)]
  expect(paths.length).toBeGreaterThan(2)
  for (const path of paths) {
    // Through the service worker, which has kept the files with their headers.
    const policy = await page.evaluate(async (url) => (await fetch(url)).headers.get('content-security-policy'), path)
    const directives = new Map((policy ?? '').split('; ').map((each): [string, string] => [each.split(' ')[0] ?? '', each]))
    expect(directives.get('default-src')).toBe("default-src 'none'")
    expect(directives.get('script-src')).toBe("script-src 'self'")
    expect(policy).not.toContain('unsafe')
  }
})

test('a page of another origin can neither make an identity nor register, nor frame the tab host', async ({ page, context, server }) => {
  await page.goto(`${server.url}/app.html`)
  const state = () => page.evaluate(async () => (await (await window.homeserver).status()).state)
  expect(await state()).toBe('no-identity')
  const foreign = await context.newPage()
  await foreign.route('**/foreign', (route) => route.fulfill({ contentType: 'text/html', body: '<body></body>' }))
  const visit = () => foreign.goto(`http://other.localhost:${server.port}/foreign`)
  /** A form may be sent to any origin, and its text may be JSON. */
  const submit = async (path: string) => {
    await visit()
    const answered = foreign.waitForResponse(server.url + path)
    await foreign.evaluate((action) => {
      const form = Object.assign(document.createElement('form'), { action, method: 'post', enctype: 'text/plain' })
      const name = '{"username":"mallory","password":"wonderland-7","auth":{"type":"m.login.dummy"},"initial_device_display_name":"'
      form.append(Object.assign(document.createElement('input'), { name, value: '"}' }))
      document.body.append(form)
      form.submit()
    }, server.url + path)
    await foreign.waitForURL(server.url + path)
    return (await answered).status()
  }
  expect(await submit('/_yurt/identity')).toBe(403)
  expect(await state()).toBe('no-identity')
  await page.evaluate(async () => (await window.homeserver).createIdentity({}))
  expect(await submit('/_matrix/client/v3/register')).toBe(403)
  await visit()
  const fetched = foreign.evaluate(
    async (url) => (await fetch(url, { method: 'POST', body: '{}' })).status,
    `${server.url}/_matrix/client/v3/register`,
  )
  await expect(fetched).rejects.toThrow('Failed to fetch')
  const free = await page.evaluate(async () => (await fetch('/_matrix/client/v3/register/available?username=mallory')).json())
  expect(free).toEqual({ available: true })
  await foreign.evaluate((src) => {
    document.body.append(Object.assign(document.createElement('iframe'), { src }))
  }, `${server.url}/tab-host.html`)
  await expect.poll(() => foreign.frames().at(-1)?.url()).toBe('chrome-error://chromewebdata/')
})

interface Attempt {
  readonly method?: string
  readonly path: string
  /** Alice's own where it is absent. */
  readonly token?: string
  /** A number stands for so many bytes. */
  readonly body?: string | number
}

/** Asks as a page does; answers status and error code. */
async function outcome(page: Page, { method = 'GET', path, token = '', body }: Attempt): Promise<string> {
  return page.evaluate(
    async ({ method, path, token, body }) => {
      const content = typeof body === 'number' ? JSON.stringify({ msgtype: 'm.text', body: 'x'.repeat(body) }) : body
      const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` }
      const response = await fetch(`/_matrix/${path}`, { method, headers, ...(content === undefined ? {} : { body: content }) })
      return `${response.status} ${(await response.json()).errcode}`
    },
    { method, path, token, body },
  )
}

test.describe('what is refused gets the specification’s error, and nothing of it is stored:', () => {
  /** Alice with a room that holds one message, and the means to tell whether anything came in since. */
  async function begin(page: Page) {
    const alice = await register(page, 'alice')
    const roomId = await meet(alice)
    await say(alice, roomId, 'the only message')
    const { accessToken } = await alice.evaluate(({ session }) => session)
    const send = `client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message`
    const [start] = await alice.evaluate((client) => client.syncsSince())
    return { alice, roomId, accessToken, send, since: start?.next ?? '' }
  }

  async function nothingCame({ alice, roomId, since }: { alice: Client; roomId: string; since: string }): Promise<void> {
    const news = await alice.evaluate((client, token) => client.syncsSince(token), since)
    expect(news.flatMap(({ eventIds }) => eventIds)).toEqual([])
    expect(await history(alice, roomId)).toEqual(['the only message'])
  }

  test('requests without a token, with a forged one, and with one that was logged out', async ({ openApp }) => {
    const page = await openApp()
    const begun = await begin(page)
    const { accessToken, send } = begun
    const other = await page.evaluate(async () => {
      const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'wonderland-7' }
      const { access_token: token } = await (await fetch('/_matrix/client/v3/login', { method: 'POST', body: JSON.stringify(auth) })).json()
      await fetch('/_matrix/client/v3/logout', { method: 'POST', headers: { authorization: `Bearer ${token}` } })
      return token
    })
    const body = '{"msgtype":"m.text","body":"forged"}'
    const forged = accessToken.slice(0, -1) + (accessToken.endsWith('a') ? 'b' : 'a')
    expect(await outcome(page, { method: 'PUT', path: `${send}/t1`, body })).toBe('401 M_MISSING_TOKEN')
    for (const token of [forged, 'x', `${accessToken}a`, accessToken.toUpperCase(), other]) {
      expect(await outcome(page, { method: 'PUT', path: `${send}/t1`, token, body })).toBe('401 M_UNKNOWN_TOKEN')
      expect(await outcome(page, { path: 'client/v3/sync', token })).toBe('401 M_UNKNOWN_TOKEN')
      expect(await outcome(page, { method: 'POST', path: 'media/v3/upload', token, body })).toBe('401 M_UNKNOWN_TOKEN')
    }
    await nothingCame(begun)
  })

  test('bodies that are no JSON or not what is asked for, and events and bodies that are too large', async ({ openApp }) => {
    const page = await openApp()
    const begun = await begin(page)
    const { accessToken: token, send } = begun
    const sent = (body: string | number) => outcome(page, { method: 'PUT', path: `${send}/t${Math.random()}`, token, body })
    for (const body of ['{"msgtype":', 'hello', '{"a":1}}', '{a:1}', '\u0000']) expect(await sent(body)).toBe('400 M_NOT_JSON')
    for (const body of ['[]', '"text"', 'null', '{"n":1.5}', '{"n":9007199254740992}', '['.repeat(200_000)])
      expect(await sent(body)).toBe('400 M_BAD_JSON')
    expect(await sent(66_000)).toBe('413 M_TOO_LARGE')
    expect(await sent(3 << 20)).toBe('413 M_TOO_LARGE')
    const state = `client/v3/rooms/${encodeURIComponent(begun.roomId)}/state/m.room.topic`
    expect(await outcome(page, { method: 'PUT', path: state, token, body: '{"topic":' })).toBe('400 M_NOT_JSON')
    expect(await outcome(page, { method: 'PUT', path: state, token, body: 66_000 })).toBe('413 M_TOO_LARGE')
    expect(await outcome(page, { method: 'POST', path: 'client/v3/createRoom', token, body: '{"name":7}' })).toBe('400 M_BAD_JSON')
    expect(await outcome(page, { method: 'POST', path: 'client/v3/createRoom', token, body: '{' })).toBe('400 M_NOT_JSON')
    await nothingCame(begun)
  })

  test('uploads beyond the limit, whole and streamed', async ({ openApp }) => {
    const page = await openApp()
    await page.evaluate(async () => (await window.homeserver).saveSettings({ max_upload_bytes: 100_000 }))
    const { accessToken: token } = await begin(page)
    const mediaBytes = () => page.evaluate(async () => (await (await window.homeserver).status()).storage.media_bytes)
    const before = await mediaBytes()
    for (const size of [100_001, 5 << 20]) {
      expect(await outcome(page, { method: 'POST', path: 'media/v3/upload', token, body: size })).toBe('413 M_TOO_LARGE')
    }
    expect(await mediaBytes()).toBe(before)
    expect(await outcome(page, { method: 'POST', path: 'media/v3/upload', token, body: 'x'.repeat(100_000) })).toBe('200 undefined')
    expect(await mediaBytes()).toBe(before + 100_000)
  })

  test('accounts that are malformed, taken or not authenticated', async ({ openApp }) => {
    const page = await openApp()
    await register(page, 'alice')
    const path = 'client/v3/register'
    const asked = (body: object) => outcome(page, { method: 'POST', path, body: JSON.stringify(body) })
    const auth = { type: 'm.login.dummy' }
    const password = 'wonderland-7'
    expect(await outcome(page, { method: 'POST', path, body: '{' })).toBe('400 M_NOT_JSON')
    expect(await asked({ username: 7, password, auth })).toBe('400 M_BAD_JSON')
    expect(await asked({ username: 'not allowed', password, auth })).toBe('400 M_INVALID_USERNAME')
    expect(await asked({ username: 'alice', password, auth })).toBe('400 M_USER_IN_USE')
    expect(await asked({ username: 'carol', password })).toBe('401 undefined')
    expect(await asked({ username: 'carol', password, auth: { type: 'm.login.dummy', session: 'forged' } })).toMatch(/^40[0-3] /)
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'carol' }, password }
    const refused = await outcome(page, { method: 'POST', path: 'client/v3/login', body: JSON.stringify(login) })
    expect(refused).toBe('403 M_FORBIDDEN')
    expect(await outcome(page, { path: `${path}/available?username=carol` })).toBe('200 undefined')
  })
})
