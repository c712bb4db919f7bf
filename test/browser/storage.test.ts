import { blobSuite } from '../contract/blob-suite.ts'
import { storageSuite } from '../contract/storage-suite.ts'
import { expect, test } from './support/test.ts'

const suites = { storage: storageSuite, blobs: blobSuite }

test.describe('in Chromium’s own IndexedDB', () => {
  for (const [suite, cases] of Object.entries(suites)) {
    for (const { name } of cases) {
      test(`${suite}: ${name}`, async ({ page, site }) => {
        await page.goto(`${site.url}/contract.html`)
        expect(await page.evaluate(({ suite, name }) => window.suites[suite]?.(name), { suite, name })).toBe('passed')
      })
    }
  }

  for (const durability of ['strict', 'relaxed'] as const) {
    test(`a ${durability} commit is a transaction whose durability is ${durability}`, async ({ page, site }) => {
      await page.goto(`${site.url}/contract.html`)
      expect(await page.evaluate((wanted) => window.durabilityOf(wanted), durability)).toBe(durability)
    })
  }
})
