import { describe, expect, test } from 'vitest'
import { put, type Storage } from '../../src/ports/storage.ts'
import { isObject } from '../../src/spec/json.ts'
import { outgoingEdus } from '../../src/storage/tables/federation.ts'
import { CrashingDisk } from '../simulation/crashing-disk.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { within, world } from './federation-party.ts'
import { homeserver, joinFrom, mailbox, publicRoom, type TestHomeserver } from './federation-rooms.ts'

const count = (length: number, from = 0) => Array.from({ length }, (_, i) => `${from + i}`)

async function say(at: TestHomeserver, room: { roomId: string; creator: string }, bodies: readonly string[]) {
  for (const body of bodies)
    await at.roomSender.send({ roomId: room.roomId, sender: room.creator, type: 'm.room.message', content: { body } })
}

/** A homeserver `a` with a room in which `b` and `c` are too. */
async function sharedRoom(disk = new CrashingDisk()) {
  const at = world()
  const a = await homeserver(at, 'a.example', disk.open())
  const room = await publicRoom(a)
  for (const name of ['b.example', 'c.example']) await joinFrom(a, nodeSigner(name), room.roomId)
  const restarted = () => homeserver(at, 'a.example', disk.open())
  return { at, a, room, disk, restarted }
}

describe('events', () => {
  test('go to every server in the room, each once, in order, fifty at most a time', async () => {
    const { at, a, room } = await sharedRoom()
    const [b, c, d] = ['b.example', 'c.example', 'd.example'].map((name) => mailbox(at, name))
    await a.sender.start()
    await say(a, room, count(130))
    await at.clock.run(10_000)
    for (const box of [b, c]) {
      expect(box?.messages()).toEqual(count(130))
      expect(Math.max(...(box?.delivered ?? []).map(({ pdus }) => pdus.length))).toBeLessThanOrEqual(50)
      expect(new Set(box?.delivered.map(({ id }) => id)).size).toBe(box?.delivered.length)
    }
    expect(d?.delivered).toEqual([])
    expect(await a.sender.queues()).toEqual([])
    await a.sender.stop()
  })

  test('sent before a start go out after it, and nobody waits for them to be read', async () => {
    const { at, a, room, disk } = await sharedRoom()
    await say(a, room, ['before'])
    const slow = disk.open()
    const released = Promise.withResolvers<void>()
    const storage: Storage = {
      commit: (batch, durability) => slow.commit(batch, durability),
      read: async (tables, run) => {
        if (tables.some(({ name }) => name === 'events')) await released.promise
        return slow.read(tables, run)
      },
    }
    const again = await homeserver(at, 'a.example', storage)
    const b = mailbox(at, 'b.example')
    await again.sender.start()
    expect(b.messages()).toEqual([])
    released.resolve()
    await at.clock.run(10_000)
    expect(b.messages()).toEqual(['before'])
    await again.sender.stop()
  })

  test('that remove a server are the last it gets', async () => {
    const { at, a, room } = await sharedRoom()
    const b = mailbox(at, 'b.example')
    await a.sender.start()
    await say(a, room, ['before'])
    await a.membership.kick({ sender: room.creator, target: '@user:b.example', roomId: room.roomId })
    await say(a, room, ['after'])
    await at.clock.run(10_000)
    expect(b.messages()).toEqual(['before'])
    expect(b.delivered.flatMap(({ pdus }) => pdus).at(-1)).toMatchObject({ type: 'm.room.member', content: { membership: 'leave' } })
    await a.sender.stop()
  })

  test('by which another server joined through us go to the other servers, not back to it', async () => {
    const { at, a } = await sharedRoom()
    const [b, c] = [mailbox(at, 'b.example'), mailbox(at, 'c.example')]
    await a.sender.start()
    await at.clock.run(10_000)
    const joins = (box: typeof b) => box.delivered.flatMap(({ pdus }) => pdus.map(({ sender }) => sender))
    expect(joins(b)).toEqual(['@user:c.example'])
    expect(joins(c)).toEqual([])
    await a.sender.stop()
  })

  test('that were redacted meanwhile go out without what was redacted', async () => {
    const { at, a, room } = await sharedRoom()
    const { roomId, creator: sender } = room
    const eventId = await a.roomSender.send({ roomId, sender, type: 'm.room.message', content: { body: 'secret' } })
    await a.roomSender.send({ roomId, sender, type: 'm.room.redaction', redacts: eventId, content: {} })
    const b = mailbox(at, 'b.example')
    await a.sender.start()
    await at.clock.run(10_000)
    expect(b.messages()).toEqual([])
    expect(b.delivered.flatMap(({ pdus }) => pdus.map(({ type }) => type))).toEqual(['m.room.member', 'm.room.message', 'm.room.redaction'])
    await a.sender.stop()
  })
})

