import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { type Account, begin, bodies, send } from './support/chat.ts'
import { startKillableBrowser } from './support/killable-browser.ts'
import { expect, test } from './support/test.ts'

test.use({ homeserver: 'real' })

const rounds = 6

test('what was acknowledged is there after the browser was killed, and nothing twice, over and over', async ({ site }) => {
  test.setTimeout(300_000)
  const profile = await mkdtemp(join(tmpdir(), 'yurt-profile-'))
  const acknowledged: string[] = []
  let account: Account | undefined
  for (let round = 0; round <= rounds; round++) {
    const { browser, kill } = await startKillableBrowser(profile)
    try {
      const page = await (browser.contexts()[0] ?? (await browser.newContext())).newPage()
      await open(page, site.url)
      account ??= await begin(page)
      const found = await bodies(page, account)
      expect(acknowledged.filter((body) => !found.includes(body))).toEqual([])
      expect(found.length).toBe(new Set(found).size)
      if (round === rounds) break
      await page.exposeFunction('acknowledged', (body: string) => void acknowledged.push(body))
      const before = acknowledged.length
      send(page, account, { count: 100_000, inFlight: 8, prefix: `round${round}-` }).catch(() => undefined)
      await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(before + 20 + 7 * round)
    } finally {
      await kill()
    }
  }
  expect(acknowledged.length).toBeGreaterThan(rounds * 20)
  await rm(profile, { recursive: true, force: true })
})

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page.evaluate(async () => {
    const controls = await window.homeserver
    const { state } = await controls.status()
    if (state === 'no-identity') await controls.createIdentity({ server_name: 'test' })
    await controls.saveSettings({ rate_limits: false })
  })
}
