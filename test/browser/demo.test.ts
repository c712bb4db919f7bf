import { networkInterfaces } from 'node:os'
import { createRoom, expect, expectPicture, inviteHash, keepRecoveryKey, said, say, screenshot, sendPicture, test } from './support/demo.ts'

const hasNetwork = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ internal }) => !internal))

test('a name and a recovery key lead to a chat; what was written and shown in an encrypted room is there after a reload', async ({
  begin,
}) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Garden')
  await say(page, 'The tomatoes are ripe')
  await sendPicture(page, 'tomatoes.png', [1200, 800])
  await expect(said(page, 'The tomatoes are ripe')).toBeVisible()
  await expectPicture(page, 'tomatoes.png')
  await page.reload()
  await expect(said(page, 'The tomatoes are ripe')).toBeVisible({ timeout: 30_000 })
  await expectPicture(page, 'tomatoes.png')
})

test('the homeserver sees only ciphertext of an encrypted room', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Secrets')
  await say(page, 'nobody else shall know')
  await sendPicture(page, 'secret.png', [40, 40])
  await expectPicture(page, 'secret.png')
  const types = await page.evaluate(async () => {
    const { accessToken } = JSON.parse(localStorage.getItem('yurt.session') ?? '{}')
    const roomId = location.hash.replace('#/room/', '')
    const response = await fetch(`/_matrix/client/v3/rooms/${roomId}/messages?dir=b&limit=2`, {
      headers: { authorization: `Bearer ${accessToken}` },
    })
    const { chunk } = await response.json()
    return chunk.map(({ type }: { type: string }) => type)
  })
  expect(types).toEqual(['m.room.encrypted', 'm.room.encrypted'])
})

test('with the network off and the server gone, the app starts and goes on', async ({ demo, begin, context }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Cabin')
  await say(page, 'written at home')
  await expect(said(page, 'written at home')).toBeVisible()
  await demo.stop()
  await context.setOffline(true)
  await page.reload()
  await expect(page.getByText('You are offline.')).toBeVisible({ timeout: 30_000 })
  await expect(said(page, 'written at home')).toBeVisible({ timeout: 30_000 })
  await say(page, 'written on the mountain')
  await expect(said(page, 'written on the mountain')).toBeVisible()
  await sendPicture(page, 'view.png', [300, 200])
  await expectPicture(page, 'view.png')
})

test('whoever follows an invite link gets a homeserver, is let in, and writes from browser to browser', async ({ begin }) => {
  test.skip(!hasNetwork, 'no network interface but loopback: WebRTC finds no candidates')
  const { page: alice } = await begin('Alice')
  await createRoom(alice, 'Garden')
  await say(alice, 'The beans want water')
  const hash = await inviteHash(alice)
  const { page: bob } = await begin('Bob', { hash })
  await bob.getByRole('button', { name: 'Ask to join' }).click({ timeout: 30_000 })
  await alice.getByRole('button', { name: 'Let Bob in' }).click({ timeout: 30_000 })
  await bob.getByRole('button', { name: 'Join', exact: true }).click({ timeout: 30_000 })
  await say(bob, 'I will bring a can')
  await expect(said(alice, 'I will bring a can')).toBeVisible({ timeout: 30_000 })
  await say(alice, 'Thank you!')
  await expect(said(bob, 'Thank you!')).toBeVisible({ timeout: 30_000 })
  const bobsServer = alice.getByRole('region', { name: /^Homeserver/ }).filter({ hasText: 'Bob' })
  await expect(bobsServer.getByText('direct', { exact: true })).toBeVisible({ timeout: 30_000 })
  await sendPicture(bob, 'evening.png', [1600, 900])
  await expectPicture(alice, 'evening.png')
  await say(alice, 'What a view')
  await screenshot(alice, 'chat')
})

test('a link that the user did not type joins nothing before they agree', async ({ begin, demo }) => {
  const { page: alice } = await begin('Alice')
  await createRoom(alice, 'Trap', { open: true })
  const hash = await inviteHash(alice)
  const { page: bob } = await begin('Bob')
  await bob.goto(demo.urlOf('Bob') + hash)
  await expect(bob.getByRole('heading', { name: 'Join this room?' })).toBeVisible({ timeout: 30_000 })
  await expect(bob.getByText('No rooms yet.')).toBeVisible()
  await bob.getByRole('button', { name: 'Join', exact: true }).click()
  await expect(bob.getByRole('textbox', { name: 'Message to Trap' })).toBeVisible({ timeout: 30_000 })
})

