import type { Page } from '@playwright/test'
import { expect, history, meet, reads, register, say, test } from './support/client.ts'

/** The sides of a picture at `url`, as an `<img>` of the page shows it: an element that sends no header. */
function shown(page: Page, url: string): Promise<[number, number] | 'refused'> {
  return page.evaluate(
    (src) =>
      new Promise((resolve) => {
        const image = new Image()
        image.onload = () => resolve([image.naturalWidth, image.naturalHeight])
        image.onerror = () => resolve('refused')
        image.src = src
      }),
    url,
  )
}

test('a first visit makes a homeserver and two accounts, who write to each other encrypted in one page', async ({ page, server }) => {
  await page.goto(`${server.url}/app.html`)
  const identity = await page.evaluate(async () => (await window.homeserver).createIdentity({}))
  const alice = await register(page, 'alice')
  const bob = await register(page, 'bob')
  expect(await alice.evaluate(({ session }) => session.userId)).toBe(`@alice:${identity.server_name}`)
  const roomId = await meet(alice, bob)
  await say(alice, roomId, 'hello Bob')
  await reads(bob, roomId, ['hello Bob'])
  await say(bob, roomId, 'hello Alice')
  await reads(alice, roomId, ['hello Bob', 'hello Alice'])
})

test('two people in two tabs write to each other through one homeserver, which sees ciphertext', async ({ openApp }) => {
  const alice = await register(await openApp(), 'alice')
  const bob = await register(await openApp(), 'bob')
  const roomId = await meet(alice, bob)
  await say(alice, roomId, 'from tab to tab')
  await reads(bob, roomId, ['from tab to tab'])
  await say(bob, roomId, 'and back')
  await reads(alice, roomId, ['from tab to tab', 'and back'])
  const kept = await alice.evaluate(async ({ session }, id) => {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(id)}/messages?dir=b&limit=2`
    return (await fetch(path, { headers: { authorization: `Bearer ${session.accessToken}` } })).text()
  }, roomId)
  expect(JSON.parse(kept).chunk.map(({ type }: { type: string }) => type)).toEqual(['m.room.encrypted', 'm.room.encrypted'])
  expect(kept).not.toContain('from tab to tab')
})

test('another device is trusted once it has the recovery key, and reads what was written before it came', async ({ openApp }) => {
  const laptop = await register(await openApp(), 'alice')
  const roomId = await meet(laptop)
  await say(laptop, roomId, 'written before')
  const all = { crossSigningReady: true, secretStorageReady: true, deviceIsSigned: true, backupIsActive: true, backupKeyIsHere: true }
  await expect.poll(() => laptop.evaluate((client) => client.trust()), { timeout: 30_000 }).toEqual({ ...all, keysInBackup: 1 })
  const recoveryKey = await laptop.evaluate(({ session }) => session.recoveryKey)
  const tab = await openApp()
  const phone = await tab.evaluateHandle((key) => window.clients.logIn('alice', 'alice’s phone', key), recoveryKey)
  expect(await phone.evaluate((client) => client.trust())).toMatchObject(all)
  await reads(phone, roomId, ['written before'])
  await say(phone, roomId, 'written on the phone')
  await reads(laptop, roomId, ['written before', 'written on the phone'])
})

test('another device without the recovery key is not trusted, and does not read what was written before it came', async ({ openApp }) => {
  const laptop = await register(await openApp(), 'alice')
  const roomId = await meet(laptop)
  await say(laptop, roomId, 'written before')
  const tab = await openApp()
  const wrongKey = Array.from({ length: 32 }, () => 7)
  await expect(tab.evaluateHandle((key) => window.clients.logIn('alice', 'thief', key), wrongKey)).rejects.toThrow()
  const thief = await tab.evaluateHandle(() => window.clients.resume('thief'))
  expect(await thief.evaluate((client) => client.trust())).toMatchObject({ crossSigningReady: false, deviceIsSigned: false })
  expect(await history(thief, roomId)).toEqual(['undecryptable'])
})

test('a picture comes back as it was uploaded, to whoever is in the room', async ({ openApp }) => {
  const page = await openApp()
  const alice = await register(page, 'alice')
  const bob = await register(page, 'bob')
  const roomId = await meet(alice, bob)
  const sent = await alice.evaluate((client, id) => client.sendPicture(id, [640, 480]), roomId)
  await expect.poll(() => bob.evaluate((client, id) => client.pictures(id), roomId)).toEqual([sent.mxc])
  expect(await bob.evaluate((client, mxc) => client.download(mxc), sent.mxc)).toEqual(sent.bytes)
})

test('an <img> shows a picture without a header where the page speaks for a device, and only as long as that is logged in', async ({
  openApp,
}) => {
  const page = await openApp()
  const stranger = await openApp()
  const alice = await register(page, 'alice')
  const roomId = await meet(alice)
  const { mxc } = await alice.evaluate((client, id) => client.sendPicture(id, [640, 480]), roomId)
  const url = await alice.evaluate((client, mxc) => client.pictureUrl(mxc), mxc)
  const thumbnailUrl = await alice.evaluate((client, mxc) => client.pictureUrl(mxc, 64), mxc)
  expect(await shown(page, url)).toEqual([640, 480])
  expect(await shown(page, thumbnailUrl)).not.toBe('refused')
  expect(await shown(stranger, url)).toBe('refused')
  expect(await page.evaluate(async (src) => (await fetch(src)).status, url)).toBe(401)
  await alice.evaluate(async ({ sdk }) => {
    sdk.stopClient()
    await sdk.logout()
  })
  expect(await shown(page, `${url}&again`)).toBe('refused')
})
