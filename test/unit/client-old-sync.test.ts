import { beforeEach, expect, test } from 'vitest'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const guest = '@guest:a.example'
let home: ClientApi
let roomId: string

beforeEach(async () => {
  home = await openClientApi()
  roomId = await home.createRoom(alice, { preset: 'public_chat' })
})

const setState = (type: string, content: object) => home.put(alice, `/v3/rooms/${encode(roomId)}/state/${type}`, content)

test('initialSync shows rooms with state and the newest messages, and invitations', async () => {
  for (const text of ['one', 'two', 'three']) await home.send(alice, roomId, text)
  await home.createRoom(bob, { invite: [alice] })
  const answer = await home.get(alice, '/v3/initialSync?limit=2')
  const [room, invited] = listAt(answer, 'rooms')
  expect(room).toMatchObject({ room_id: roomId, membership: 'join', visibility: 'private' })
  expect(said(listAt(room, 'messages', 'chunk'))).toEqual(['two', 'three'])
  expect(listAt(room, 'state').map(({ type }) => type)).toContain('m.room.create')
  expect(invited).toMatchObject({ membership: 'invite', invite: { type: 'm.room.member', sender: bob } })
  const earlier = await home.get(alice, `/v3/rooms/${encode(roomId)}/messages?dir=b&limit=1&from=${at(room, 'messages', 'start')}`)
  expect(said(listAt(earlier, 'chunk'))).toEqual(['one'])
})

test('events go on from there, and wait for what is new', async () => {
  const { end } = await home.get(alice, '/v3/initialSync')
  const waiting = home.get(alice, `/v3/events?from=${end}&timeout=20000`)
  await home.send(alice, roomId, 'hello')
  const answer = await waiting
  expect(listAt(answer, 'chunk')).toMatchObject([{ room_id: roomId, content: { body: 'hello' } }])
  const later = home.get(alice, `/v3/events?from=${answer.end}&timeout=5000`)
  await home.clock.run(5001)
  expect((await later).chunk).toEqual([])
})

test('a room that anyone may read is shown to a guest, who follows it; others are not', async () => {
  expect((await home.ask(guest, 'GET', `/v3/rooms/${encode(roomId)}/initialSync`)).body.errcode).toBe('M_FORBIDDEN')
  await setState('m.room.history_visibility', { history_visibility: 'world_readable' })
  const { body } = await home.ask(guest, 'GET', `/v3/rooms/${encode(roomId)}/initialSync`)
  expect(body).toMatchObject({ room_id: roomId, visibility: 'private' })
  expect(body).not.toHaveProperty('membership')
  const eventId = await home.send(alice, roomId, 'for all')
  const peeked = await home.get(guest, `/v3/events?room_id=${encode(roomId)}&from=${at(body, 'messages', 'end')}`)
  expect(said(listAt(peeked, 'chunk'))).toEqual(['for all'])
  expect((await home.ask(bob, 'GET', `/v3/events/${encode(eventId)}`)).body).toMatchObject({ content: { body: 'for all' } })
  expect((await home.ask(bob, 'GET', '/v3/events/$nothing')).body.errcode).toBe('M_NOT_FOUND')
})

test('guests join rooms that let them in, and leave when they no longer do', async () => {
  const join = () => home.ask(guest, 'POST', `/v3/join/${encode(roomId)}`, {})
  expect((await join()).body.errcode).toBe('M_GUEST_ACCESS_FORBIDDEN')
  await setState('m.room.guest_access', { guest_access: 'can_join' })
  expect((await join()).status).toBe(200)
  await home.send(guest, roomId, 'hello')
  await setState('m.room.guest_access', { guest_access: 'forbidden' })
  await home.guestAccess.idle()
  expect((await home.ask(guest, 'PUT', `/v3/rooms/${encode(roomId)}/send/m.room.message/9`, {})).status).toBe(403)
  expect((await home.ask(guest, 'POST', '/v3/createRoom', {})).body.errcode).toBe('M_GUEST_ACCESS_FORBIDDEN')
})

test('a suspended user redacts and leaves, and sends and joins nothing', async () => {
  const suspended = '@suspended:a.example'
  const other = await home.createRoom(alice, { preset: 'public_chat' })
  await home.sender.send({ roomId, sender: alice, type: 'org.example', content: {} })
  await home.membership.join({ userId: suspended, roomId, via: [] })
  const own = await home.sender.send({ roomId, sender: suspended, type: 'm.room.message', content: { body: 'mine' } })
  const others = await home.send(alice, roomId, 'hers')
  const room = `/v3/rooms/${encode(roomId)}`
  const errcode = async (method: string, path: string) => (await home.ask(suspended, method, path, {})).body.errcode
  expect(await errcode('PUT', `${room}/send/m.room.message/1`)).toBe('M_USER_SUSPENDED')
  expect(await errcode('PUT', `${room}/state/m.room.topic/`)).toBe('M_USER_SUSPENDED')
  expect(await errcode('POST', `/v3/join/${encode(other)}`)).toBe('M_USER_SUSPENDED')
  expect(await errcode('PUT', `${room}/redact/${encode(others)}/2`)).toBe('M_USER_SUSPENDED')
  expect(await errcode('PUT', `${room}/redact/${encode(own)}/3`)).toBeUndefined()
  expect(await errcode('POST', `${room}/leave`)).toBeUndefined()
})
