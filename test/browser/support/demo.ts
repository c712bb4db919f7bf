import { mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, test as base, expect, type Locator, type Page } from '@playwright/test'
import pino from 'pino'
import { checkConfig } from '../../../relay/config.ts'
import { type RunningRelay, startRelay } from '../../../relay/relay.ts'
import { buildIfStale } from '../../../scripts/build.ts'
import { type StaticServer, startStaticServer } from '../../../scripts/serve.ts'

/** The app as `npm start` serves it: its pages, and a relay that they know. */
export interface ServedDemo {
  readonly pages: StaticServer
  /** Where someone has an origin, and so a homeserver, of their own. */
  urlOf(name: string): string
  stopRelay(): Promise<void>
  /** Starts it again, at the address it had. */
  startRelay(): Promise<void>
  /** Closes pages and relay, as a machine does that goes away. */
  stop(): Promise<void>
}

interface Fixtures {
  demo: ServedDemo
  /** Opens the app at the origin of `name`, goes through its first steps, and answers the page and the recovery key. */
  begin: (name: string, options?: { readonly hash?: string; readonly context?: BrowserContext }) => Promise<Begun>
}

export interface Begun {
  readonly page: Page
  readonly recoveryKey: string
}

/** A test of the app that a visitor sees, in its production build. */
export const test = base.extend<Fixtures>({
  demo: async ({ browserName: _ }, use) => {
    if (!buildIfStale()) throw new Error('The app could not be built')
    const dataDir = await mkdtemp(join(tmpdir(), 'yurt-demo-'))
    const start = (port: number) =>
      startRelay(
        checkConfig({ dataDir, domain: 'relay.localhost', libp2p: { port }, federation: { port: 0 } }, 'the test'),
        pino({ level: 'silent' }),
      )
    let relay: RunningRelay | undefined = await start(0)
    const { ready } = relay
    const pages = await startStaticServer({ directory: 'dist', port: 0, json: { '/relay.json': ready } })
    const stopRelay = async () => {
      await relay?.stop()
      relay = undefined
    }
    const stop = async () => void (await Promise.all([pages.close(), stopRelay()]))
    await use({
      pages,
      urlOf: (name) => `http://${name.toLowerCase()}.localhost:${pages.port}/`,
      stopRelay,
      startRelay: async () => {
        relay = await start(Number(/\/tcp\/(\d+)/.exec(ready.address)?.[1]))
      },
      stop,
    })
    await stop()
    await rm(dataDir, { recursive: true })
  },
  begin: async ({ demo, context }, use) => {
    await use(async (name, options = {}) => {
      const page = await (options.context ?? context).newPage()
      await page.goto(demo.urlOf(name) + (options.hash ?? ''))
      return { page, recoveryKey: await takeFirstSteps(page, name) }
    })
  },
})

export { expect }

/** Chooses a name, keeps the recovery key, and waits for the chat. */
export async function takeFirstSteps(page: Page, name: string): Promise<string> {
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Begin' }).click()
  const recoveryKey = await keepRecoveryKey(page)
  await expect(page.getByRole('navigation', { name: 'Rooms' })).toBeVisible({ timeout: 30_000 })
  return recoveryKey
}

/** Reads the recovery key off the page and confirms it as the page asks. */
export async function keepRecoveryKey(page: Page): Promise<string> {
  await expect(page.getByRole('heading', { name: 'Keep your recovery key' })).toBeVisible({ timeout: 30_000 })
  const groups = await page.getByRole('list', { name: 'Recovery key' }).getByRole('listitem').allInnerTexts()
  await page.getByLabel('Last group of the key').fill(groups.at(-1) ?? '')
  await page.getByRole('button', { name: 'I have kept it' }).click()
  return groups.join(' ')
}

/** Creates a room as the dialog offers it, and opens it. */
export async function createRoom(
  page: Page,
  name: string,
  choices: { readonly open?: boolean; readonly encrypted?: boolean } = {},
): Promise<void> {
  await page.getByRole('navigation', { name: 'Rooms' }).getByRole('button', { name: 'Create a room' }).click()
  const dialog = page.getByRole('dialog', { name: 'Create a room' })
  await dialog.getByLabel('Name').fill(name)
  if (choices.open) await dialog.getByLabel('Everyone with the link').check()
  if (choices.encrypted === false) await dialog.getByLabel('End-to-end encrypted').uncheck()
  await dialog.getByRole('button', { name: 'Create', exact: true }).click()
  await expect(page.getByRole('heading', { name, level: 2 })).toBeVisible()
}

/** Writes into the open room, and waits until the homeserver has it or refuses it. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('form', { name: 'Write a message' }).getByRole('textbox').fill(text)
  await page.keyboard.press('Enter')
  await expect(said(page, text)).toBeVisible()
  await expect(said(page, 'Sending…')).toHaveCount(0)
}

/** What the open room's timeline shows with this text. */
export function said(page: Page, text: string): Locator {
  return page.getByRole('region', { name: 'Messages' }).getByText(text, { exact: true })
}

/** Sends a picture of hills at sunset into the open room. */
export async function sendPicture(page: Page, name: string, [width, height]: readonly [number, number]): Promise<void> {
  const bytes = await page.evaluate(
    async ([width, height]) => {
      const canvas = new OffscreenCanvas(width, height)
      const drawing = canvas.getContext('2d')
      if (!drawing) throw new Error('There is no canvas')
      const sky = drawing.createLinearGradient(0, 0, 0, height)
      sky.addColorStop(0, '#3b6ea8')
      sky.addColorStop(0.7, '#f6d6a8')
      drawing.fillStyle = sky
      drawing.fillRect(0, 0, width, height)
      const disc = (colour: string, [x, y, radius]: readonly [number, number, number]) => {
        drawing.fillStyle = colour
        drawing.beginPath()
        drawing.ellipse(x * width, y * height, radius * width, radius * width, 0, 0, 2 * Math.PI)
        drawing.fill()
      }
      disc('#ffe9b0', [0.7, 0.5, 0.06])
      disc('#5f8f5a', [0.2, 1.4, 0.5])
      disc('#3f7048', [0.8, 1.5, 0.55])
      return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())]
    },
    [width, height] as const,
  )
  await page.getByLabel('Pictures to send').setInputFiles({ name, mimeType: 'image/png', buffer: Buffer.from(bytes) })
}

/** Waits until the timeline shows the picture, loaded. */
export async function expectPicture(page: Page, name: string): Promise<void> {
  const picture = page.getByRole('region', { name: 'Messages' }).getByRole('img', { name })
  await expect(picture).toBeVisible({ timeout: 30_000 })
  await expect
    .poll(() => picture.evaluate((image) => (image instanceof HTMLImageElement ? image.naturalWidth : 0)), { timeout: 15_000 })
    .toBeGreaterThan(1)
}

/** The fragment of the open room's invite link. */
export async function inviteHash(page: Page): Promise<string> {
  await page.getByRole('button', { name: /^People/ }).click()
  const link = await page.getByRole('region', { name: 'Invite link' }).getByRole('textbox').inputValue()
  return link.slice(link.indexOf('#'))
}

/** Saves a picture for the README, where that is asked for by UPDATE_SCREENSHOTS=1. */
export async function screenshot(page: Page, name: string): Promise<void> {
  if (process.env.UPDATE_SCREENSHOTS !== '1') return
  mkdirSync('docs/screenshots', { recursive: true })
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: `docs/screenshots/${name}-${colorScheme}.png` })
  }
  await page.emulateMedia({ colorScheme: null })
}