describe('a server that cannot be reached', () => {
  test('is tried ever more rarely, without end, and then gets everything in order, under the ids of the first attempts', async () => {
    const { at, a, room } = await sharedRoom()
    const attempts: { id: string; at: number; pdus: number }[] = []
    let isUp = false
    const b = mailbox(at, 'b.example', ({ id, pdus, at: when }) => {
      attempts.push({ id, pdus: pdus.length, at: when })
      return isUp ? 200 : 503
    })
    await a.sender.start()
    await say(a, room, count(70))
    await at.clock.run(24 * 3600_000)
    const pauses = attempts.slice(1).map(({ at: when }, i) => when - (attempts[i]?.at ?? 0))
    expect(pauses.length).toBeGreaterThan(20)
    expect(Math.max(...pauses.slice(0, 3))).toBeLessThan(10_000)
    expect(Math.min(...pauses.slice(-5))).toBeGreaterThan(1_000_000)
    expect(new Set(attempts.map(({ id }) => id)).size).toBe(1)
    expect(await a.sender.queues()).toMatchObject([{ server: 'b.example', queued: 71 }, { server: 'c.example' }])
    isUp = true
    await at.clock.run(24 * 3600_000)
    expect(b.messages()).toEqual(count(70))
    await a.sender.stop()
  })

  test('gets its mail at once when the transport says that it is back', async () => {
    const { at, a, room } = await sharedRoom()
    await a.sender.start()
    await say(a, room, ['hello'])
    await at.clock.run(24 * 3600_000)
    const b = mailbox(at, 'b.example')
    await at.clock.run(1_000)
    expect(b.messages()).toEqual(['hello'])
    await a.sender.stop()
  })

  test('gets its mail soon when it speaks to us', async () => {
    const { at, a, room } = await sharedRoom()
    let isUp = false
    const b = mailbox(at, 'b.example', () => (isUp ? 200 : 502))
    await a.sender.start()
    await say(a, room, ['hello'])
    await at.clock.run(24 * 3600_000)
    isUp = true
    a.sender.heard('b.example')
    await at.clock.run(6_000)
    expect(b.messages()).toEqual(['hello'])
    await a.sender.stop()
  })

  test('holds up nobody else', async () => {
    const { at, a, room } = await sharedRoom()
    at.network.attach('b.example', () => new Promise(() => undefined))
    const c = mailbox(at, 'c.example')
    await a.sender.start()
    await say(a, room, count(5))
    await at.clock.run(2_000)
    expect(c.messages()).toEqual(count(5))
    await within(at, 1_000, a.sender.stop())
  })
})

describe('a crash', () => {
  test('after the other server took a transaction repeats it under its id, with the same content', async () => {
    const { at, a, room, disk, restarted } = await sharedRoom()
    const ids: string[] = []
    const b = mailbox(at, 'b.example', async ({ id }) => {
      ids.push(id)
      if (ids.length > 1) return 200
      // The relaxed commits reach the disk at last; the acknowledgement does not.
      await a.storage.commit([], 'strict')
      disk.crash()
      return 200
    })
    await say(a, room, count(3))
    await a.sender.start()
    await at.clock.run(1_000)
    const again = await restarted()
    await say(again, room, count(3, 3))
    await again.sender.start()
    await at.clock.run(1_000)
    const [first, second] = b.delivered
    expect(second).toMatchObject({ id: first?.id ?? '', pdus: first?.pdus ?? [] })
    expect(b.messages()).toEqual([...count(3), ...count(6)])
    await again.sender.stop()
  })

  test('at any commit loses no event and keeps the order', async () => {
    for (let commits = 1; commits <= 30; commits++) {
      const { at, a, room, disk, restarted } = await sharedRoom()
      const b = mailbox(at, 'b.example')
      const acknowledged: string[] = []
      await a.sender.start()
      disk.crashAfter(commits)
      for (const body of count(12)) {
        const sent = await say(a, room, [body]).then(
          () => true,
          () => false,
        )
        if (!sent) break
        acknowledged.push(body)
        await at.clock.run(60)
      }
      await a.sender.stop().catch(() => undefined)
      const again = await restarted()
      await again.sender.start()
      await say(again, room, ['last'])
      await at.clock.run(30_000)
      // The event whose commit crashed may be there too: nobody was told that it is not.
      const firsts = [...new Set(b.messages())]
      expect(firsts.filter((body) => acknowledged.includes(body) || body === 'last')).toEqual([...acknowledged, 'last'])
      expect(firsts).toEqual([...firsts].sort((x, y) => (x === 'last' ? 1 : y === 'last' ? -1 : Number(x) - Number(y))))
      await again.sender.stop()
    }
  })

  test('loses no destination that was met for the first time', async () => {
    const { at, a, room, disk, restarted } = await sharedRoom()
    await say(a, room, ['unsent'])
    disk.crash()
    const again = await restarted()
    const b = mailbox(at, 'b.example')
    await again.sender.start()
    await at.clock.run(1_000)
    expect(b.messages()).toEqual(['unsent'])
    await again.sender.stop()
  })
})

