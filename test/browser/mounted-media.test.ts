import { test as base, expect, type Page } from '@playwright/test'
import { buildIfStale } from '../../scripts/build.ts'
import { MountedClient } from '../../scripts/mounted-client.ts'
import { type StaticServer, startStaticServer } from '../../scripts/serve.ts'
import { makeHomeserver } from './support/first-visit.ts'
import { stopServiceWorker } from './support/service-worker.ts'

declare global {
  interface Window {
    /** The client in test/browser/media-client. */
    client: {
      readonly started: Promise<{ readonly base: string; readonly asked: Readonly<Record<string, number>>; readonly serviceWorker: string }>
      register(username: string): Promise<void>
      upload(): Promise<string>
      shown(src: string): Promise<number | 'nothing'>
      downloaded(path: string): Promise<number>
    }
  }
}

const test = base.extend<{ server: StaticServer }>({
  server: async ({ browserName: _ }, use) => {
    if (!buildIfStale()) throw new Error('The build failed')
    const server = await startStaticServer({
      directory: 'dist',
      port: 0,
      client: await MountedClient.read('test/browser/media-client'),
    })
    await use(server)
    await server.close()
  },
})

const started = (page: Page) => page.evaluate(() => window.client.started)
const shown = (page: Page, src: string) => page.evaluate((src) => window.client.shown(src), src)
const downloaded = (page: Page, path: string) => page.evaluate((path) => window.client.downloaded(path), path)

/** What the page shows of content, on the paths that clients use: those of old and those of now, in elements and by `fetch`. */
async function media(page: Page, content: string) {
  const query = `?width=32&height=32&method=scale&t=${Math.random()}`
  return {
    oldImage: await shown(page, `/_matrix/media/v3/download/${content}${query}`),
    oldThumbnail: await shown(page, `/_matrix/media/v3/thumbnail/${content}${query}`),
    oldFetch: await downloaded(page, `/_matrix/media/v3/download/${content}${query}`),
    image: await shown(page, `/_matrix/client/v1/media/download/${content}${query}`),
    thumbnail: await shown(page, `/_matrix/client/v1/media/thumbnail/${content}${query}`),
  }
}

const inElements = { oldImage: 320, oldThumbnail: 52, image: 320, thumbnail: 52 }

test('a client that has its media authenticated by its own service worker shows it, also after that was stopped, and with no server left', async ({
  page,
  server,
}) => {
  await page.goto(`${server.url}/#/welcome`)
  await makeHomeserver(page)
  await page.waitForFunction(() => 'client' in window)
  const { base, asked, serviceWorker } = await started(page)
  expect([base, serviceWorker]).toEqual([server.url, 'registered'])
  expect(asked).toEqual({
    'config.localhost.json': 404,
    'config.json': 200,
    '/.well-known/matrix/client': 200,
    '/_matrix/client/versions': 200,
    '/_matrix/client/v1/auth_metadata': 200,
    '/_matrix/client/v3/login': 200,
  })
  await page.evaluate(() => window.client.register('alice'))
  const content = await page.evaluate(() => window.client.upload())
  expect(await media(page, content)).toEqual({ ...inElements, oldFetch: 200 })
  // It forgets for whom the page speaks.
  await stopServiceWorker(page)
  expect(await media(page, content)).toEqual({ ...inElements, oldFetch: 200 })
  await server.close()
  await page.goto(`${server.url}/#/room/of-the-client`)
  await page.reload()
  expect((await started(page)).serviceWorker).toBe('registered')
  expect(await media(page, content)).toEqual({ ...inElements, oldFetch: 200 })
  // Nobody is logged in here.
  await page.evaluate(() => localStorage.clear())
  const stranger = await page.context().newPage()
  await stranger.goto(`${server.url}/#/welcome`)
  await started(stranger)
  const refused = { oldImage: 'nothing', oldThumbnail: 'nothing', oldFetch: 404, image: 'nothing', thumbnail: 'nothing' }
  expect(await media(stranger, content)).toEqual(refused)
})
