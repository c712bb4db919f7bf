import { expect, test } from 'vitest'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { at, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'

test('a message is sent, and told to a waiting /sync with the unread count, without a read of storage', async () => {
  const storage = new MemoryStorage()
  const api = await openClientApi({ storage })
  const roomId = await api.createRoom(alice, { preset: 'public_chat' })
  await api.join(bob, roomId)
  let since = String((await api.get(bob, '/v3/sync')).next_batch)
  /** The unread count that comes with a message; presence wakes a waiting /sync as well. */
  const countWith = async (body: string) => {
    for (;;) {
      const answer = await api.get(bob, `/v3/sync?timeout=30000&since=${since}`)
      since = String(answer.next_batch)
      const room = at(answer, 'rooms', 'join', roomId)
      if (said(listAt(room, 'timeline', 'events')).includes(body)) return at(room, 'unread_notifications', 'notification_count')
    }
  }
  const told = async (body: string) => {
    const count = countWith(body)
    await api.send(alice, roomId, body)
    return count
  }
  expect(await told('first')).toBe(1)
  const reads: string[] = []
  const read = storage.read.bind(storage)
  storage.read = (tables, run) => {
    reads.push(tables.map(({ name }) => name).join())
    return read(tables, run)
  }
  expect(await told('second')).toBe(2)
  expect(reads).toEqual([])
})
