import { describe, expect, test } from 'vitest'
import type { Signer } from '../../src/ports/signer.ts'
import type { Durability, Storage, Write } from '../../src/ports/storage.ts'
import { authEventKeys } from '../../src/spec/auth-events.ts'
import { buildPdu } from '../../src/spec/build-pdu.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { eventSigningBytes, withSignature } from '../../src/spec/signing.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { stagedPdus } from '../../src/storage/tables/rooms.ts'
import { Stream } from '../../src/streams/stream.ts'
import { CrashingDisk } from '../simulation/crashing-disk.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { world } from './federation-party.ts'
import { homeserver, joinFrom, publicRoom, type TestHomeserver } from './federation-rooms.ts'

/** Storage that counts its commits, and takes its time with them while it is held. */
class HeldStorage implements Storage {
  readonly #memory = new MemoryStorage()
  readonly batches: { readonly writes: readonly Write[]; readonly durability: Durability }[] = []
  #held: Promise<void> = Promise.resolve()

  readonly read: Storage['read'] = (tables, run) => this.#memory.read(tables, run)

  async commit(writes: readonly Write[], durability: Durability): Promise<void> {
    this.batches.push({ writes, durability })
    await this.#held
    await this.#memory.commit(writes)
  }

  /** No commit is durable until the answer is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held = promise
    return resolve
  }
}

/** Whether a promise has settled once everything else has had its turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  )
  const later = new Promise<false>((resolve) => setTimeout(() => resolve(false), 20))
  return Promise.race([settled, later])
}

async function roomOnHeldStorage() {
  const storage = new HeldStorage()
  const a = await homeserver(world(), 'a.example', storage)
  const room = await publicRoom(a)
  const say = (body: string) => a.roomSender.send({ roomId: room.roomId, sender: room.creator, type: 'm.room.message', content: { body } })
  return { storage, a, room, say }
}

describe('an event', () => {
  test('is acknowledged only once it is durable, and shown to nobody before', async () => {
    const { storage, a, room, say } = await roomOnHeldStorage()
    const before = { position: a.stream.current, heads: (await a.store.room(room.roomId))?.forwardExtremities }
    const release = storage.hold()
    const said = say('not yet')
    expect(await isSettled(said)).toBe(false)
    expect({ position: a.stream.current, heads: (await a.store.room(room.roomId))?.forwardExtremities }).toEqual(before)
    release()
    const eventId = await said
    expect((await a.store.room(room.roomId))?.forwardExtremities).toEqual([eventId])
  })

  test('and all that follows from it are one commit, and a strict one', async () => {
    const { storage, say } = await roomOnHeldStorage()
    const from = storage.batches.length
    await say('whole')
    const batches = storage.batches.slice(from)
    expect(batches.map(({ durability }) => durability)).toEqual(['strict'])
    expect(batches[0]?.writes.length).toBeGreaterThan(1)
  })
})

/** What a user of another server says after its join. */
async function messageAfter(
  a: TestHomeserver,
  roomId: string,
  { eventId, signer }: { readonly eventId: string; readonly signer: Signer },
): Promise<Pdu> {
  const room = await a.store.room(roomId)
  if (!room) throw new Error('there is no room')
  const fields = { type: 'm.room.message', sender: `@user:${signer.serverName}`, content: { body: 'hello' } }
  const authEvents = authEventKeys(room.rules, { ...fields, stateKey: undefined }).flatMap((key) => room.state.get(key) ?? [])
  const pdu = buildPdu({ ...fields, roomId, originServerTs: 1, prevEvents: [eventId], authEvents, depth: 100 }, room.rules)
  const signature = await signer.sign(eventSigningBytes(pdu, room.rules))
  return withSignature(pdu, signer.serverName, { keyId: signer.keyId, signature })
}

test('a transaction of another server is answered only once it is durable', async () => {
  const { storage, a, room } = await roomOnHeldStorage()
  const signer = nodeSigner('b.example')
  const eventId = await joinFrom(a, signer, room.roomId)
  const pdu = await messageAfter(a, room.roomId, { eventId, signer })
  const release = storage.hold()
  const answered = a.receiver.receive('b.example', [pdu])
  expect(await isSettled(answered)).toBe(false)
  expect(await storage.read([stagedPdus], (tx) => tx.range(stagedPdus, {}))).toEqual([])
  release()
  await answered
})

test('no position is given twice, whatever a crash loses', async () => {
  const disk = new CrashingDisk()
  const given: number[] = []
  for (let life = 0; life < 5; life++) {
    const stream = await Stream.open(disk.open())
    for (let i = 0; i < 3; i++) given.push(await stream.commit(2, () => [], { durability: 'relaxed' }))
    disk.crash()
  }
  expect(new Set(given).size).toBe(given.length)
  expect(given).toEqual(given.toSorted((a, b) => a - b))
})
