import type { Page } from '@playwright/test'
import { type Client, expect, history, meet, reads, register, resume, say, test } from './support/client.ts'

const userId = (client: Client) => client.evaluate(({ session }) => session.userId)
const conversation = (page: Page, client: Client, roomId: string) =>
  page.evaluateHandle(([client, roomId]) => window.clients.conversation(client, roomId), [client, roomId] as const)

test('two people verify each other by emoji, and then by a code that one shows and the other scans', async ({ openApp }) => {
  const page = await openApp()
  const [alice, bob, cora] = [await register(page, 'alice'), await register(page, 'bob'), await register(page, 'cora')]
  const trusts = async (one: Client, other: Client) => {
    const id = await userId(other)
    return one.evaluate(async ({ crypto }, id) => (await crypto.getUserVerificationStatus(id)).isCrossSigningVerified(), id)
  }
  const withBob = await meet(alice, bob)
  expect(await trusts(alice, bob)).toBe(false)
  const seen = await page.evaluate(([alice, bob, room]) => window.clients.verifyByEmoji(alice, bob, room), [alice, bob, withBob] as const)
  expect(seen.asker).toHaveLength(7)
  expect(seen.asked).toEqual(seen.asker)
  const withCora = await meet(alice, cora)
  await page.evaluate(([alice, cora, room]) => window.clients.verifyByQrCode(alice, cora, room), [alice, cora, withCora] as const)
  for (const other of [bob, cora]) {
    await expect.poll(() => trusts(alice, other)).toBe(true)
    await expect.poll(() => trusts(other, alice)).toBe(true)
  }
  expect(await trusts(bob, cora)).toBe(false)
})

for (const way of ['verifyByEmoji', 'verifyByQrCode'] as const) {
  test(`a new device that an old one lets in (${way}) gets its secrets from it, and reads what was written before it came`, async ({
    openApp,
  }) => {
    const page = await openApp()
    const laptop = await register(page, 'alice')
    const roomId = await meet(laptop)
    await say(laptop, roomId, 'written before')
    await expect.poll(() => laptop.evaluate((client) => client.trust()), { timeout: 30_000 }).toMatchObject({ keysInBackup: 1 })
    const phone = await page.evaluateHandle(() => window.clients.logInUntrusted('alice', 'alice’s phone'))
    expect(await history(phone, roomId)).toEqual(['undecryptable'])
    await page.evaluate(async ([way, phone, laptop]) => void (await window.clients[way](phone, laptop)), [way, phone, laptop] as const)
    const all = { crossSigningReady: true, deviceIsSigned: true, backupIsActive: true, backupKeyIsHere: true }
    await expect.poll(() => phone.evaluate((client) => client.trust()), { timeout: 30_000 }).toMatchObject(all)
    await phone.evaluate(({ crypto }) => crypto.restoreKeyBackup())
    await reads(phone, roomId, ['written before'])
  })
}

test('an encrypted conversation of three has edits, reactions, threads, receipts and unread counts', async ({ openApp }) => {
  const page = await openApp()
  const [alice, bob, cora] = [await register(page, 'alice'), await register(page, 'bob'), await register(page, 'cora')]
  const roomId = await meet(alice, bob, cora)
  const [hers, his] = [await conversation(page, alice, roomId), await conversation(page, bob, roomId)]
  const question = await say(alice, roomId, 'tea at four?')
  await reads(bob, roomId, ['tea at four?'])
  await expect.poll(() => his.evaluate((room) => room.unread())).toBe(1)
  await his.evaluate((room, id) => room.markRead(id), question)
  await expect.poll(() => his.evaluate((room) => room.unread())).toBe(0)
  const [aliceId, bobId] = [await userId(alice), await userId(bob)]
  await expect.poll(() => hers.evaluate((room, id) => room.readersOf(id), question)).toEqual(expect.arrayContaining([aliceId, bobId]))
  for (const client of [bob, cora]) {
    await (await conversation(page, client, roomId)).evaluate((room, id) => room.react(id, '🫖'), question)
  }
  expect(await hers.evaluate((room, id) => room.reactionsTo(id), question)).toEqual(['🫖', '🫖'])
  await his.evaluate((room, id) => room.sayInThread(id, 'or at five?'), question)
  await hers.evaluate((room, id) => room.sayInThread(id, 'five it is'), question)
  expect(await (await conversation(page, cora, roomId)).evaluate((room, id) => room.thread(id), question)).toEqual([
    'or at five?',
    'five it is',
  ])
  await hers.evaluate((room, id) => room.edit(id, 'tea at five'), question)
  await expect.poll(() => his.evaluate((room, id) => room.textOf(id), question)).toBe('tea at five')
})

