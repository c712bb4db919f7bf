import type { Page } from '@playwright/test'
import { expect, fetchJson, test } from './support/test.ts'

const epochOf = (page: Page) => page.evaluate(async () => (await (await window.homeserver).status()).epoch)
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('a frozen leader is succeeded, and when it wakes up it neither writes nor answers', async ({ openTab }) => {
  test.setTimeout(120_000)
  const leader = await openTab()
  const other = await openTab()
  const epoch = await epochOf(other)
  // Worker and tab host stand still for longer than the silence that is borne.
  const frozen = [
    fetchJson(other, '/_matrix/test/hang-once?ms=20000'),
    leader.evaluate(() => {
      const end = Date.now() + 20_000
      while (Date.now() < end);
    }),
  ]
  await pause(500)
  expect(await fetchJson(other, '/_matrix/test/add?name=a')).toMatchObject({ status: 200, body: { count: 1 } })
  const later = await epochOf(other)
  expect(later).toBeGreaterThan(epoch)
  await Promise.all(frozen)
  for (let count = 2; count < 12; count++) {
    expect(await fetchJson(count % 2 ? other : leader, '/_matrix/test/add?name=a')).toMatchObject({ body: { count } })
    await pause(200)
  }
  expect(await epochOf(leader)).toBe(later)
})

test('many tabs opened and closed in turn always leave one leader', async ({ openTab }) => {
  test.setTimeout(120_000)
  const tabs = [await openTab(), await openTab(), await openTab()]
  const epochs: number[] = []
  for (let round = 0; round < 8; round++) {
    const [oldest, ...rest] = tabs.splice(0)
    await oldest?.close()
    tabs.push(...rest, await openTab())
    const answers = await Promise.all(tabs.map((tab) => fetchJson(tab, `/_matrix/test/add?name=round-${round}`)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    epochs.push(await epochOf(tabs[0] ?? tabs[1] ?? (await openTab())))
  }
  expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
})
