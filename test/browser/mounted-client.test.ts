import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import pino from 'pino'
import { checkConfig } from '../../relay/config.ts'
import { startRelay } from '../../relay/relay.ts'
import { startStaticServer } from '../../scripts/serve.ts'
import { makeHomeserver } from './support/first-visit.ts'
import { hydrogen as test } from './support/hydrogen.ts'

const password = 'wonderland-7'
/** Hydrogen makes thumbnails of this width itself, for encrypted pictures. */
const thumbnailWidth = 400

/** An account, made as any client of the page could: Hydrogen has no form for that. Resolves with its user id and an access token. */
function register(page: Page, username: string): Promise<{ user_id: string; access_token: string }> {
  return page.evaluate(
    async (account) => {
      const body = JSON.stringify({ ...account, auth: { type: 'm.login.dummy' } })
      return (await fetch('/_matrix/client/v3/register', { method: 'POST', body })).json()
    },
    { username, password },
  )
}

async function logIn(page: Page, username: string): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log In' }).click()
  await expect(page.getByRole('heading', { name: 'Choose a room' })).toBeVisible()
}

/** Hydrogen encrypts what is said in rooms that it creates. */
async function createRoom(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'Create room' }).click()
  await page.getByRole('button', { name: 'Create Room', exact: true }).click()
  await page.getByLabel('Room name').fill(name)
  await page.getByRole('main').getByRole('button', { name: 'Create room' }).click()
  await page.getByRole('link', { name }).click()
  await expect(page.locator('.MessageComposer_input textarea')).toBeVisible()
}

async function say(page: Page, text: string): Promise<void> {
  const field = page.locator('.MessageComposer_input textarea')
  await field.fill(text)
  await field.press('Enter')
  await expect(page.locator('.Timeline_message:not(.unsent)', { hasText: text })).toBeVisible()
}

function invite(page: Page, invitation: { by: string; userId: string }): Promise<void> {
  return page.evaluate(async ({ by, userId }) => {
    const roomId = decodeURIComponent(location.hash.split('/').at(-1) ?? '')
    const headers = { authorization: `Bearer ${by}` }
    const body = JSON.stringify({ user_id: userId })
    const response = await fetch(`/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/invite`, { method: 'POST', headers, body })
    if (!response.ok) throw new Error(await response.text())
  }, invitation)
}

async function sendPicture(page: Page): Promise<void> {
  const bytes = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(640, 480)
    canvas.getContext('2d')?.fillRect(0, 0, 320, 480)
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
  })
  const choosing = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Send file' }).click()
  await page.getByText('Send picture').click()
  await (await choosing).setFiles({ name: 'picture.png', mimeType: 'image/png', buffer: Buffer.from(bytes) })
}

/** The width of the room's picture, once it has been fetched, decrypted and decoded. */
function shownWidth(page: Page): Promise<number | undefined> {
  return page.evaluate(() => document.querySelector<HTMLImageElement>('.Timeline_message .media img')?.naturalWidth)
}

const said = (page: Page, text: string) => page.locator('.Timeline_message', { hasText: text })

test('a client that is mounted is given its homeserver on the first visit, and runs on it alone', async ({ page, context, server }) => {
  await page.goto(server.url)
  await makeHomeserver(page)
  await expect(page.getByText(`You will connect to ${server.url}`)).toBeVisible()
  expect(context.pages()).toEqual([page])
  await register(page, 'alice')
  await logIn(page, 'alice')
  await createRoom(page, 'Tea')
  await say(page, 'said in Hydrogen')
  await page.reload()
  await expect(said(page, 'said in Hydrogen')).toBeVisible()
  await server.close()
  await page.reload()
  await expect(said(page, 'said in Hydrogen')).toBeVisible()
  await say(page, 'said without any server')
})

