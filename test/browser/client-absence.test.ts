import { expect, meet, reads, register, say, test } from './support/client.ts'

test('what a client left to be sent later is sent when its page was closed, unless it was taken back', async ({ openApp }) => {
  const page = await openApp()
  const alice = await register(page, 'alice')
  const bob = await register(await openApp(), 'bob')
  const roomId = await meet(alice, bob)
  const room = await page.evaluateHandle(([alice, roomId]) => window.clients.conversation(alice, roomId), [alice, roomId] as const)
  const later = (text: string, delayMs: number) =>
    room.evaluate((room, [text, delayMs]) => room.sayLater(text, delayMs), [text, delayMs] as const)
  const kept = await later('never', 3_600_000)
  const hurried = await later('sooner', 3_600_000)
  await later('my page is closed', 2_000)
  await alice.evaluate(async ({ sdk }, id) => void (await sdk._unstable_cancelScheduledDelayedEvent(id)), kept)
  await alice.evaluate(async ({ sdk }, id) => void (await sdk._unstable_sendScheduledDelayedEvent(id)), hurried)
  await page.close()
  // The SDK does not encrypt what is to be sent later.
  const heard = () =>
    bob.evaluate(({ sdk }, id) => {
      const events = sdk.getRoom(id)?.getLiveTimeline().getEvents() ?? []
      return events.filter((event) => event.getType() === 'm.room.message').map((event) => event.getContent().body)
    }, roomId)
  await expect.poll(heard, { timeout: 20_000 }).toEqual(['sooner', 'my page is closed'])
})

test('what was written to a user who was logged in nowhere is read by their next device, from the one that they left asleep', async ({
  openApp,
}) => {
  const page = await openApp()
  const [alice, bob] = [await register(page, 'alice'), await register(page, 'bob')]
  const roomId = await meet(alice, bob)
  const recoveryKey = await bob.evaluate(({ session }) => session.recoveryKey)
  await bob.evaluate(({ crypto }) => crypto.startDehydration())
  const userId = await bob.evaluate(({ session }) => session.userId)
  const known = () =>
    alice.evaluate(async ({ crypto }, user) => {
      const devices = (await crypto.getUserDeviceInfo([user])).get(user)
      return [...(devices?.values() ?? [])].map(({ dehydrated }) => dehydrated)
    }, userId)
  await expect.poll(known).toContain(true)
  await bob.evaluate(async ({ sdk }) => {
    sdk.stopClient()
    await sdk.logout()
  })
  await expect.poll(known).toEqual([true])
  await say(alice, roomId, 'while you were out')
  const phone = await page.evaluateHandle((key) => window.clients.logIn('bob', 'bob’s phone', key), recoveryKey)
  await phone.evaluate(({ crypto }) => crypto.startDehydration())
  await reads(phone, roomId, ['while you were out'])
})
