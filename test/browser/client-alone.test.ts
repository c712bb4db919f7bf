import { expect, meet, reads, register, resume, say, test } from './support/client.ts'

test('a page that is a client and nothing else carries the homeserver', async ({ openApp, context, server }) => {
  const app = await openApp()
  const { epoch } = await app.evaluate(async () => (await window.homeserver).status())
  await app.close()
  const page = await context.newPage()
  await page.goto(`${server.url}/client.html`)
  expect(context.pages()).toEqual([page])
  expect(await page.evaluate(() => 'homeserver' in window)).toBe(false)
  const alice = await register(page, 'alice')
  const roomId = await meet(alice, await register(page, 'bob'))
  await say(alice, roomId, 'a client alone')
  const status = await page.evaluate(async () => (await fetch('/_yurt/status')).json())
  expect(status).toMatchObject({ state: 'running' })
  expect(status.epoch).toBeGreaterThan(epoch)
  await expect(page.locator('iframe[data-yurt]')).toBeHidden()
  await page.reload()
  await reads(await resume(page, 'bob'), roomId, ['a client alone'])
})

test('pages that are clients and nothing else take the homeserver over from each other', async ({ openApp, context, server }) => {
  const app = await openApp()
  const open = async () => {
    const page = await context.newPage()
    await page.goto(`${server.url}/client.html`)
    return page
  }
  const first = await open()
  const alice = await register(first, 'alice')
  const second = await open()
  const bob = await register(second, 'bob')
  const roomId = await meet(alice, bob)
  await app.close()
  await say(alice, roomId, 'the app is closed')
  await reads(bob, roomId, ['the app is closed'])
  await first.close()
  await say(bob, roomId, 'Alice’s page is closed')
  await reads(await resume(await open(), 'alice'), roomId, ['the app is closed', 'Alice’s page is closed'])
})
