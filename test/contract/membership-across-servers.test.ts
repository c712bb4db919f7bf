import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { at, listAt } from '../unit/client-fixture.ts'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { type InProcessUser, registerUser } from './in-process-user.ts'
import { hasSpecification, withoutSpecification } from './specification/documents.ts'

const network = new InProcessNetwork()
let here: InProcessHomeserver
let there: InProcessHomeserver
let host: InProcessUser

beforeAll(async () => {
  here = await network.start('a.example')
  there = await network.start('b.example')
  host = await registerUser(here, 'host')
})

afterAll(() => network.stop())

const encode = encodeURIComponent

/** Asks for `/sync` until it shows what is looked for. */
async function synced(user: InProcessUser, since: unknown, found: (sync: JsonObject) => boolean): Promise<JsonObject> {
  for (let from = since; ; ) {
    const sync = await user.call('GET', `sync?timeout=30000${from === undefined ? '' : `&since=${String(from)}`}`)
    if (!isObject(sync)) throw new Error('the answer is no object')
    if (found(sync)) return sync
    from = sync.next_batch
  }
}

const invitedTo = (roomId: string) => (sync: JsonObject) => at(sync, 'rooms', 'invite', roomId) !== undefined
const leftFrom = (roomId: string) => (sync: JsonObject) => at(sync, 'rooms', 'leave', roomId) !== undefined

describe('an invitation of another server', () => {
  test('that is taken back goes, and shows by whom and why', async () => {
    const guest = await registerUser(there, 'withdrawn')
    const { room_id: room } = await host.call('POST', 'createRoom', { preset: 'private_chat', invite: [guest.userId] })
    const roomId = String(room)
    const { next_batch: since } = await synced(guest, undefined, invitedTo(roomId))
    await host.call('POST', `rooms/${encode(roomId)}/kick`, { user_id: guest.userId, reason: 'a mistake' })
    const sync = await synced(guest, since, leftFrom(roomId))
    expect(listAt(sync, 'rooms', 'leave', roomId, 'timeline', 'events')).toEqual([
      expect.objectContaining({
        type: 'm.room.member',
        sender: host.userId,
        state_key: guest.userId,
        event_id: expect.any(String),
        origin_server_ts: expect.any(Number),
        content: { membership: 'leave', reason: 'a mistake' },
      }),
    ])
  })

  test('is turned down though whoever made it, and everybody else, has left', async () => {
    const guest = await registerUser(there, 'late')
    const { room_id: room } = await host.call('POST', 'createRoom', { preset: 'private_chat', invite: [guest.userId] })
    const roomId = String(room)
    const { next_batch: since } = await synced(guest, undefined, invitedTo(roomId))
    await host.call('POST', `rooms/${encode(roomId)}/leave`, {})
    await guest.call('POST', `rooms/${encode(roomId)}/leave`, {})
    const sync = await synced(guest, since, leftFrom(roomId))
    expect(listAt(sync, 'rooms', 'leave', roomId, 'timeline', 'events')).toMatchObject([
      { type: 'm.room.member', sender: guest.userId, content: { membership: 'leave' } },
    ])
  })
})

test('who may join a restricted room, and whom nobody of their server may let in, is let in by another server', async () => {
  const [alice, bob] = [await registerUser(there, 'alice'), await registerUser(there, 'bob')]
  const { room_id: club } = await host.call('POST', 'createRoom', { preset: 'public_chat' })
  const { room_id: room } = await host.call('POST', 'createRoom', {
    preset: 'public_chat',
    power_level_content_override: { invite: 50 },
    initial_state: [
      {
        type: 'm.room.join_rules',
        state_key: '',
        content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: club }] },
      },
    ],
  })
  const [clubId, roomId] = [String(club), String(room)]
  await host.call('POST', `rooms/${encode(roomId)}/invite`, { user_id: alice.userId })
  await alice.call('POST', `join/${encode(roomId)}?via=${here.name}`, {})
  const { event_id: said } = await alice.call('PUT', `rooms/${encode(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hello' })
  await expect(bob.call('POST', `join/${encode(roomId)}`, {})).rejects.toThrow('M_FORBIDDEN')
  await bob.call('POST', `join/${encode(clubId)}?via=${here.name}`, {})
  await bob.call('POST', `join/${encode(roomId)}`, {})
  for (const user of [host, alice, bob]) {
    await synced(user, undefined, (sync) =>
      listAt(sync, 'rooms', 'join', roomId, 'timeline', 'events').some(
        ({ type, state_key: stateKey, content }) =>
          type === 'm.room.member' && stateKey === bob.userId && at(content, 'membership') === 'join',
      ),
    )
  }
  // What their own server has heard of the room is not lost by that.
  const { event_id: answer } = await bob.call('PUT', `rooms/${encode(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hi' })
  const { chunk } = await bob.call('GET', `rooms/${encode(roomId)}/messages?dir=b&limit=50`)
  const shown = Array.isArray(chunk) ? chunk.map((event) => event.event_id) : []
  expect(shown).toEqual(expect.arrayContaining([said, answer]))
})

test('all that was said, by clients and between the homeservers, is as the specification has it', ({ skip }) => {
  skip(!hasSpecification, withoutSpecification)
  expect(network.violations()).toEqual([])
})
