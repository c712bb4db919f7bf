import { type BrowserContext, chromium } from '@playwright/test'
import { chromiumArguments, chromiumPath } from '../../scripts/chromium.ts'
import { type Client, expect, history, meet, reads, register, resume, say, test } from './support/client.ts'

const texts = ['one by Alice', 'two by Bob']

/** Alice and Bob, each of whom wrote something that the other has read. */
async function conversation(alice: Client, bob: Client): Promise<string> {
  const roomId = await meet(alice, bob)
  await say(alice, roomId, 'one by Alice')
  await reads(bob, roomId, ['one by Alice'])
  await say(bob, roomId, 'two by Bob')
  await reads(alice, roomId, texts)
  return roomId
}

/** Both read all there is, are trusted as before, and write on. */
async function goOn(alice: Client, bob: Client, roomId: string): Promise<void> {
  expect(await history(alice, roomId)).toEqual(texts)
  expect(await history(bob, roomId)).toEqual(texts)
  const trusted = { crossSigningReady: true, deviceIsSigned: true, backupIsActive: true }
  expect(await alice.evaluate((client) => client.trust())).toMatchObject(trusted)
  await say(bob, roomId, 'three by Bob')
  await reads(alice, roomId, [...texts, 'three by Bob'])
  await say(alice, roomId, 'four by Alice')
  await reads(bob, roomId, [...texts, 'three by Bob', 'four by Alice'])
}

test('after a reload everything is there, decrypts, and goes on', async ({ openApp }) => {
  const page = await openApp()
  const alice = await register(page, 'alice')
  const roomId = await conversation(alice, await register(page, 'bob'))
  const sent = await alice.evaluate((client, id) => client.sendPicture(id, [320, 200]), roomId)
  await page.reload()
  const returned = await resume(page, 'alice')
  await goOn(returned, await resume(page, 'bob'), roomId)
  expect(await returned.evaluate((client, mxc) => client.download(mxc), sent.mxc)).toEqual(sent.bytes)
})

test('after the browser was closed everything is there, decrypts, and goes on', async ({ openApp, profile }) => {
  const executablePath = chromiumPath()
  const launch = (): Promise<BrowserContext> =>
    chromium.launchPersistentContext(profile, { ...(executablePath === undefined ? {} : { executablePath }), args: chromiumArguments() })
  const first = await launch()
  const page = await openApp(first)
  const serverName = await page.evaluate(async () => (await (await window.homeserver).status()).server_name)
  const roomId = await conversation(await register(page, 'alice'), await register(page, 'bob'))
  await first.close()
  const second = await launch()
  const returned = await openApp(second)
  expect(await returned.evaluate(async () => (await (await window.homeserver).status()).server_name)).toBe(serverName)
  await goOn(await resume(returned, 'alice'), await resume(returned, 'bob'), roomId)
  await second.close()
})

test('with the network off and the server of the pages gone, the page starts, has everything, and goes on', async ({
  openApp,
  context,
  server,
}) => {
  const page = await openApp()
  const roomId = await conversation(await register(page, 'alice'), await register(page, 'bob'))
  await server.close()
  await context.setOffline(true)
  await page.close()
  const returned = await openApp()
  expect(await returned.evaluate(() => navigator.onLine)).toBe(false)
  const alice = await resume(returned, 'alice')
  await goOn(alice, await resume(returned, 'bob'), roomId)
  const sent = await alice.evaluate((client, id) => client.sendPicture(id, [320, 200]), roomId)
  expect(await alice.evaluate((client, mxc) => client.download(mxc), sent.mxc)).toEqual(sent.bytes)
})
