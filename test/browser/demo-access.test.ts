import type { Locator, Page } from '@playwright/test'
import { createRoom, expect, said, say, screenshot, takeFirstSteps, test } from './support/demo.ts'

/** Everything on the page that people act on and that a screen reader could not name. */
function nameless(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const named = (element: Element): boolean => {
      const labels = 'labels' in element && element.labels instanceof NodeList ? [...element.labels] : []
      const by =
        element
          .getAttribute('aria-labelledby')
          ?.split(' ')
          .map((id) => document.getElementById(id)) ?? []
      const texts = [element.getAttribute('aria-label'), element.textContent, ...[...labels, ...by].map((label) => label?.textContent)]
      const images = [...element.querySelectorAll('img')].map((image) => image.alt)
      return [...texts, ...images].some((text) => text?.trim())
    }
    const acting = document.querySelectorAll(
      'button, a[href], input:not([hidden]), textarea, select, dialog[open], nav, aside, section, form, [tabindex="0"]',
    )
    return [...acting].filter((element) => !named(element)).map((element) => element.outerHTML.slice(0, 200))
  })
}

test('everything people act on has a name, in every view', async ({ demo, page }) => {
  await page.goto(demo.urlOf('Alice'))
  await expect(page.getByLabel('Your name')).toBeVisible({ timeout: 30_000 })
  expect(await nameless(page)).toEqual([])
  await screenshot(page, 'welcome')
  await takeFirstSteps(page, 'Alice')
  expect(await nameless(page)).toEqual([])
  await page.getByRole('button', { name: 'Join a room' }).first().click()
  expect(await nameless(page)).toEqual([])
  await page.keyboard.press('Escape')
  await createRoom(page, 'Garden')
  await say(page, 'hello')
  await page.getByRole('button', { name: /^People/ }).click()
  expect(await nameless(page)).toEqual([])
  await page.getByRole('button', { name: /Alice Your homeserver/ }).click()
  await expect(page.getByRole('dialog').getByText(/used/)).toBeVisible()
  expect(await nameless(page)).toEqual([])
})

test('the keyboard alone leads from the first page to a message', async ({ demo, page }) => {
  await page.goto(demo.urlOf('Alice'))
  const name = page.getByLabel('Your name')
  await expect(name).toBeVisible({ timeout: 30_000 })
  await tabTo(page, name)
  await page.keyboard.type('Alice')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Keep your recovery key' })).toBeFocused({ timeout: 30_000 })
  const last = await page.getByRole('list', { name: 'Recovery key' }).getByRole('listitem').last().innerText()
  await tabTo(page, page.getByLabel('Last group of the key'))
  await page.keyboard.type(last)
  await page.keyboard.press('Enter')
  const create = page.getByRole('navigation', { name: 'Rooms' }).getByRole('button', { name: 'Create a room' })
  await expect(create).toBeVisible({ timeout: 30_000 })
  await tabTo(page, create)
  await page.keyboard.press('Enter')
  await expect(page.getByRole('dialog').getByLabel('Name')).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(create).toBeFocused()
  await page.keyboard.press('Enter')
  await page.keyboard.type('Typed')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('textbox', { name: 'Message to Typed' })).toBeFocused()
  await page.keyboard.type('one')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('two')
  await page.keyboard.press('Enter')
  await expect(said(page, 'one two')).toBeVisible()
})

test('nobody gets past the recovery key who does not type its last group', async ({ demo, page }) => {
  await page.goto(demo.urlOf('Alice'))
  await page.getByLabel('Your name').fill('Alice')
  await page.getByRole('button', { name: 'Begin' }).click()
  const kept = page.getByRole('button', { name: 'I have kept it' })
  const lastGroup = page.getByLabel('Last group of the key')
  await expect(kept).toBeDisabled({ timeout: 30_000 })
  const last = await page.getByRole('list', { name: 'Recovery key' }).getByRole('listitem').last().innerText()
  await lastGroup.fill([...last].reverse().join('').replace(/^./, '#'))
  await expect(kept).toBeDisabled()
  await lastGroup.press('Enter')
  await expect(lastGroup).toBeVisible()
  await lastGroup.fill(last)
  await expect(kept).toBeEnabled()
})

test('the page is light or dark as the system is', async ({ begin }) => {
  const { page } = await begin('Alice')
  const brightness = async (colorScheme: 'light' | 'dark') => {
    await page.emulateMedia({ colorScheme })
    return page.evaluate(() => {
      const [paper, ink] = [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]
      const sum = (color: string) => (color.match(/[\d.]+/g) ?? []).slice(0, 3).reduce((total, part) => total + Number(part), 0)
      return { paper: sum(paper), ink: sum(ink) }
    })
  }
  const light = await brightness('light')
  expect(light.paper).toBeGreaterThan(light.ink)
  const dark = await brightness('dark')
  expect(dark.ink).toBeGreaterThan(dark.paper)
})

test('a new message is announced, and the page says how many are unread', async ({ begin }) => {
  const { page: alice } = await begin('Alice')
  await createRoom(alice, 'Porch', { open: true })
  await alice.getByRole('button', { name: /^People/ }).click()
  const link = await alice.getByRole('region', { name: 'Invite link' }).getByRole('textbox').inputValue()
  const { page: bob } = await begin('Bob', { hash: link.slice(link.indexOf('#')) })
  await say(bob, 'anyone home?')
  await expect(alice.getByRole('log', { name: 'New messages' })).toHaveText('Bob: anyone home?', { timeout: 30_000 })
  await alice.evaluate(() => {
    location.hash = '#/'
  })
  await say(bob, 'I come back later')
  await expect(alice.getByRole('link', { name: /Porch.*1 unread/ })).toBeVisible({ timeout: 30_000 })
})

test('on a narrow screen the rooms and the room are two pages', async ({ begin }) => {
  const { page } = await begin('Alice')
  await page.setViewportSize({ width: 390, height: 780 })
  await createRoom(page, 'Garden')
  await say(page, 'hello')
  await expect(page.getByRole('navigation', { name: 'Rooms' })).toBeHidden()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
  await page.getByRole('link', { name: 'Back to your rooms' }).click()
  await expect(page.getByRole('link', { name: /Garden/ })).toBeVisible()
  await expect(page.getByRole('textbox', { name: 'Message to Garden' })).toBeHidden()
})

/** Presses Tab until `target` has the focus. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let presses = 0; presses < 30; presses++) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  await expect(target).toBeFocused()
}