test('a room that is open to its link is joined at once, and its pictures arrive', async ({ begin }) => {
  const { page: alice } = await begin('Alice')
  await createRoom(alice, 'Fair', { open: true, encrypted: false })
  await sendPicture(alice, 'poster.png', [1600, 900])
  await expectPicture(alice, 'poster.png')
  const { page: bob } = await begin('Bob', { hash: await inviteHash(alice) })
  await expectPicture(bob, 'poster.png')
  await say(bob, 'Nice poster')
  await expect(said(alice, 'Nice poster')).toBeVisible({ timeout: 30_000 })
})

test('answers, reactions and edits of other clients are shown as what they are, and a reaction can be joined', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Fair', { encrypted: false })
  await say(page, 'The tomatoes are ripe')
  await page.evaluate(async () => {
    const { accessToken } = JSON.parse(localStorage.getItem('yurt.session') ?? '{}')
    const room = `/_matrix/client/v3/rooms/${location.hash.replace('#/room/', '')}`
    const headers = { authorization: `Bearer ${accessToken}` }
    const { chunk } = await (await fetch(`${room}/messages?dir=b&limit=1`, { headers })).json()
    const about = chunk[0].event_id
    const send = async (type: string, content: object): Promise<string> => {
      const url = `${room}/send/${type}/${crypto.randomUUID()}`
      return (await (await fetch(url, { method: 'PUT', headers, body: JSON.stringify(content) })).json()).event_id
    }
    const text = (body: string) => ({ msgtype: 'm.text', body })
    await send('m.room.message', {
      ...text('> <@a:b> The tomatoes are ripe\n\nHow many?'),
      'm.relates_to': { 'm.in_reply_to': { event_id: about } },
    })
    const typo = await send('m.room.message', text('I take tow'))
    const relation = { rel_type: 'm.replace', event_id: typo }
    await send('m.room.message', { ...text('* I take two'), 'm.new_content': text('I take two'), 'm.relates_to': relation })
    await send('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: about, key: '🍅' } })
  })
  const messages = page.getByRole('region', { name: 'Messages' })
  await expect(said(page, 'How many?')).toBeVisible()
  await expect(messages.getByRole('blockquote')).toHaveText('Alice The tomatoes are ripe')
  await expect(said(page, 'I take two')).toBeVisible()
  await expect(said(page, 'Edited')).toBeVisible()
  await expect(messages.getByText('I take tow')).toHaveCount(0)
  const reaction = messages.getByRole('button', { name: '🍅: Alice' })
  await expect(reaction).toHaveText('🍅 1')
  await reaction.click()
  await expect(reaction).toHaveCount(0)
})

test('an invitation by address can be accepted, and the room left', async ({ begin }) => {
  const { page: alice } = await begin('Alice')
  const { page: bob } = await begin('Bob')
  await bob.getByRole('button', { name: /Bob/ }).click()
  const address = await bob
    .getByRole('dialog', { name: 'Your homeserver' })
    .getByText(/^@bob:/)
    .innerText()
  await bob.keyboard.press('Escape')
  await createRoom(alice, 'Kitchen')
  await alice.getByRole('button', { name: /^People/ }).click()
  await alice.getByLabel('Invite by address').fill(address)
  await alice.getByRole('button', { name: 'Invite', exact: true }).click()
  await bob.getByRole('link', { name: /Kitchen/ }).click({ timeout: 30_000 })
  await bob.getByRole('button', { name: 'Join', exact: true }).click()
  await expect(said(alice, 'Bob joined')).toBeVisible({ timeout: 30_000 })
  await bob.getByRole('button', { name: /^People/ }).click()
  await bob.getByRole('button', { name: 'Leave room' }).click()
  await bob.getByRole('button', { name: 'Leave', exact: true }).click()
  await expect(bob.getByText('No rooms yet.')).toBeVisible()
  await expect(said(alice, 'Bob left')).toBeVisible({ timeout: 30_000 })
})

test('what waits for a homeserver that is away is shown, and arrives when it is back', async ({ begin, browser, demo }) => {
  const { page: alice } = await begin('Alice')
  await createRoom(alice, 'Pier', { open: true })
  const away = await browser.newContext()
  const { page: bob } = await begin('Bob', { hash: await inviteHash(alice), context: away })
  await say(bob, 'here I am')
  await expect(said(alice, 'here I am')).toBeVisible({ timeout: 30_000 })
  await bob.close()
  await demo.stopRelay()
  await say(alice, 'are you there?')
  const bobsServer = alice.getByRole('region', { name: /^Homeserver/ }).filter({ hasText: 'Bob' })
  await expect(bobsServer.getByText(/\d+ queued/)).toBeVisible({ timeout: 60_000 })
  await expect(bobsServer.getByText('not connected')).toBeVisible({ timeout: 60_000 })
  await demo.startRelay()
  const returned = await away.newPage()
  await returned.goto(demo.urlOf('Bob'))
  await returned.getByRole('link', { name: /Pier/ }).click({ timeout: 30_000 })
  await expect(said(returned, 'are you there?')).toBeVisible({ timeout: 60_000 })
  await expect(bobsServer.getByText(/queued/)).toHaveCount(0, { timeout: 60_000 })
  await away.close()
})

