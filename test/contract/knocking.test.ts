import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { registerUser } from './in-process-user.ts'
import { hasSpecification, withoutSpecification } from './specification/documents.ts'

const network = new InProcessNetwork()
let here: InProcessHomeserver
let there: InProcessHomeserver

beforeAll(async () => {
  here = await network.start('a.example')
  there = await network.start('b.example')
})

afterAll(() => network.stop())

describe('knocking at a room of another homeserver', () => {
  test.each(['7', '10', '11', '12'])('whoever is let in joins, in room version %s', async (version) => {
    const host = await registerUser(here, `host${version}`)
    const guest = await registerUser(there, `guest${version}`)
    const { room_id: roomId } = await host.call('POST', 'createRoom', {
      room_version: version,
      preset: 'private_chat',
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
    })
    const id = encodeURIComponent(String(roomId))
    await guest.call('POST', `knock/${id}?via=${here.name}`, {})
    await host.call('POST', `rooms/${id}/invite`, { user_id: guest.userId })
    await guest.call('POST', `join/${id}?via=${here.name}`, {})
    const { joined } = await guest.call('GET', `rooms/${id}/joined_members`)
    expect(Object.keys(joined ?? {}).sort()).toEqual([guest.userId, host.userId].sort())
  })
})

test('all that was said, by clients and between the homeservers, is as the specification has it', ({ skip }) => {
  skip(!hasSpecification, withoutSpecification)
  expect(network.violations()).toEqual([])
})
