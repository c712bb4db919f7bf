import type { Page } from '@playwright/test'
import { createRoom, expect, inviteHash, say, test } from './support/demo.ts'

// Two homeservers start, and people take their time.
test.slow()

/** The pictures that a page shows to be compared, by their names. */
async function pictures(page: Page): Promise<string[]> {
  const list = page.getByRole('list', { name: 'Pictures to compare' })
  await expect(list.getByRole('listitem')).toHaveCount(7, { timeout: 30_000 })
  return list.getByRole('listitem').allInnerTexts()
}

/** Opens what the page knows of someone in the room. */
async function openPerson(page: Page, name: string): Promise<void> {
  const people = page.getByRole('complementary', { name: 'People' })
  if (!(await people.isVisible())) await page.getByRole('button', { name: /^People/ }).click()
  await people.getByRole('button', { name: new RegExp(`^About ${name}`) }).click()
}

test('two people compare pictures by the keyboard, and each then sees the other and their device as verified', async ({ begin }) => {
  const { page: alice } = await begin('Alice')
  await createRoom(alice, 'Porch', { open: true })
  const { page: bob } = await begin('Bob', { hash: await inviteHash(alice) })
  await say(bob, 'I am here')
  await openPerson(alice, 'Bob')
  const dialog = alice.getByRole('dialog', { name: 'Bob' })
  await expect(dialog.getByText('Bob is not verified: somebody could be between you.')).toBeVisible({ timeout: 30_000 })
  await expect(dialog.getByRole('list', { name: 'Devices' })).toContainText('Not verified')
  await dialog.getByRole('button', { name: 'Verify Bob' }).press('Enter')
  const asked = bob.getByRole('dialog', { name: 'Verify Alice' })
  await asked.getByRole('button', { name: 'Compare now' }).press('Enter', { timeout: 30_000 })
  expect(await pictures(alice)).toEqual(await pictures(bob))
  await dialog.getByRole('button', { name: 'They match' }).press('Enter')
  await asked.getByRole('button', { name: 'They match' }).press('Enter')
  await expect(asked.getByText('Alice is verified.')).toBeVisible({ timeout: 30_000 })
  await expect(dialog.getByText('Bob is verified.')).toBeVisible({ timeout: 30_000 })
  await asked.getByRole('button', { name: 'Done' }).click()
  await dialog.getByRole('button', { name: 'Done' }).click()
  await expect(dialog.getByText('Bob is verified: you compared pictures.')).toBeVisible({ timeout: 30_000 })
  await expect(dialog.getByRole('list', { name: 'Devices' }).getByText('Verified', { exact: true })).toBeVisible()
  await alice.keyboard.press('Escape')
  await expect(alice.getByRole('button', { name: 'About Bob, verified' })).toBeVisible()
  await openPerson(bob, 'Alice')
  await expect(bob.getByRole('dialog', { name: 'Alice' }).getByText('Alice is verified: you compared pictures.')).toBeVisible()
})

test('pictures that differ verify nobody', async ({ begin }) => {
  const { page: alice } = await begin('Alice')
  await createRoom(alice, 'Porch', { open: true })
  const { page: bob } = await begin('Bob', { hash: await inviteHash(alice) })
  await say(bob, 'I am here')
  await openPerson(alice, 'Bob')
  const dialog = alice.getByRole('dialog', { name: 'Bob' })
  await dialog.getByRole('button', { name: 'Verify Bob' }).click({ timeout: 30_000 })
  const asked = bob.getByRole('dialog', { name: 'Verify Alice' })
  await asked.getByRole('button', { name: 'Compare now' }).click({ timeout: 30_000 })
  await pictures(bob)
  await asked.getByRole('button', { name: 'They do not match' }).click()
  await expect(dialog.getByText('The comparison was ended: nothing is verified by it.')).toBeVisible({ timeout: 30_000 })
  await dialog.getByRole('button', { name: 'Done' }).click()
  await expect(dialog.getByText('Bob is not verified: somebody could be between you.')).toBeVisible()
})
