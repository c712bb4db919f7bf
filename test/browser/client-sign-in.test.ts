import { expect, meet, reads, register, say, test } from './support/client.ts'

for (const shownBy of ['old', 'new'] as const) {
  test(`a device is signed in by a code that the ${shownBy} one shows, has its user’s secrets, and reads what was written before`, async ({
    openApp,
    context,
  }) => {
    const page = await openApp()
    const laptop = await register(page, 'alice')
    const roomId = await meet(laptop)
    await say(laptop, roomId, 'written before')
    await expect.poll(() => laptop.evaluate((client) => client.trust()), { timeout: 30_000 }).toMatchObject({ keysInBackup: 1 })
    const signIn = await page.evaluateHandle(([old, by]) => window.clients.signInByCode(old, by), [laptop, shownBy] as const)
    const { pageUrl, checkCodes } = await signIn.evaluate(({ pageUrl, checkCodes }) => ({ pageUrl, checkCodes }))
    expect(checkCodes[0]).toMatch(/^\d\d$/)
    expect(checkCodes[1]).toBe(checkCodes[0])
    const shown = await context.newPage()
    await shown.goto(pageUrl)
    await expect(shown.getByText('Another phone')).toBeVisible()
    await shown.getByLabel('User name').fill('alice')
    await shown.getByLabel('Password').fill('wonderland-7')
    await shown.getByRole('button', { name: 'Allow', exact: true }).click()
    await expect(shown.getByRole('heading')).toHaveText('Signed in')
    await shown.close()
    const userId = await laptop.evaluate(({ session }) => session.userId)
    const phone = await page.evaluateHandle(([userId, waiting]) => window.clients.startLetIn(userId, waiting), [userId, signIn] as const)
    const all = { crossSigningReady: true, deviceIsSigned: true, backupIsActive: true, backupKeyIsHere: true }
    await expect.poll(() => phone.evaluate((client) => client.trust()), { timeout: 30_000 }).toMatchObject(all)
    await reads(phone, roomId, ['written before'])
    await say(phone, roomId, 'from the phone')
    await reads(laptop, roomId, ['written before', 'from the phone'])
  })
}