test('a message can be deleted', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Notes')
  await say(page, 'a slip of the tongue')
  await page.getByRole('listitem').filter({ hasText: 'a slip of the tongue' }).last().hover()
  await page.getByRole('button', { name: 'Delete message' }).click()
  await expect(page.getByRole('region', { name: 'Messages' }).getByText('Message deleted')).toBeVisible()
  await expect(page.getByText('a slip of the tongue')).toHaveCount(0)
})

test('a message that could not be sent says so, and is sent when asked again', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Notes', { encrypted: false })
  await page.evaluate(() => {
    const real = window.fetch
    let failures = 1
    window.fetch = (input, init) =>
      String(input).includes('/send/') && failures-- > 0 ? Promise.reject(new TypeError('no')) : real(input, init)
  })
  await say(page, 'hard to say')
  await expect(page.getByText('Not sent')).toBeVisible()
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('Not sent')).toHaveCount(0)
  await page.reload()
  await expect(said(page, 'hard to say')).toBeVisible({ timeout: 30_000 })
})

test('older messages come when they are asked for', async ({ begin }) => {
  const { page } = await begin('Alice')
  await createRoom(page, 'Log', { encrypted: false })
  await say(page, 'the first of many')
  await expect(said(page, 'the first of many')).toBeVisible()
  await page.evaluate(async () => {
    const { accessToken } = JSON.parse(localStorage.getItem('yurt.session') ?? '{}')
    const path = `/_matrix/client/v3/rooms/${location.hash.replace('#/room/', '')}/send/m.room.message`
    for (let i = 0; i < 120; i++) {
      const body = JSON.stringify({ msgtype: 'm.text', body: `line ${i}` })
      await fetch(`${path}/t${i}`, { method: 'PUT', headers: { authorization: `Bearer ${accessToken}` }, body })
    }
  })
  await page.reload()
  await expect(said(page, 'line 119')).toBeInViewport({ timeout: 30_000 })
  await expect(said(page, 'the first of many')).toHaveCount(0)
  await expect(async () => {
    await page.getByRole('button', { name: 'Show older messages' }).click({ timeout: 1_000 })
    await expect(said(page, 'the first of many')).toHaveCount(1, { timeout: 1_000 })
  }).toPass({ timeout: 30_000 })
})

test('in a second tab the chat can be taken over', async ({ begin, demo, context }) => {
  const { page: first } = await begin('Alice')
  await createRoom(first, 'Hall')
  const second = await context.newPage()
  await second.goto(demo.urlOf('Alice'))
  await expect(second.getByRole('heading', { name: 'Yurt is open in another tab' })).toBeVisible({ timeout: 30_000 })
  await second.getByRole('button', { name: 'Use it here' }).click()
  await expect(second.getByRole('link', { name: /Hall/ })).toBeVisible({ timeout: 30_000 })
  await expect(first.getByRole('heading', { name: 'Yurt is open in another tab' })).toBeVisible()
  await second.close()
  await expect(first.getByRole('link', { name: /Hall/ })).toBeVisible({ timeout: 30_000 })
})

test('a homeserver whose identity was wiped stops, and comes back with its recovery file and key', async ({ begin, demo, context }) => {
  const { page, recoveryKey } = await begin('Alice')
  await page.getByRole('button', { name: /Alice Your homeserver/ }).click()
  const name = await page
    .getByRole('dialog')
    .getByText(/^@alice:/)
    .innerText()
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Save recovery file' }).click()
  const file = await (await download).path()
  await page.goto('about:blank')
  const wiper = await context.newPage()
  await wiper.goto(`${demo.urlOf('Alice')}assets/none`)
  await wiper.evaluate(async () => {
    for (const { name } of await indexedDB.databases()) if (name !== undefined) indexedDB.deleteDatabase(name)
  })
  await wiper.close()
  await page.goto(demo.urlOf('Alice'))
  await expect(page.getByRole('heading', { name: 'Your homeserver’s identity is gone' })).toBeVisible({ timeout: 30_000 })
  await page.getByLabel('Recovery file').setInputFiles(file)
  await page.getByLabel('Recovery key').fill(recoveryKey)
  await page.getByRole('button', { name: 'Restore' }).click()
  await page.getByLabel('Your name').fill('Alice')
  await page.getByRole('button', { name: 'Begin' }).click()
  expect(await keepRecoveryKey(page)).toBe(recoveryKey)
  await page.getByRole('button', { name: /Alice Your homeserver/ }).click({ timeout: 30_000 })
  await expect(page.getByRole('dialog').getByText(name, { exact: true })).toBeVisible()
})
