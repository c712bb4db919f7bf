import { expect, test } from 'vitest'
import type { Write } from '../../src/ports/storage.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { encode, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'

/** Storage that remembers what was committed to it, batch by batch. */
class RecordedStorage extends MemoryStorage {
  readonly batches: (readonly Write[])[] = []

  override async commit(batch: readonly Write[]): Promise<void> {
    this.batches.push(batch)
    await super.commit(batch)
  }
}

test('a plain message writes four records, index entries counted', async () => {
  const storage = new RecordedStorage()
  const { createRoom, send } = await openClientApi({ storage })
  const roomId = await createRoom(alice)
  await send(alice, roomId, 'first')
  storage.batches.length = 0
  await send(alice, roomId, 'second')
  const batch = storage.batches.find((writes) => writes.some(({ table }) => table === 'events'))
  expect(batch?.map(({ kind, table }) => `${kind} ${table}`).sort()).toEqual([
    'put event_positions',
    'put events',
    'put rooms',
    'put timeline',
  ])
})

test('a repeated transaction is one event, however much was sent and how often the homeserver started in between', async () => {
  const storage = new MemoryStorage()
  const first = await openClientApi({ storage })
  const roomId = await first.createRoom(alice)
  const say = (api: typeof first, text: string, token = alice) =>
    api.put(token, `/v3/rooms/${encode(roomId)}/send/m.room.message/${text}`, { msgtype: 'm.text', body: text })
  const early = await say(first, 'early')
  const late: unknown[] = []
  for (let life = 0; life < 3; life++) {
    const api = await openClientApi({ storage })
    for (let n = 0; n < 700; n++) await say(api, `life ${life} message ${n}`)
    late.push(await say(api, `late ${life}`))
    expect(await say(api, 'early')).toEqual(early)
    expect(await say(api, 'early', `${alice}/OTHER`)).not.toEqual(early)
  }
  const last = await openClientApi({ storage })
  expect(await say(last, 'early')).toEqual(early)
  for (const life of [0, 1, 2]) expect(await say(last, `late ${life}`)).toEqual(late[life])
})
