import { describe, expect, test } from 'vitest'
import type { Signer } from '../../src/ports/signer.ts'
import { membershipFromTemplate } from '../../src/rooms/remote-join.ts'
import type { Pdu } from '../../src/spec/event.ts'
import { defaultRoomVersion } from '../../src/spec/room-version.ts'
import { stagedPdus } from '../../src/storage/tables/rooms.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { party, within, world } from './federation-party.ts'
import { homeserver, publicRoom, type TestHomeserver } from './federation-rooms.ts'

/** A server that hands on what others sent. */
const relaying = 'b.example'

/** The join of a user of c.example, as that server signs it. */
async function join(at: TestHomeserver, { roomId, name = 'user', signer }: { roomId: string; name?: string; signer: Signer }) {
  const userId = `@${name}:c.example`
  const template = await at.membership.template('join', { roomId, userId, versions: [defaultRoomVersion] })
  const { signEvent } = party({ clock: at.clock, network: at.network }, signer)
  at.network.detach(signer.serverName)
  const { event } = await membershipFromTemplate({ userId, roomId, content: {}, membership: 'join' }, template, {
    ...at,
    signEvent,
  })
  return event
}

async function staged({ storage }: TestHomeserver): Promise<Pdu[]> {
  return (await storage.read([stagedPdus], (tx) => tx.range(stagedPdus, {}))).map(([, { pdu }]) => pdu)
}

/** A transaction of the server that hands on. */
function receive(at: TestHomeserver, pdus: readonly Pdu[]) {
  return within(at, 60_000, at.receiver.receive(relaying, pdus))
}

/** c.example is there from now on, with its true key. */
function comes(at: TestHomeserver): void {
  party({ clock: at.clock, network: at.network }, nodeSigner('c.example'))
}

describe('an event of a server whose keys cannot be had', () => {
  test('is answered for and staged, and takes its place once they can', async () => {
    const at = await homeserver(world(), 'a.example')
    const { roomId } = await publicRoom(at)
    const event = await join(at, { roomId, signer: nodeSigner('c.example') })
    expect(await receive(at, [event.pdu])).toEqual({ [event.eventId]: {} })
    await at.clock.run(3_600_000)
    expect(await at.store.event(event.eventId)).toBeUndefined()
    expect(await staged(at)).toHaveLength(1)
    comes(at)
    await at.clock.run(3_600_000)
    await at.receiver.idle()
    expect((await at.store.event(event.eventId))?.stored.status).toBe('accepted')
    expect(await staged(at)).toEqual([])
  })

  test('waits through a restart', async () => {
    const at = await homeserver(world(), 'a.example')
    const { roomId } = await publicRoom(at)
    const event = await join(at, { roomId, signer: nodeSigner('c.example') })
    await receive(at, [event.pdu])
    at.receiver.stop()
    const again = await homeserver(at, 'a.example', at.storage)
    await again.receiver.resume()
    expect(await staged(again)).toHaveLength(1)
    comes(again)
    await again.clock.run(3_600_000)
    await again.receiver.idle()
    expect((await again.store.event(event.eventId))?.stored.status).toBe('accepted')
  })

  test('is dropped once they show that it is forged', async () => {
    const at = await homeserver(world(), 'a.example')
    const { roomId } = await publicRoom(at)
    const event = await join(at, { roomId, signer: nodeSigner('c.example', 'a key of somebody else') })
    await receive(at, [event.pdu])
    comes(at)
    await at.clock.run(3_600_000)
    expect(await at.store.event(event.eventId)).toBeUndefined()
    expect(await staged(at)).toEqual([])
  })

  test('is given up after hours, and refused at once where a hundred from the same server wait', async () => {
    const at = await homeserver(world(), 'a.example')
    const { roomId } = await publicRoom(at)
    const events = await Promise.all(
      Array.from({ length: 101 }, (_, n) => join(at, { roomId, name: `user${n}`, signer: nodeSigner('c.example') })),
    )
    const pdus = events.map(({ pdu }) => pdu)
    const results = Object.values({
      ...(await receive(at, pdus.slice(0, 50))),
      ...(await receive(at, pdus.slice(50))),
    })
    expect(results.filter(({ error }) => error !== undefined)).toEqual([{ error: 'no key of c.example is known that signed it' }])
    expect(await staged(at)).toHaveLength(100)
    await at.clock.run(24 * 3_600_000)
    expect(await staged(at)).toEqual([])
  })
})
