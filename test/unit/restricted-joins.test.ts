import { expect, test } from 'vitest'
import type { Pdu, UserId } from '../../src/spec/event.ts'
import { isObject } from '../../src/spec/json.ts'
import { homeWorld, RogueServer } from './rogue-server.ts'

/** A room of alice's for members of her club, which a server is in whose user `friend` is of the club. */
async function restrictedRoom() {
  const home = await homeWorld()
  const [club, roomId] = [await home.room(), await home.room()]
  const rogue = new RogueServer(home, 'rogue.example')
  const friend = '@friend:rogue.example'
  await rogue.join(club, friend)
  rogue.state.clear()
  await rogue.join(roomId)
  rogue.script = ({ path, body }) => {
    const pdus = path.includes('/v1/send/') && Array.isArray(body.pdus) ? body.pdus.filter(isObject) : []
    for (const pdu of pdus) if (pdu.room_id === roomId) rogue.know(pdu)
    return undefined
  }
  await home.setState(roomId, 'm.room.join_rules', { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: club }] })
  await home.clock.run(5_000)
  const sendJoin = async (userId: UserId) => {
    const content = { membership: 'join', join_authorised_via_users_server: home.alice.userId }
    const join: Pdu = await rogue.make({ type: 'm.room.member', stateKey: userId, sender: userId, content, aside: true })
    return rogue.refused('PUT', ['v2', 'send_join', roomId, rogue.idOf(join)], { body: join })
  }
  const members = async () => Object.keys((await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)).joined ?? {})
  return { friend, sendJoin, members }
}

test('a join that names a user of ours is signed for who meets the conditions of the room', async () => {
  const { friend, sendJoin, members } = await restrictedRoom()
  expect((await sendJoin(friend)).status).toBe(200)
  expect(await members()).toContain(friend)
})

test('and for nobody else, whoever it names', async () => {
  const { sendJoin, members } = await restrictedRoom()
  const stranger = '@stranger:rogue.example'
  expect(await sendJoin(stranger)).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
  expect(await members()).not.toContain(stranger)
})