test('two people write to each other and see pictures, encrypted, in tabs of a client that carry the homeserver in turn', async ({
  page,
  context,
  server,
}) => {
  await page.goto(server.url)
  await makeHomeserver(page)
  const alice = await register(page, 'alice')
  const bob = await register(page, 'bob')
  await logIn(page, 'alice')
  await createRoom(page, 'Tea')
  const other = await context.newPage()
  await other.goto(`${server.url}/#/login`)
  await logIn(other, 'bob')
  await invite(page, { by: alice.access_token, userId: bob.user_id })
  await other.getByRole('link', { name: 'Tea' }).click()
  await other.getByRole('button', { name: 'Accept' }).click()
  await expect(page.getByText(`${bob.user_id} joined the room`)).toBeVisible()
  await say(page, 'a cup of tea?')
  await expect(said(other, 'a cup of tea?')).toBeVisible()
  await sendPicture(other)
  await expect.poll(() => shownWidth(page), { timeout: 15_000 }).toBe(thumbnailWidth)
  await page.close()
  await say(other, 'where did you go?')
  const returned = await context.newPage()
  await returned.goto(`${server.url}/#/session`)
  await returned.getByRole('link', { name: alice.user_id }).click()
  await returned.getByRole('link', { name: 'Tea' }).click()
  await expect(said(returned, 'where did you go?')).toBeVisible()
  await expect.poll(() => shownWidth(returned), { timeout: 15_000 }).toBe(thumbnailWidth)
})

test('our own app is beside a client that is mounted, with the same homeserver', async ({ page, server }) => {
  await page.goto(server.url)
  await makeHomeserver(page)
  await register(page, 'alice')
  await page.goto(`${server.url}/yurt.html`)
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
})

test('a client that clears its origin leaves the homeserver where it is', async ({ page, server }) => {
  await page.goto(server.url)
  await makeHomeserver(page)
  await expect(page.getByText('You will connect to')).toBeVisible()
  await register(page, 'alice')
  const left = await page.evaluate(async () => {
    localStorage.setItem('of-the-client', '1')
    localStorage.clear()
    for (const { name } of await indexedDB.databases()) indexedDB.deleteDatabase(name ?? '')
    for (const name of await caches.keys()) await caches.delete(name)
    return Object.keys(localStorage)
  })
  expect(left).toEqual(['yurt-had-identity'])
  await server.close()
  await page.reload()
  await expect(page.getByText('You will connect to')).toBeVisible()
  await logIn(page, 'alice')
})

test('a client that knows nothing of relays keeps its homeserver admitted at the relay of its pages when the token changes', async ({
  page,
  hydrogen,
}) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'yurt-mounted-'))
  const startAdmitting = (token: string, port: number) =>
    startRelay(
      checkConfig({ dataDir, libp2p: { port }, federation: { port: 0 }, admission: { mode: 'token', tokens: [token] } }, 'the test'),
      pino({ level: 'silent' }),
    )
  const first = await startAdmitting('a-token-of-the-first-day', 0)
  const json: Record<string, unknown> = { '/relay.json': first.ready }
  const server = await startStaticServer({ directory: 'dist', port: 0, client: hydrogen, json })
  await page.goto(server.url)
  await makeHomeserver(page)
  await expect(page.getByText('You will connect to')).toBeVisible()
  await expect.poll(() => relayStates(page), { timeout: 30_000 }).toEqual(['admitted'])
  await first.stop()
  await expect.poll(() => relayStates(page), { timeout: 30_000 }).toEqual(['connecting'])
  const second = await startAdmitting('a-token-of-the-second-day', Number(/\/tcp\/(\d+)/.exec(first.ready.address)?.[1]))
  json['/relay.json'] = second.ready
  await expect.poll(() => relayStates(page), { timeout: 60_000 }).toEqual(['admitted'])
  await second.stop()
  await server.close()
  await rm(dataDir, { recursive: true })
})

/** How the homeserver behind the page stands with its relays. */
function relayStates(page: Page): Promise<string[] | undefined> {
  return page.evaluate(async () => {
    const status = await (await fetch('/_yurt/status')).json()
    return status.connections?.relays.map(({ state }: { state: string }) => state)
  })
}
