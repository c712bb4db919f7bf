import type { BrowserContext, Page } from '@playwright/test'
import type { ClientSession } from './site/test-client.ts'
import { type Client, expect, meet, register, resume, test } from './support/client.ts'
import { startKillableBrowser } from './support/killable-browser.ts'
import { Ledger } from './support/ledger.ts'
import { stopServiceWorker } from './support/service-worker.ts'

interface Tab {
  readonly page: Page
  readonly client: Client
}

/** Two people in two tabs and their encrypted room. Alice's tab was first: it leads. */
interface Chat {
  readonly alice: Tab
  readonly bob: Tab
  readonly roomId: string
}

type OpenApp = (context?: BrowserContext) => Promise<Page>

const epochOf = (page: Page) => page.evaluate(async () => (await (await window.homeserver).status()).epoch)
const talk = ({ client }: Tab, roomId: string, prefix: string) =>
  client.evaluate((each, { roomId, prefix }) => each.talk(roomId, prefix), { roomId, prefix })
const stopTalking = ({ client }: Tab) => client.evaluate((each) => each.stopTalking())

async function beginChat(openApp: OpenApp): Promise<Chat> {
  const leading = await openApp()
  await leading.evaluate(async () => (await window.homeserver).saveSettings({ rate_limits: false }))
  const alice = { page: leading, client: await register(leading, 'alice') }
  const following = await openApp()
  const bob = { page: following, client: await register(following, 'bob') }
  return { alice, bob, roomId: await meet(alice.client, bob.client) }
}

/** Starts the loops in both tabs, and waits until both are under way. */
async function bothTalk({ alice, bob, roomId }: Chat, ledger: Ledger, round = ''): Promise<void> {
  await talk(alice, roomId, `a${round}-`)
  await talk(bob, roomId, `b${round}-`)
  await Promise.all([ledger.hears(8, `a${round}-`), ledger.hears(8, `b${round}-`)])
}

async function expectAll({ alice, bob, roomId }: Chat, ledger: Ledger): Promise<void> {
  await ledger.expectTold('alice')
  await ledger.expectTold('bob')
  await ledger.expectReadable(alice.client, roomId)
  await ledger.expectReadable(bob.client, roomId)
}

async function returned(openApp: OpenApp, who: string | ClientSession): Promise<Tab> {
  const page = await openApp()
  return { page, client: await resume(page, who) }
}

/** What is known of a chat outside the browser: Chromium writes what pages keep in `localStorage` only after seconds. */
interface Kept {
  readonly alice: ClientSession
  readonly bob: ClientSession
  readonly roomId: string
}

async function keep({ alice, bob, roomId }: Chat): Promise<Kept> {
  const sessionOf = ({ client }: Tab) => client.evaluate(({ session }) => session)
  return { alice: await sessionOf(alice), bob: await sessionOf(bob), roomId }
}

test.describe('every acknowledged message is there once, and every sync tells of it once,', () => {
  test('when the tab that leads is closed while both tabs send', async ({ openApp, context }) => {
    const ledger = new Ledger()
    await ledger.listen(context)
    const { alice, bob, roomId } = await beginChat(openApp)
    const epoch = await epochOf(bob.page)
    const before = ledger.answersTo('alice')
    await bothTalk({ alice, bob, roomId }, ledger)
    await alice.page.close()
    await ledger.hears(15, 'b-')
    expect(await epochOf(bob.page)).toBeGreaterThan(epoch)
    await stopTalking(bob)
    const back = await returned(openApp, 'alice')
    await expectAll({ alice: back, bob, roomId }, ledger)
    await ledger.expectToldAfter(before, back.client)
  })

  test('when the service worker is stopped again and again while both tabs send', async ({ openApp, context }) => {
    const ledger = new Ledger()
    await ledger.listen(context)
    const chat = await beginChat(openApp)
    const epoch = await epochOf(chat.bob.page)
    await bothTalk(chat, ledger)
    for (let round = 0; round < 5; round++) {
      await stopServiceWorker(chat.bob.page)
      await Promise.all([ledger.hears(5, 'a-'), ledger.hears(5, 'b-')])
    }
    await Promise.all([stopTalking(chat.alice), stopTalking(chat.bob)])
    await expectAll(chat, ledger)
    expect(await epochOf(chat.bob.page)).toBe(epoch)
  })

  test('when the tab that leads crashes while both tabs send', async ({ openApp, context }) => {
    const ledger = new Ledger()
    await ledger.listen(context)
    const { alice, bob, roomId } = await beginChat(openApp)
    const epoch = await epochOf(bob.page)
    await bothTalk({ alice, bob, roomId }, ledger)
    const crashed = alice.page.waitForEvent('crash')
    const session = await context.newCDPSession(alice.page)
    // Answered by nobody: the process that would is gone.
    session.send('Page.crash').catch(() => undefined)
    await crashed
    await ledger.hears(15, 'b-')
    expect(await epochOf(bob.page)).toBeGreaterThan(epoch)
    await stopTalking(bob)
    const back = await returned(openApp, 'alice')
    await expectAll({ alice: back, bob, roomId }, ledger)
  })

  test('when the whole browser is killed while both tabs send, and comes back', async ({ openApp, profile }) => {
    test.setTimeout(180_000)
    const ledger = new Ledger()
    const inBrowser = async (use: (open: OpenApp) => Promise<Kept>): Promise<Kept> => {
      const { browser, kill } = await startKillableBrowser(profile)
      try {
        const context = browser.contexts()[0] ?? (await browser.newContext())
        await ledger.listen(context)
        return await use(() => openApp(context))
      } finally {
        await kill()
      }
    }
    let kept = await inBrowser(async (open) => {
      const chat = await beginChat(open)
      await bothTalk(chat, ledger, '0')
      return keep(chat)
    })
    for (let round = 1; round <= 2; round++) {
      const before = { alice: ledger.answersTo('alice'), bob: ledger.answersTo('bob') }
      kept = await inBrowser(async (open) => {
        const { alice, bob, roomId } = { ...kept, alice: await returned(open, kept.alice), bob: await returned(open, kept.bob) }
        await expectAll({ alice, bob, roomId }, ledger)
        await ledger.expectToldAfter(before.alice, alice.client)
        await ledger.expectToldAfter(before.bob, bob.client)
        if (round < 2) await bothTalk({ alice, bob, roomId }, ledger, String(round))
        return kept
      })
    }
  })
})
