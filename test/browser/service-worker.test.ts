import type { Page } from '@playwright/test'
import { stopServiceWorker } from './support/service-worker.ts'
import { expect, fetchJson, test } from './support/test.ts'

const epochOf = (page: Page) => page.evaluate(async () => (await (await window.homeserver).status()).epoch)

test('without an identity the homeserver says so, and makes one only when it is told to', async ({ page, site }) => {
  await page.goto(site.url)
  const before = await page.evaluate(async () => (await window.homeserver).status())
  expect(before).toMatchObject({ state: 'no-identity' })
  expect(await fetchJson(page, '/_matrix/test/name')).toMatchObject({ status: 503, body: { errcode: 'M_UNKNOWN' } })
  const created = await page.evaluate(async () => (await window.homeserver).createIdentity({ relay_domain: 'relay.example' }))
  expect(created.server_name).toMatch(/^k51[a-z0-9]{59}\.relay\.example$/)
  expect(created.recovery_key).toMatch(/^(\w{4} )+\w{1,4}$/)
  expect(await fetchJson(page, '/_matrix/test/name')).toMatchObject({
    status: 200,
    body: { server_name: created.server_name, incarnation: 0 },
  })
  const again = page.evaluate(async () => (await window.homeserver).createIdentity({}))
  await expect(again).rejects.toThrow('has an identity')
})

test('requests and answers arrive as they were sent', async ({ openTab, site }) => {
  const page = await openTab()
  const sent = { method: 'POST', headers: { 'content-type': 'text/strange' }, body: 'höhe' }
  expect(await fetchJson(page, '/_matrix/test/echo?a=b%2Fc', sent)).toEqual({
    status: 200,
    body: { method: 'POST', url: `${site.url}/_matrix/test/echo?a=b%2Fc`, body: 'höhe', type: 'text/strange' },
  })
  expect(await fetchJson(page, '/_matrix/test/empty', { method: 'DELETE' })).toEqual({ status: 204, body: undefined })
  expect(await fetchJson(page, '/.well-known/matrix/client')).toMatchObject({ status: 401 })
})

test('bodies of any size pass, in both directions', async ({ openTab }) => {
  const page = await openTab()
  const sizes = await page.evaluate(async () => {
    const upload = async (bytes: number) => (await fetch('/_matrix/test/upload', { method: 'POST', body: new Uint8Array(bytes) })).json()
    const download = async (bytes: number) => (await (await fetch(`/_matrix/test/big?bytes=${bytes}`)).arrayBuffer()).byteLength
    const sizes = [0, 1, 1 << 20, (1 << 20) + 1, 20_000_000]
    return { sizes, up: await Promise.all(sizes.map(upload)), down: await Promise.all(sizes.map(download)) }
  })
  expect(sizes.up).toEqual(sizes.sizes.map((bytes) => ({ bytes })))
  expect(sizes.down).toEqual(sizes.sizes)
})

test('what the leader did before it was closed is answered by the next one, and not done twice', async ({ openTab }) => {
  const leader = await openTab()
  const other = await openTab()
  const path = '/_matrix/client/v3/createRoom?ms=5000'
  const creating = fetchJson(other, path, { method: 'POST', headers: { authorization: 'Bearer good' }, body: '{}' })
  await expect.poll(async () => (await fetchJson(other, '/_matrix/test/count?name=room')).body).toEqual({ count: 1 })
  await leader.close()
  expect(await creating).toMatchObject({ status: 200, body: { room_id: expect.stringMatching(/^!/) } })
  expect((await fetchJson(other, '/_matrix/test/count?name=room')).body).toEqual({ count: 1 })
})

test('a download that the page gives up is cancelled in the homeserver', async ({ openTab }) => {
  const page = await openTab()
  await page.evaluate(async () => {
    const controller = new AbortController()
    const response = await fetch('/_matrix/test/stream?chunks=1000&ms=20', { signal: controller.signal })
    await response.body?.getReader().read()
    controller.abort()
  })
  await expect.poll(async () => (await fetchJson(page, '/_matrix/test/cancelled')).body).toBe(1)
})

