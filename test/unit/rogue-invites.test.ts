import { describe, expect, test } from 'vitest'
import type { Pdu, RoomId } from '../../src/spec/event.ts'
import { contentHash } from '../../src/spec/event-hash.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { foundRoom, stateOf } from './rogue-room.ts'
import { type Home, homeWorld, RogueServer } from './rogue-server.ts'

/** A room of another server, which home is not in, and an invitation of alice to it. */
async function invited(version = '12') {
  const home = await homeWorld()
  const rogue = new RogueServer(home, 'rogue.example', version)
  const roomId = await foundRoom(rogue, { joinRule: 'invite' })
  const member = { type: 'm.room.member', stateKey: home.alice.userId, content: { membership: 'invite' } }
  const pdu = await rogue.make(member)
  return { home, rogue, roomId, pdu }
}

function v2(rogue: RogueServer, pdu: Pdu, { roomId = rogue.roomId, by = rogue }: { roomId?: RoomId; by?: RogueServer } = {}) {
  const body = {
    room_version: rogue.rules.version,
    event: pdu,
    invite_room_state: stateOf(rogue).filter(({ type }) => type !== 'm.room.member'),
  }
  return by.refused('PUT', ['v2', 'invite', roomId, rogue.idOf(pdu)], { body })
}

async function invitationsOf(home: Home): Promise<string[]> {
  const { rooms } = await home.must('GET', '/v3/sync')
  return Object.keys(isObject(rooms) && isObject(rooms.invite) ? rooms.invite : {})
}

const changed = (rogue: RogueServer, pdu: Pdu, change: JsonObject) => {
  const other: Pdu = { ...pdu, ...change }
  return rogue.sign({ ...other, hashes: { sha256: contentHash(other) }, signatures: {} })
}

describe('nothing is signed for another server but its invitation of a user of ours', () => {
  test.each<[string, JsonObject]>([
    ['a join', { content: { membership: 'join' } }],
    ['a leave', { content: { membership: 'leave' } }],
    ['power', { type: 'm.room.power_levels' }],
    ['a message', { type: 'm.room.message' }],
    ['an invitation of a user of another server', { state_key: '@bob:honest.example' }],
    ['an invitation by a user of ours', { sender: '@alice:home.example' }],
    ['an invitation to another room', { room_id: `!${'A'.repeat(43)}` }],
  ])('not %s', async (_name, change) => {
    const { home, rogue, pdu } = await invited()
    expect(await v2(rogue, await changed(rogue, pdu, change))).toEqual({ status: 400, errcode: 'M_INVALID_PARAM' })
    expect(await invitationsOf(home)).toEqual([])
  })

  test('not one with a forged signature, nor one of a third server', async () => {
    const { home, rogue, pdu } = await invited()
    const refused = { status: 400, errcode: 'M_INVALID_PARAM' }
    expect(await v2(rogue, { ...pdu, signatures: { [rogue.name]: { 'ed25519:1': 'A'.repeat(86) } } })).toEqual(refused)
    expect(await v2(rogue, pdu, { by: new RogueServer(home, 'third.example') })).toEqual(refused)
    expect(await invitationsOf(home)).toEqual([])
  })

  test('not one by a third party that somebody else sends in the name of a user of ours', async () => {
    const { rogue, pdu } = await invited()
    const content = {
      membership: 'invite',
      third_party_invite: { display_name: 'a', signed: { mxid: pdu.state_key ?? '', token: 't', signatures: {} } },
    }
    const refused = { status: 400, errcode: 'M_INVALID_PARAM' }
    expect(await v2(rogue, await changed(rogue, pdu, { sender: '@alice:home.example', content }))).toEqual(refused)
  })
})

