import { afterAll, expect, test } from 'vitest'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { receivedTransactions } from '../../src/storage/tables/federation.ts'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { registerUser } from './in-process-user.ts'

const network = new InProcessNetwork()
const there = await network.start('b.example')
const bob = await registerUser(there, 'bob')

afterAll(() => network.stop())

/** The ids of the transactions that Bob's server has from Alice's. */
async function transactionIds(): Promise<string[]> {
  const rows = await there.storage.read([receivedTransactions], (tx) => tx.range(receivedTransactions, {}))
  return rows.flatMap(([[origin, id]]) => (origin === 'a.example' ? [id] : []))
}

/** Waits until the room's newest message that Bob sees is this one. */
async function bobHears(roomId: string, text: string): Promise<void> {
  for (let since = ''; ; ) {
    const { chunk } = await bob.call('GET', `rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=1`)
    if (JSON.stringify(chunk).includes(text)) return
    const { next_batch: next } = await bob.call('GET', `sync?timeout=5000${since}`)
    since = `&since=${next}`
  }
}

/** Alice makes an account and a room that Bob joins, says something and names her device; resolves with what her server gave out. */
async function liveOnce(here: InProcessHomeserver) {
  const alice = await registerUser(here, 'alice')
  const { room_id: id } = await alice.call('POST', 'createRoom', { preset: 'public_chat' })
  const roomId = String(id)
  await bob.call('POST', `join/${encodeURIComponent(roomId)}?via=${here.name}`, {})
  const before = new Set(await transactionIds())
  const edusBefore = network.edus.length
  const { device_id: device } = await alice.call('GET', 'account/whoami')
  await alice.call('PUT', `devices/${device}`, { display_name: 'Desk' })
  await alice.call('PUT', `rooms/${encodeURIComponent(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'can you hear me?' })
  await bobHears(roomId, 'can you hear me?')
  await here.homeserver.idle()
  await there.homeserver.idle()
  const { next_batch: token } = await alice.call('GET', 'sync')
  const lists = network.edus.slice(edusBefore).filter(({ from, edu }) => from === here.name && edu.edu_type === 'm.device_list_update')
  return {
    alice,
    token,
    transactions: (await transactionIds()).filter((each) => !before.has(each)),
    deviceStreamIds: lists.map(({ edu }) => Number(edu.content.stream_id)),
  }
}

test('a homeserver restored without its data is heard: nothing that it gives out can be taken for what it gave out before', async () => {
  const first = await network.start('a.example', { incarnation: 1 })
  const former = await liveOnce(first)
  await first.homeserver.stop()
  const restored = await network.start('a.example', { incarnation: 2 }, new MemoryStorage())
  const later = await liveOnce(restored)
  expect(former.transactions.length).toBeGreaterThan(0)
  expect(later.transactions.length).toBeGreaterThan(0)
  expect(former.transactions.every((id) => id.startsWith('1.'))).toBe(true)
  expect(later.transactions.every((id) => id.startsWith('2.'))).toBe(true)
  expect(former.deviceStreamIds.length).toBeGreaterThan(0)
  expect(later.deviceStreamIds.length).toBeGreaterThan(0)
  expect(Math.min(...later.deviceStreamIds)).toBeGreaterThan(Math.max(...former.deviceStreamIds))
  await expect(later.alice.call('GET', `sync?since=${former.token}`)).rejects.toThrow('M_INVALID_PARAM')
})
