import { cp, mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type Page, test } from '@playwright/test'
import { buildIfStale } from '../../scripts/build.ts'
import { type StaticServer, startStaticServer } from '../../scripts/serve.ts'

let directory: string
let site: StaticServer

test.beforeEach(async () => {
  if (!buildIfStale()) throw new Error('The app could not be built')
  directory = await mkdtemp(join(tmpdir(), 'yurt-deploy-'))
  await cp('dist', directory, { recursive: true })
  site = await startStaticServer({ directory, port: 0 })
})

test.afterEach(async () => {
  await site.close().catch(() => undefined)
  await rm(directory, { recursive: true })
})

/** A page that is controlled by its service worker. */
async function visit(page: Page): Promise<void> {
  await page.goto(site.url)
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated')
}

/** Puts another service worker in place, and waits until it is active. */
async function deploy(page: Page, change: (script: string) => string): Promise<void> {
  const file = join(directory, 'sw.js')
  await writeFile(file, change(await readFile(file, 'utf8')))
  await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready
    await registration.update()
    const next = registration.installing
    if (!next) throw new Error('nothing is deployed')
    await new Promise<void>((resolve) => next.addEventListener('statechange', () => next.state === 'activated' && resolve()))
  })
}

const statusOf = (page: Page, path: string) =>
  page.evaluate(async (path) => (await fetch(path, { cache: 'no-store' }).catch(() => undefined))?.status ?? 'unreachable', path)

test('all that the homeserver loads later is there from the first visit, with the network off', async ({ page }) => {
  const files = (
    await Promise.all(
      ['assets', 'workers'].map(async (folder) => (await readdir(join(directory, folder))).map((name) => `/${folder}/${name}`)),
    )
  ).flat()
  for (const part of ['argon2', 'thumbnailer', 'libp2p-node', 'auth-fallback-pages']) expect(files.join()).toContain(`/${part}-`)
  await visit(page)
  await site.close()
  for (const file of files) expect([file, await statusOf(page, file)]).toEqual([file, 200])
})

test('what a page loads later stays while another build takes over, until the next', async ({ page }) => {
  const chunk = (await readdir(join(directory, 'workers'))).find((name) => name.startsWith('argon2')) ?? ''
  await visit(page)
  await unlink(join(directory, 'workers', chunk))
  const entry = `{url:\`/workers/${chunk}\`,revision:null},`
  await deploy(page, (script) => {
    expect(script).toContain(entry)
    return script.replace(entry, '')
  })
  expect(await statusOf(page, `/workers/${chunk}`)).toBe(200)
  await deploy(page, (script) => `${script}\n// again`)
  expect(await statusOf(page, `/workers/${chunk}`)).toBe(404)
  expect(await statusOf(page, '/index.html')).toBe(200)
})
