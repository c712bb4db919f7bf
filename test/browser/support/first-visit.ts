import type { Page } from '@playwright/test'

/** What a visitor does before a client that is mounted is theirs: a homeserver, and its recovery key kept. */
export async function makeHomeserver(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Begin' }).click()
  await page.getByLabel('Recovery key').waitFor()
  const groups = await page.getByLabel('Recovery key').getByRole('listitem').allTextContents()
  await page.getByLabel('Last group of the key').fill(groups.at(-1) ?? '')
  await page.getByRole('button', { name: 'I have kept it' }).click()
}