test('rooms that are not encrypted are searched, and are found in spaces', async ({ openApp }) => {
  const page = await openApp()
  const alice = await register(page, 'alice')
  const roomId = await alice.evaluate(async ({ sdk }) => (await sdk.createRoom({ name: 'Kitchen' })).room_id)
  await say(alice, roomId, 'the kettle is on')
  await say(alice, roomId, 'kettle after kettle')
  await say(alice, roomId, 'biscuits')
  const kitchen = await conversation(page, alice, roomId)
  expect(await kitchen.evaluate((room) => room.search('kettle'))).toEqual(
    expect.arrayContaining(['kettle after kettle', 'the kettle is on']),
  )
  expect(await kitchen.evaluate((room) => room.search('teapot'))).toEqual([])
  expect(await kitchen.evaluate((room) => room.inSpace('House'))).toEqual(['House', 'Kitchen'])
})

test('who is let in later reads what the room’s history visibility shows, and no more', async ({ openApp }) => {
  const page = await openApp()
  const [alice, bob] = [await register(page, 'alice'), await register(page, 'bob')]
  const seen = async (visibility: string) => {
    const roomId = await alice.evaluate(async ({ sdk }, visibility) => {
      const initial = { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } }
      return (await sdk.createRoom({ initial_state: [initial] })).room_id
    }, visibility)
    await say(alice, roomId, 'before')
    const guest = await userId(bob)
    await alice.evaluate(({ sdk }, { roomId, guest }) => sdk.invite(roomId, guest), { roomId, guest })
    await say(alice, roomId, 'while invited')
    await bob.evaluate((client, id) => client.join(id), roomId)
    await say(alice, roomId, 'after')
    return bob.evaluate(async ({ session }, id) => {
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(id)}/messages?dir=b&limit=100`
      const { chunk } = await (await fetch(path, { headers: { authorization: `Bearer ${session.accessToken}` } })).json()
      return chunk.flatMap(({ content }: { content: { body?: string } }) => content.body ?? []).reverse()
    }, roomId)
  }
  expect(await seen('shared')).toEqual(['before', 'while invited', 'after'])
  expect(await seen('invited')).toEqual(['while invited', 'after'])
  expect(await seen('joined')).toEqual(['after'])
})

test('clients that learn of everything by sliding sync write to each other, and find all of it again after a reload', async ({
  openApp,
}) => {
  const page = await openApp()
  const [alice, bob] = [await register(page, 'alice', { slides: true }), await register(page, 'bob', { slides: true })]
  const roomId = await meet(alice, bob)
  await say(alice, roomId, 'by Alice')
  await reads(bob, roomId, ['by Alice'])
  await say(bob, roomId, 'by Bob')
  await reads(alice, roomId, ['by Alice', 'by Bob'])
  await page.reload()
  const [returned, other] = [await resume(page, 'alice'), await resume(page, 'bob')]
  await reads(returned, roomId, ['by Alice', 'by Bob'])
  await say(returned, roomId, 'back again')
  await reads(other, roomId, ['by Alice', 'by Bob', 'back again'])
})