test('a download is cut off with an error, not silently, when the leader is closed', async ({ openTab }) => {
  const leader = await openTab()
  const other = await openTab()
  const download = other.evaluate(async () => {
    const response = await fetch('/_matrix/test/stream?chunks=1000&ms=20')
    return response.text().then(
      () => 'complete',
      () => 'failed',
    )
  })
  await new Promise((resolve) => setTimeout(resolve, 500))
  await leader.close()
  expect(await download).toBe('failed')
})

test('the same homeserver goes on after the service worker was stopped', async ({ openTab }) => {
  const page = await openTab()
  const epoch = await epochOf(page)
  for (let round = 0; round < 5; round++) {
    await stopServiceWorker(page)
    expect(await fetchJson(page, '/_matrix/test/echo')).toMatchObject({ status: 200 })
  }
  expect(await epochOf(page)).toBe(epoch)
})

test('another tab takes over when the leader is closed, and answers what was in flight', async ({ openTab }) => {
  const leader = await openTab()
  const other = await openTab()
  const epoch = await epochOf(other)
  const flying = other.evaluate(() =>
    Promise.all(Array.from({ length: 20 }, async (_, n) => (await fetch(`/_matrix/test/sleep?ms=${n * 100}`)).status)),
  )
  await new Promise((resolve) => setTimeout(resolve, 300))
  await leader.close()
  expect(await flying).toEqual(Array.from({ length: 20 }, () => 200))
  expect(await epochOf(other)).toBeGreaterThan(epoch)
})

test('a worker that hangs is replaced, and its requests are answered', async ({ openTab }) => {
  const page = await openTab()
  const epoch = await epochOf(page)
  expect(await fetchJson(page, '/_matrix/test/hang-once?ms=60000')).toMatchObject({ status: 200 })
  expect(await epochOf(page)).toBeGreaterThan(epoch)
})

test('without any tab host the answer is a 503, in bounded time', async ({ openTab }) => {
  const page = await openTab()
  await page.evaluate(() => document.querySelector('iframe[data-yurt]')?.remove())
  expect(await fetchJson(page, '/_matrix/test/echo')).toMatchObject({ status: 503, body: { errcode: 'M_UNKNOWN' } })
})

test('a page that was reloaded past the service worker finds its way back', async ({ openTab }) => {
  const page = await openTab()
  const session = await page.context().newCDPSession(page)
  await Promise.all([page.waitForNavigation(), session.send('Page.reload', { ignoreCache: true })])
  await page.evaluate(() => window.homeserver)
  expect(await fetchJson(page, '/_matrix/test/echo')).toMatchObject({ status: 200 })
})

test('the app starts with the network off', async ({ openTab, context }) => {
  const page = await openTab()
  await context.setOffline(true)
  await page.reload()
  await page.evaluate(() => window.homeserver)
  expect(await fetchJson(page, '/_matrix/test/name')).toMatchObject({ status: 200, body: { server_name: 'test' } })
  const fresh = await context.newPage()
  await fresh.goto(page.url())
  expect(await fetchJson(fresh, '/_matrix/test/name')).toMatchObject({ status: 200 })
})

test('a page that knows nothing of the homeserver carries it', async ({ openTab, context, site }) => {
  const page = await openTab()
  await page.close()
  const foreign = await context.newPage()
  await foreign.goto(`${site.url}/contract.html`)
  await expect(foreign.locator('iframe[data-yurt]')).toHaveCount(1)
  expect(await fetchJson(foreign, '/_matrix/test/name')).toMatchObject({ status: 200 })
})

test('a client with a service worker of its own is answered by the homeserver as well', async ({ openTab, context, site }) => {
  await openTab()
  const page = await context.newPage()
  await page.goto(`${site.url}/client/index.html`)
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/client/sw.js', { scope: '/client/' })
    const { controller } = navigator.serviceWorker
    if (!controller?.scriptURL.endsWith('/client/sw.js')) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
    }
  })
  expect(await fetchJson(page, '/_matrix/test/name')).toMatchObject({ status: 200, body: { server_name: 'test' } })
  expect(await page.evaluate(async () => (await fetch('/client/own')).text())).toBe('own')
  await page.reload()
  await expect(page.locator('iframe[data-yurt]')).toHaveCount(1)
  expect(await fetchJson(page, '/_matrix/test/name')).toMatchObject({ status: 200 })
})