describe('an invitation', () => {
  test('to a room of version 1 comes by the old request, too, and is answered as of old', async () => {
    const { home, rogue, roomId, pdu } = await invited('1')
    const body = { ...pdu, unsigned: { invite_room_state: stateOf(rogue) } }
    const path = ['federation', 'v1', 'invite', roomId, rogue.idOf(pdu)]
    const sent = rogue.client.answer('home.example', { method: 'PUT', path, body })
    await home.clock.run(2_000)
    const answer: unknown = JSON.parse(new TextDecoder().decode((await sent).bytes))
    expect(answer).toEqual([
      200,
      { event: expect.objectContaining({ ...pdu, signatures: expect.objectContaining({ 'home.example': expect.anything() }) }) },
    ])
    const { rooms } = await home.must('GET', '/v3/sync')
    expect(JSON.stringify(rooms)).toContain('made by a rogue')
    await home.must('POST', `/v3/join/${encodeURIComponent(roomId)}`)
    await home.say(roomId, 'here')
    expect(await home.history(roomId)).toEqual(['here'])
  })

  test('is refused for who blocks invitations, by either request', async () => {
    for (const version of ['1', '12']) {
      const { home, rogue, roomId, pdu } = await invited(version)
      const path = `/v3/user/${encodeURIComponent(home.alice.userId)}/account_data/m.invite_permission_config`
      await home.must('PUT', path, { default_action: 'block' })
      const blocked = { status: 403, errcode: 'M_INVITE_BLOCKED' }
      expect(await v2(rogue, pdu)).toEqual(blocked)
      if (version === '1') expect(await rogue.refused('PUT', ['v1', 'invite', roomId, rogue.idOf(pdu)], { body: pdu })).toEqual(blocked)
      await home.must('PUT', path, {})
      expect(await invitationsOf(home)).toEqual([])
    }
  })

  test('ends when the server that sent it says so, and no other', async () => {
    const { home, rogue, roomId, pdu } = await invited()
    await v2(rogue, pdu)
    const third = new RogueServer(home, 'third.example')
    third.roomId = roomId
    const member = { type: 'm.room.member', stateKey: home.alice.userId, content: { membership: 'leave' } }
    await third.send(await third.make({ ...member, prevEvents: [rogue.idOf(pdu)], authEvents: [rogue.idOf(pdu)] }))
    const end = await rogue.make(member)
    await rogue.send({ ...end, signatures: { [rogue.name]: { 'ed25519:1': 'A'.repeat(86) } } })
    await home.settle()
    expect(await invitationsOf(home)).toEqual([roomId])
    await rogue.send(end)
    await home.settle()
    expect(await invitationsOf(home)).toEqual([])
  })

  test('is not ended by what ended another before, and is by what a third server brings of the one that sent it', async () => {
    const { home, rogue, roomId, pdu } = await invited()
    await v2(rogue, pdu)
    const third = new RogueServer(home, 'third.example')
    const member = { type: 'm.room.member', stateKey: home.alice.userId }
    const end = await rogue.make({ ...member, content: { membership: 'leave' } })
    await rogue.send(end)
    await home.settle()
    expect(await invitationsOf(home)).toEqual([])
    await v2(rogue, await rogue.make({ ...member, content: { membership: 'invite' } }))
    for (const bringer of [rogue, third]) await bringer.send(end)
    await home.settle()
    expect(await invitationsOf(home)).toEqual([roomId])
    await third.send(await rogue.make({ ...member, content: { membership: 'leave' } }))
    await home.settle()
    expect(await invitationsOf(home)).toEqual([])
  })

  test('that is turned down is told to the server that sent it', async () => {
    const { home, rogue, roomId, pdu } = await invited()
    await v2(rogue, pdu)
    await home.must('POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`)
    const left = rogue.asked.find(({ path }) => path.includes('/send_leave/'))?.body
    expect(left).toMatchObject({
      sender: home.alice.userId,
      state_key: home.alice.userId,
      room_id: roomId,
      content: { membership: 'leave' },
    })
    expect(await invitationsOf(home)).toEqual([])
  })

  test('is one of a hundred that a server may have open with one user', async () => {
    const { home, rogue, pdu } = await invited('11')
    const statuses = new Set<number>()
    for (let i = 0; i < 100; i++) {
      const roomId = `!${i}:rogue.example`
      statuses.add((await v2(rogue, await changed(rogue, pdu, { room_id: roomId }), { roomId })).status)
    }
    expect([...statuses]).toEqual([200])
    expect(await v2(rogue, pdu)).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
    expect(await invitationsOf(home)).toHaveLength(100)
  })
})
