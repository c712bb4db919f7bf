import { expect, meet, reads, register, say, test } from './support/client.ts'

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
