import type { Page } from '@playwright/test'
import { expect, test } from './support/test.ts'

test.use({ homeserver: 'real' })

interface Account {
  readonly token: string
  readonly roomId: string
}

/** Registers a user and creates a room, from the page. */
function begin(page: Page): Promise<Account> {
  return page.evaluate(async () => {
    const registered = await fetch('/_matrix/client/v3/register', {
      method: 'POST',
      body: JSON.stringify({ username: 'alice', password: 'wonderland-7', auth: { type: 'm.login.dummy' } }),
    })
    const { access_token: token } = await registered.json()
    const created = await fetch('/_matrix/client/v3/createRoom', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ preset: 'private_chat' }),
    })
    const { room_id: roomId } = await created.json()
    return { token, roomId }
  })
}

/** Sends messages of which `inFlight` at a time are on their way; resolves with the answers' statuses. */
function send(page: Page, account: Account, { count, inFlight, prefix }: { count: number; inFlight: number; prefix: string }) {
  return page.evaluate(
    async ({ token, roomId, count, inFlight, prefix }) => {
      const statuses: number[] = []
      let next = 0
      const one = async () => {
        while (next < count) {
          const n = next++
          const response = await fetch(`/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${prefix}${n}`, {
            method: 'PUT',
            headers: { authorization: `Bearer ${token}` },
            body: JSON.stringify({ msgtype: 'm.text', body: `${prefix}${n}` }),
          })
          statuses.push(response.status)
        }
      }
      await Promise.all(Array.from({ length: inFlight }, one))
      return statuses
    },
    { ...account, count, inFlight, prefix },
  )
}

/** Every message of the room, oldest first. */
function bodies(page: Page, { token, roomId }: Account): Promise<string[]> {
  return page.evaluate(
    async ({ token, roomId }) => {
      const found: string[] = []
      let from = ''
      for (;;) {
        const url = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100${from && `&from=${from}`}`
        const { chunk, end } = await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json()
        for (const { type, content } of chunk) if (type === 'm.room.message') found.push(content.body)
        if (end === undefined || chunk.length === 0) return found.reverse()
        from = end
      }
    },
    { token, roomId },
  )
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${n}`)

test('no message is lost or doubled when leaders are closed while messages are sent', async ({ openTab }) => {
  test.setTimeout(180_000)
  const sender = { page: await openTab() }
  const account = await begin(sender.page)
  // The first tab leads; the sender moves to a younger one, so that the leader can be closed under it.
  const leaders = [sender.page, await openTab()]
  const page = await openTab()
  for (const [round, leader] of leaders.entries()) {
    const sent = send(page, account, { count: 150, inFlight: 10, prefix: `r${round}-` })
    await new Promise((resolve) => setTimeout(resolve, 400 + 300 * round))
    await leader.close()
    expect(new Set(await sent)).toEqual(new Set([200]))
  }
  const found = await bodies(page, account)
  expect([...found].sort()).toEqual([...names('r0-', 150), ...names('r1-', 150)].sort())
})

test('messages sent with the network off are there after a reload', async ({ openTab, context }) => {
  const page = await openTab()
  const account = await begin(page)
  await context.setOffline(true)
  await send(page, account, { count: 20, inFlight: 3, prefix: 'offline-' })
  await page.reload()
  await page.evaluate(() => window.homeserver)
  expect((await bodies(page, account)).toSorted()).toEqual(names('offline-', 20).toSorted())
})

test('a waiting sync survives the change of leader and brings what is sent after it', async ({ openTab }) => {
  const leader = await openTab()
  const account = await begin(leader)
  const page = await openTab()
  const since = await page.evaluate(async ({ token }) => {
    const response = await fetch('/_matrix/client/v3/sync', { headers: { authorization: `Bearer ${token}` } })
    return (await response.json()).next_batch
  }, account)
  const seen = page.evaluate(
    async ({ token, roomId, since }) => {
      const bodies: string[] = []
      for (let next = since; !bodies.includes('after-4'); ) {
        const response = await fetch(`/_matrix/client/v3/sync?timeout=25000&since=${next}`, {
          headers: { authorization: `Bearer ${token}` },
        })
        const body = await response.json()
        for (const { content } of body.rooms?.join?.[roomId]?.timeline.events ?? []) bodies.push(content.body)
        next = body.next_batch
      }
      return bodies
    },
    { ...account, since },
  )
  await new Promise((resolve) => setTimeout(resolve, 500))
  await leader.close()
  await send(page, account, { count: 5, inFlight: 1, prefix: 'after-' })
  expect(await seen).toEqual(names('after-', 5))
})
