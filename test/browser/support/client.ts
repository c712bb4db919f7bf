import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, test as base, expect, type JSHandle, type Page } from '@playwright/test'
import { type StaticServer, startStaticServer } from '../../../scripts/serve.ts'
import type { ClientSession, TestClient } from '../site/test-client.ts'
import { buildSite } from './site.ts'

/** A client of matrix-js-sdk in a page. */
export type Client = JSHandle<TestClient>

interface Fixtures {
  /** The pages, at an origin of this test's own. */
  server: StaticServer
  /** Opens the page that has homeserver and client, and sees to it that the homeserver has an identity. */
  openApp: (context?: BrowserContext) => Promise<Page>
  /** A directory for a browser that is closed and comes back. */
  profile: string
}

interface WorkerFixtures {
  pages: string
}

/** A test of the real homeserver with the real client. */
export const test = base.extend<Fixtures, WorkerFixtures>({
  pages: [
    async ({ browserName: _ }, use) => {
      const directory = await buildSite('real', ['test/browser/site/app.html', 'test/browser/site/client.html'])
      await use(directory)
      await rm(directory, { recursive: true })
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  server: async ({ pages }, use) => {
    const server = await startStaticServer({ directory: pages, port: 0 })
    await use(server)
    await server.close()
  },
  openApp: async ({ server, context }, use) => {
    await use(async (inContext = context) => {
      const page = await inContext.newPage()
      await page.goto(`${server.url}/app.html`)
      await page.evaluate(async () => {
        const controls = await window.homeserver
        const { state } = await controls.status()
        if (state === 'no-identity') await controls.createIdentity({})
      })
      return page
    })
  },
  profile: async ({ browserName: _ }, use) => {
    const directory = await mkdtemp(join(tmpdir(), 'yurt-profile-'))
    await use(directory)
    await rm(directory, { recursive: true, force: true })
  },
})

export { expect }

/** A new account's client, in this page, which syncs as clients always did or slides. */
export function register(page: Page, username: string, { slides = false } = {}): Promise<Client> {
  return page.evaluateHandle(([name, slides]) => window.clients.register(name, slides), [username, slides] as const)
}

/** A client started again in this page: one that the browser kept under a name, or whose session the test kept. */
export function resume(page: Page, who: string | ClientSession): Promise<Client> {
  return page.evaluateHandle((who) => window.clients.resume(who), who)
}

/** An encrypted room of `host`, in which the guests are. */
export async function meet(host: Client, ...guests: readonly Client[]): Promise<string> {
  const invited = await Promise.all(guests.map((guest) => guest.evaluate(({ session }) => session.userId)))
  const roomId = await host.evaluate((client, guests) => client.createEncryptedRoom(guests), invited)
  for (const guest of guests) await guest.evaluate((client, id) => client.join(id), roomId)
  const wanted = { roomId, count: guests.length + 1 }
  for (const each of [host, ...guests]) await each.evaluate((client, { roomId, count }) => client.membersAre(roomId, count), wanted)
  return roomId
}

/** Says something in a room; resolves with the event's id once the homeserver acknowledged it. */
export function say(client: Client, roomId: string, text: string): Promise<string> {
  return client.evaluate((each, { roomId, text }) => each.say(roomId, text), { roomId, text })
}

/** All that a client can read of a room, oldest first. */
export function history(client: Client, roomId: string): Promise<string[]> {
  return client.evaluate((each, id) => each.history(id), roomId)
}

/** Waits until these are all the texts that a client can read of a room, in this order. */
export async function reads(client: Client, roomId: string, texts: readonly string[]): Promise<void> {
  await expect.poll(() => history(client, roomId), { timeout: 20_000 }).toEqual(texts)
}
