import { expect, test } from 'vitest'
import type { Pdu, UserId } from '../../src/spec/event.ts'
import { isObject } from '../../src/spec/json.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedClient } from '../simulation/simulated-client.ts'
import { within } from './federation-party.ts'
import { foundRoom, hosted } from './rogue-room.ts'
import { type Asked, homeWorld, RogueServer } from './rogue-server.ts'

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
  return { home, club, roomId, rogue, friend, sendJoin, members }
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

test('the answer to who wants to join says whether another server may be able to let them in', async () => {
  const { home, club, roomId, rogue, friend, sendJoin } = await restrictedRoom()
  const makeJoin = (userId: UserId) => rogue.refused('GET', ['v1', 'make_join', roomId, userId], { query: [['ver', '12']] })
  expect(await makeJoin('@stranger:rogue.example')).toEqual({ status: 403, errcode: 'M_FORBIDDEN' })
  expect((await makeJoin(friend)).status).toBe(200)
  await home.must('POST', `/v3/rooms/${encodeURIComponent(club)}/leave`)
  const unable = { status: 400, errcode: 'M_UNABLE_TO_AUTHORISE_JOIN' }
  expect(await makeJoin(friend)).toEqual(unable)
  expect(await sendJoin(friend)).toEqual(unable)
})

test('and that nobody here may let them in', async () => {
  const { home, roomId, rogue, friend } = await restrictedRoom()
  await home.must('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${rogue.userId}`, { membership: 'ban' })
  const bob = new SimulatedClient(home.server, 'bob', { clock: home.clock, random: new SeededRandom(8) })
  await within(home, 10_000, bob.register())
  await home.must('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.power_levels/`, { invite: 60 })
  await home.must('POST', `/v3/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: bob.userId })
  await within(home, 10_000, bob.must('POST', `/v3/join/${encodeURIComponent(roomId)}`))
  await home.must('POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`)
  const query: [string, string][] = [['ver', '12']]
  const refusal = await rogue.refused('GET', ['v1', 'make_join', roomId, friend], { query })
  expect(refusal).toEqual({ status: 400, errcode: 'M_UNABLE_TO_GRANT_JOIN' })
})

test('a user of ours whom we cannot let in joins through a server that can, and the room goes on as it was', async () => {
  const home = await homeWorld()
  const rogue = new RogueServer(home, 'rogue.example', '11')
  const allow = [{ type: 'm.room_membership', room_id: '!club:rogue.example' }]
  const roomId = await foundRoom(rogue)
  await home.must('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${rogue.name}`)
  const rules = await rogue.make({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'restricted', allow } })
  await rogue.send(rules)
  await home.settle()
  const said = await home.say(roomId, 'before')
  await home.clock.run(5_000)
  for (const pdu of rogue.received) if (pdu.type === 'm.room.message') rogue.know(pdu)
  rogue.script = (asked) => authorised(rogue, asked)
  const bob = new SimulatedClient(home.server, 'bob', { clock: home.clock, random: new SeededRandom(8) })
  await within(home, 10_000, bob.register())
  const join = `/v3/join/${encodeURIComponent(roomId)}?via=${rogue.name}`
  const expectNotToJoin = async () => {
    expect((await within(home, 60_000, bob.ask('POST', join)))?.status).toBe(502)
    for (const key of rogue.state.keys()) if (key.endsWith(bob.userId)) rogue.state.delete(key)
  }
  await expectNotToJoin()
  const forged = { [rogue.name]: { 'ed25519:1': 'A'.repeat(86) } }
  rogue.script = (asked) => {
    const event = { ...asked.body, signatures: { ...Object(asked.body.signatures), ...forged } }
    return asked.path.includes('/send_join/') ? { ...authorised(rogue, asked), event } : authorised(rogue, asked)
  }
  await expectNotToJoin()
  rogue.script = (asked) => authorised(rogue, asked)
  rogue.countersigns = true
  await within(home, 60_000, bob.must('POST', join))
  const { joined } = await home.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)
  expect(Object.keys(Object(joined)).sort()).toEqual([bob.userId, home.alice.userId, rogue.userId].sort())
  expect(await home.shown(roomId, said)).toBeDefined()
  await home.say(roomId, 'after')
  expect(await home.history(roomId)).toEqual(['after', 'before'])
})

/** A resident that lets everybody in: it names its own user, and signs. */
function authorised(rogue: RogueServer, asked: Asked) {
  const answer = hosted(rogue, asked)
  if (!asked.path.includes('/make_join/') || !isObject(answer) || !isObject(answer.event)) return answer
  const cited = [...rogue.state].flatMap(([key, eventId]) => (key.endsWith(rogue.userId) ? eventId : []))
  const events = Array.isArray(answer.event.auth_events) ? answer.event.auth_events : []
  const content = { membership: 'join', join_authorised_via_users_server: rogue.userId }
  return { ...answer, event: { ...answer.event, content, auth_events: [...events, ...cited] } }
}