test('a server that was only told of typing before is not forgotten by a stop before its first event', async () => {
  const { at, a, room, restarted } = await sharedRoom()
  await a.sender.start()
  a.sender.sendEphemeral(['b.example'], { edu_type: 'm.typing', content: {} }, 'typing')
  await say(a, room, ['unsent'])
  await at.clock.run(1_000)
  await a.sender.stop()
  const b = mailbox(at, 'b.example')
  const again = await restarted()
  await again.sender.start()
  await at.clock.run(1_000)
  expect(b.messages()).toEqual(['unsent'])
  await again.sender.stop()
})

test('an ordinary server that may have given us up hears of us at our next start, though there is nothing to say', async () => {
  const { at, a, room, restarted } = await sharedRoom()
  const b = mailbox(at, 'b.example')
  await a.sender.start()
  await say(a, room, ['hello'])
  await at.clock.run(1_000)
  await a.sender.stop()
  const again = await restarted()
  const greeted = b.delivered.length
  again.transport.route = () => 'https'
  await again.sender.start()
  await at.clock.run(10_000)
  expect(b.delivered.slice(greeted)).toMatchObject([{ pdus: [], edus: [] }])
  await again.sender.stop()
})

describe('EDUs', () => {
  const edu = (n: number) => ({ edu_type: 'm.direct_to_device', content: { n } })

  async function store(a: TestHomeserver, numbers: readonly number[]) {
    for (const n of numbers) await a.stream.commit(1, (position) => [put(outgoingEdus, ['b.example', position], edu(n))])
  }

  test('that must arrive are sent once each, a hundred at most a time, and outlive a restart', async () => {
    const disk = new CrashingDisk()
    const at = world()
    const a = await homeserver(at, 'a.example', disk.open())
    const numbers = Array.from({ length: 250 }, (_, i) => i)
    await store(a, numbers)
    disk.crash()
    const again = await homeserver(at, 'a.example', disk.open())
    const b = mailbox(at, 'b.example')
    await again.sender.start()
    await at.clock.run(10_000)
    expect(b.delivered.flatMap(({ edus }) => edus)).toEqual(numbers.map(edu))
    expect(b.delivered.map(({ edus }) => edus.length)).toEqual([100, 100, 50])
    expect(new Set(b.delivered.map(({ id }) => id)).size).toBe(3)
    await store(again, [250])
    again.sender.wake(['b.example'])
    await at.clock.run(1_000)
    expect(b.delivered.at(-1)?.edus).toEqual([edu(250)])
    expect(await again.storage.read([outgoingEdus], (tx) => tx.range(outgoingEdus, {}))).toEqual([])
    await again.sender.stop()
  })

  test('that may be lost give way to newer ones of their kind, and wait only so long', async () => {
    const at = world()
    const a = await homeserver(at, 'a.example')
    await a.sender.start()
    const typing = (typing: boolean) => ({ edu_type: 'm.typing', content: { typing } })
    const receipt = (n: number) => ({ edu_type: 'm.receipt', content: { n } })
    a.sender.sendEphemeral(['b.example', 'a.example', 'not a name'], typing(true), 'typing')
    await at.clock.run(10_000)
    for (let n = 0; n < 500; n++) a.sender.sendEphemeral(['b.example'], receipt(n), `receipt ${n % 150}`)
    await at.clock.run(3600_000)
    const b = mailbox(at, 'b.example')
    await at.clock.run(1_000)
    expect(b.delivered.map(({ edus }) => edus.length)).toEqual([100, 50])
    const numbers = b.delivered.flatMap(({ edus }) => edus.map(({ content }) => (isObject(content) ? Number(content.n) : -1)))
    expect(numbers.sort((x, y) => x - y)).toEqual(Array.from({ length: 150 }, (_, i) => 350 + i))
    a.sender.sendEphemeral(['b.example'], typing(false), 'typing')
    await at.clock.run(1_000)
    expect(b.delivered.at(-1)?.edus).toEqual([typing(false)])
    expect(new Set(b.delivered.map(({ id }) => id)).size).toBe(3)
    await a.sender.stop()
  })
})
