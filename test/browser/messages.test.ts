import { begin, bodies, names, send } from './support/chat.ts'
import { expect, test } from './support/test.ts'

test.use({ homeserver: 'real' })

test('no message is lost or doubled when leaders are closed while messages are sent', async ({ openTab }) => {
  test.setTimeout(180_000)
  const leaders = [await openTab(), await openTab()]
  const page = await openTab()
  const account = await begin(page)
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
