import type { Page } from '@playwright/test'
import { createRoom, expect, said, say, test } from './support/demo.ts'

/** Sends messages into the open room as another client of the same user would. */
function sendAsOther(page: Page, contents: readonly object[]): Promise<void> {
  return page.evaluate(async (all) => {
    const { accessToken } = JSON.parse(localStorage.getItem('yurt.session') ?? '{}')
    const room = `/_matrix/client/v3/rooms/${location.hash.replace('#/room/', '')}`
    for (const content of all) {
      const url = `${room}/send/m.room.message/${crypto.randomUUID()}`
      await fetch(url, { method: 'PUT', headers: { authorization: `Bearer ${accessToken}` }, body: JSON.stringify(content) })
    }
  }, contents)
}

test('formatted messages are shown with their format, and nothing in them runs or hides as part of the page', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Fair', { encrypted: false })
  const formatted = (body: string, html: string) => ({
    ...{ msgtype: 'm.text', body, format: 'org.matrix.custom.html', formatted_body: html },
  })
  await sendAsOther(page, [
    formatted('two *apples*', 'two <em>apples</em>, <a href="https://a.example/">here</a><ul><li>red</li></ul>'),
    formatted('bad', '<img src=x onerror="document.title=\'hacked\'"><script>document.title="hacked"</script><b id="app">still here</b>'),
    { msgtype: 'm.notice', body: 'the kettle boils' },
  ])
  const messages = page.getByRole('region', { name: 'Messages' })
  await expect(messages.getByRole('emphasis')).toHaveText('apples', { timeout: 30_000 })
  await expect(messages.getByRole('link', { name: 'here' })).toHaveAttribute('rel', 'noreferrer noopener')
  await expect(messages.getByRole('list').getByRole('listitem').filter({ hasText: /^red$/ })).toHaveText('red')
  await expect(said(page, 'still here')).toBeVisible()
  await expect(messages.locator('script, img[onerror], #app')).toHaveCount(0)
  await expect(page).toHaveTitle(/Fair/)
  await expect(messages.getByText('Automatic the kettle boils')).toBeVisible({ timeout: 30_000 })
})

test('the way to older messages says what it does, also while it does it', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Long', { encrypted: false })
  await sendAsOther(
    page,
    Array.from({ length: 60 }, (_, i) => ({ msgtype: 'm.text', body: `line ${i}` })),
  )
  await expect(said(page, 'line 59')).toBeVisible({ timeout: 30_000 })
  await page.reload()
  const older = page.getByRole('button', { name: /older messages/ })
  await expect(older).toBeVisible({ timeout: 30_000 })
  await page.evaluate(() => {
    const names = new Set<string>()
    const read = () => names.add(document.querySelector('.timeline-start button')?.textContent ?? 'gone')
    new MutationObserver(read).observe(document.body, { subtree: true, childList: true, characterData: true })
    Object.assign(window, { namesOfOlder: names })
  })
  await expect(async () => {
    await older.click({ timeout: 1000 })
    await expect(said(page, 'line 0')).toHaveCount(1, { timeout: 1000 })
  }).toPass({ timeout: 30_000 })
  const names = await page.evaluate(() => [...('namesOfOlder' in window && window.namesOfOlder instanceof Set ? window.namesOfOlder : [])])
  expect(names).toContain('Loading older messages…')
  expect(names).not.toContain('')
})

test('signing out waits for the keys of the newest messages; the recovery key opens them again', async ({ begin }) => {
  const { page, recoveryKey } = await begin('Alice')
  await createRoom(page, 'Diary')
  await say(page, 'dear diary')
  await page.getByRole('button', { name: /Alice Your homeserver/ }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'I have it: sign out' }).click()
  await page.getByLabel('Recovery key or password').fill(recoveryKey, { timeout: 60_000 })
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('link', { name: /Diary/ }).click({ timeout: 30_000 })
  await expect(said(page, 'dear diary')).toBeVisible({ timeout: 30_000 })
})

test('whose backup is gone is told what signing out would lose, and may do it anyway', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Diary')
  await page.evaluate(async () => {
    const { accessToken } = JSON.parse(localStorage.getItem('yurt.session') ?? '{}')
    const headers = { authorization: `Bearer ${accessToken}` }
    const { version } = await (await fetch('/_matrix/client/v3/room_keys/version', { headers })).json()
    await fetch(`/_matrix/client/v3/room_keys/version/${version}`, { method: 'DELETE', headers })
  })
  await say(page, 'nobody keeps this')
  await page.getByRole('button', { name: /Alice Your homeserver/ }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'I have it: sign out' }).click()
  await expect(page.getByText('their keys are not in the backup yet', { exact: false })).toBeVisible({ timeout: 60_000 })
  await page.getByRole('button', { name: 'Sign out anyway' }).click()
  await expect(page.getByLabel('Recovery key or password')).toBeVisible({ timeout: 30_000 })
})
