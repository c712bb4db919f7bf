import { expect, test } from 'vitest'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { at, type ClientApi, encode, openClientApi } from './client-fixture.ts'
import { eventsRead } from './events-read.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const said = 400

const filter = encode(JSON.stringify({ room: { timeline: { limit: 5 } } }))

async function unread(api: ClientApi, roomId: string) {
  return at(await api.get(alice, `/v3/sync?filter=${filter}`), 'rooms', 'join', roomId, 'unread_notifications', 'notification_count')
}

/** A room in which much was said that its member has not read, counted once. */
async function unreadRoom() {
  const storage = new MemoryStorage()
  const api = await openClientApi({ storage })
  const roomId = await api.createRoom(bob, { preset: 'public_chat' })
  await api.join(alice, roomId)
  const eventIds: string[] = []
  for (let n = 0; n < said; n++) eventIds.push(await api.send(bob, roomId, `${n}`))
  expect(await unread(api, roomId)).toBe(said)
  return { storage, roomId, eventIds }
}

test('a start does not read the history of a room again to know what is unread in it', async () => {
  const { storage, roomId } = await unreadRoom()
  const api = await openClientApi({ storage })
  const count = eventsRead(storage)
  expect(await unread(api, roomId)).toBe(said)
  expect(count()).toBeLessThan(60)
})

test('what came since the count was kept is counted, and what was redacted or read since is not', async () => {
  const { storage, roomId, eventIds } = await unreadRoom()
  const room = `/v3/rooms/${encode(roomId)}`
  const restarted = () => openClientApi({ storage })
  // Another device: its transactions are none of those before the start.
  for (let n = 0; n < 3; n++) await (await restarted()).send(`${bob}/device${n}`, roomId, 'more')
  expect(await unread(await restarted(), roomId)).toBe(said + 3)
  await (await restarted()).put(bob, `${room}/redact/${encode(eventIds[7] ?? '')}/r`, {})
  expect(await unread(await restarted(), roomId)).toBe(said + 2)
  await (await restarted()).post(alice, `${room}/receipt/m.read/${encode(eventIds.at(-1) ?? '')}`)
  expect(await unread(await restarted(), roomId)).toBe(3)
})
