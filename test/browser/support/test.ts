import { type BrowserContext, test as base, type Page } from '@playwright/test'
import type { StaticServer } from '../../../scripts/serve.ts'
import { type HomeserverKind, startSite } from './site.ts'

interface Fixtures {
  /** Opens a page of a fresh origin whose homeserver has an identity, and answers. */
  openTab: (context?: BrowserContext) => Promise<Page>
}

interface WorkerFixtures {
  /** What runs behind the pages. */
  homeserver: HomeserverKind
  site: StaticServer
}

/** A test in a browser, on pages around the test's own homeserver. */
export const test = base.extend<Fixtures, WorkerFixtures>({
  homeserver: ['stand-in', { scope: 'worker', option: true }],
  site: [
    async ({ homeserver }, use) => {
      const site = await startSite(homeserver)
      await use(site)
      await site.close()
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  openTab: async ({ site, context }, use) => {
    await use(async (inContext = context) => {
      const page = await inContext.newPage()
      await page.goto(site.url)
      await page.evaluate(async () => {
        const controls = await window.homeserver
        const { state } = await controls.status()
        if (state === 'no-identity') await controls.createIdentity({ server_name: 'test' })
      })
      return page
    })
  },
})

export { expect } from '@playwright/test'

/** What a page gets from `fetch`: status, and the body as JSON where it is. */
export function fetchJson(
  page: Page,
  path: string,
  init: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; body: unknown }> {
  return page.evaluate(
    async ({ path, init }) => {
      const response = await fetch(path, init)
      return { status: response.status, body: await response.json().catch(() => undefined) }
    },
    { path, init },
  )
}