test('an image of authenticated media loads for a page whose last token was good, and for no other', async ({ openTab }) => {
  const page = await openTab()
  const other = await openTab()
  const loads = (tab: Page) =>
    tab.evaluate(
      () =>
        new Promise((resolve) => {
          const image = new Image()
          image.onload = () => resolve(true)
          image.onerror = () => resolve(false)
          image.src = `/_matrix/client/v1/media/download/test/${Math.random()}`
        }),
    )
  const ask = (token: string) => fetchJson(page, '/_matrix/client/v3/account/whoami', { headers: { authorization: `Bearer ${token}` } })
  expect(await loads(page)).toBe(false)
  await ask('good')
  expect(await loads(page)).toBe(true)
  expect(await loads(other)).toBe(false)
  expect((await fetchJson(page, '/_matrix/client/v1/media/download/test/x')).status).toBe(401)
  await ask('dead')
  expect(await loads(page)).toBe(true)
})

test('nothing under /_matrix/ is shown as a page, a frame or a script', async ({ openTab, site }) => {
  const page = await openTab()
  const frame = page.waitForResponse(/test\/page\?frame/)
  const script = page.waitForResponse(/test\/page\?script/)
  await page.evaluate(() => {
    document.body.append(Object.assign(document.createElement('iframe'), { src: '/_matrix/test/page?frame' }))
    document.body.append(Object.assign(document.createElement('script'), { src: '/_matrix/test/page?script' }))
  })
  expect((await frame).status()).toBe(403)
  expect((await script).status()).toBe(403)
  expect((await page.goto(`${site.url}/_matrix/test/page`))?.status()).toBe(403)
})

test('settings are in effect once they are saved, and survive', async ({ openTab }) => {
  const page = await openTab()
  await page.evaluate(async () => (await window.homeserver).saveSettings({ max_upload_bytes: 1234 }))
  expect(await fetchJson(page, '/_matrix/test/name')).toMatchObject({ body: { upload: 1234 } })
  await page.reload()
  expect(await page.evaluate(async () => (await window.homeserver).settings())).toEqual({ max_upload_bytes: 1234 })
  const wrong = await fetchJson(page, '/_yurt/settings', { method: 'PUT', body: '{"max_upload_bytes":"many"}' })
  expect(wrong).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
})

test('a homeserver whose data vanished does not become a new one by itself, and can be restored', async ({ page, site }) => {
  await page.goto(site.url)
  const created = await page.evaluate(async () => (await window.homeserver).createIdentity({}))
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        document.querySelector('iframe[data-yurt]')?.remove()
        indexedDB.deleteDatabase('yurt').onsuccess = () => resolve()
      }),
  )
  await page.reload()
  expect(await page.evaluate(async () => (await window.homeserver).status())).toMatchObject({ state: 'lost' })
  const silently = page.evaluate(async () => (await window.homeserver).createIdentity({}))
  await expect(silently).rejects.toThrow('lost')
  const wrong = page.evaluate(async (file) => (await window.homeserver).restoreIdentity(file, 'wrong'), created.recovery_file)
  await expect(wrong).rejects.toThrow('recovery key')
  const restored = await page.evaluate(
    async ({ recovery_file, recovery_key }) => (await window.homeserver).restoreIdentity(recovery_file, recovery_key),
    created,
  )
  expect(restored.server_name).toBe(created.server_name)
  expect(restored.incarnation).toBeGreaterThan(0)
  expect(await fetchJson(page, '/_matrix/test/name')).toMatchObject({ status: 200, body: { server_name: created.server_name } })
})

test('our own frames and workers run without eval and without WebAssembly', async ({ openTab }) => {
  const page = await openTab()
  const frame = page.frames().find((each) => each.url().endsWith('/tab-host.html'))
  const attempts = await frame?.evaluate(async () => {
    const attempt = (run: () => unknown) =>
      // In a task of its own: what the debugger evaluates may do more than a page.
      new Promise((resolve) =>
        setTimeout(() =>
          Promise.resolve()
            .then(run)
            .then(
              () => resolve('ran'),
              () => resolve('refused'),
            ),
        ),
      )
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
    // biome-ignore lint/security/noGlobalEval: that it is refused is what is tested.
    return [await attempt(() => eval('1')), await attempt(() => WebAssembly.instantiate(empty))]
  })
  expect(attempts).toEqual(['refused', 'refused'])
})
