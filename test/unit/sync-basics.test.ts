import { describe, expect, test } from 'vitest'
import { at, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'

describe('an initial sync', () => {
  test('gives the newest events, the state before them, and where to go back from', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'Den', preset: 'public_chat' })
    for (let i = 0; i < 15; i++) await api.send(alice, roomId, `${i}`)
    const response = await api.get(alice, '/v3/sync?set_presence=offline')
    const room = at(response, 'rooms', 'join', roomId)
    const timeline = listAt(room, 'timeline', 'events')
    expect(said(timeline)).toEqual(['5', '6', '7', '8', '9', '10', '11', '12', '13', '14'])
    expect(at(room, 'timeline', 'limited')).toBe(true)
    expect(listAt(room, 'state', 'events').map(({ type }) => type)).toEqual(
      expect.arrayContaining(['m.room.create', 'm.room.member', 'm.room.power_levels', 'm.room.name', 'm.room.join_rules']),
    )
    const back = await api.get(
      alice,
      `/v3/rooms/${encode(roomId)}/messages?dir=b&limit=3&from=${String(at(room, 'timeline', 'prev_batch'))}`,
    )
    expect(said(listAt(back, 'chunk'))).toEqual(['4', '3', '2'])
  })

  test('of a room whose history fits into the timeline has no state beside it', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const response = await api.get(alice, `/v3/sync?filter=${encode(JSON.stringify({ room: { timeline: { limit: 50 } } }))}`)
    const room = at(response, 'rooms', 'join', roomId)
    expect(at(room, 'timeline', 'limited')).toBe(false)
    expect(listAt(room, 'state', 'events')).toEqual([])
    expect(said(listAt(room, 'timeline', 'events'))[0]).toBe('m.room.create')
  })

  test('with use_state_after gives the state at the end, and no state at the start', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { name: 'Den' })
    const room = at(await api.get(alice, '/v3/sync?use_state_after=true'), 'rooms', 'join', roomId)
    expect(at(room, 'state')).toBeUndefined()
    expect(listAt(room, 'state_after', 'events').find(({ type }) => type === 'm.room.name')?.content).toEqual({ name: 'Den' })
  })
})

describe('an incremental sync', () => {
  test('gives only what is new, and nothing twice', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const other = await api.createRoom(alice)
    const first = await api.get(alice, '/v3/sync?set_presence=offline')
    await api.send(alice, roomId, 'one')
    const second = await api.get(alice, `/v3/sync?since=${String(first.next_batch)}`)
    expect(said(listAt(second, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['one'])
    expect(at(second, 'rooms', 'join', roomId, 'timeline', 'limited')).toBe(false)
    expect(listAt(second, 'rooms', 'join', roomId, 'state', 'events')).toEqual([])
    expect(at(second, 'rooms', 'join', other)).toBeUndefined()
    const third = await api.get(alice, `/v3/sync?since=${String(second.next_batch)}`)
    expect(third.rooms).toBeUndefined()
  })

  test('leaves a gap where more is new than fits, with the state that changed in it', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const first = await api.get(alice, '/v3/sync?set_presence=offline')
    await api.put(alice, `/v3/rooms/${encode(roomId)}/state/m.room.topic`, { topic: 'in the gap' })
    for (let i = 0; i < 12; i++) await api.send(alice, roomId, `${i}`)
    const room = at(await api.get(alice, `/v3/sync?since=${String(first.next_batch)}`), 'rooms', 'join', roomId)
    expect(at(room, 'timeline', 'limited')).toBe(true)
    expect(said(listAt(room, 'timeline', 'events'))).toEqual(['2', '3', '4', '5', '6', '7', '8', '9', '10', '11'])
    expect(listAt(room, 'state', 'events').map(({ type }) => type)).toEqual(['m.room.topic'])
    const prevBatch = String(at(room, 'timeline', 'prev_batch'))
    const gap = await api.get(alice, `/v3/rooms/${encode(roomId)}/messages?dir=b&from=${prevBatch}&to=${String(first.next_batch)}`)
    expect(said(listAt(gap, 'chunk'))).toEqual(['1', '0', 'm.room.topic'])
    expect(gap.end).toBeUndefined()
  })

  test('shows a room just joined as a whole, with what was said before as far as it may be seen', async () => {
    const api = await openClientApi()
    const first = await api.get(bob, '/v3/sync')
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.send(alice, roomId, 'before')
    await api.join(bob, roomId)
    await api.send(alice, roomId, 'after')
    const room = at(await api.get(bob, `/v3/sync?since=${String(first.next_batch)}`), 'rooms', 'join', roomId)
    expect(said(listAt(room, 'timeline', 'events'))).toEqual(expect.arrayContaining(['before', 'm.room.member', 'after']))
    expect(at(room, 'timeline', 'limited')).toBe(true)
    expect(at(room, 'summary')).toEqual({ 'm.heroes': [alice], 'm.joined_member_count': 2, 'm.invited_member_count': 0 })
  })

  test('waits until something happens, and ends with nothing when its time is up', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const { next_batch: since } = await api.get(alice, '/v3/sync?set_presence=offline')
    const waiting = api.get(alice, `/v3/sync?set_presence=offline&timeout=30000&since=${String(since)}`)
    await api.clock.run(10_000)
    await api.send(alice, roomId, 'hello')
    const woken = await waiting
    expect(said(listAt(woken, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['hello'])
    const idle = api.get(alice, `/v3/sync?set_presence=offline&timeout=30000&since=${String(woken.next_batch)}`)
    await api.clock.run(40_000)
    expect((await idle).rooms).toBeUndefined()
    expect(api.clock.now()).toBeGreaterThanOrEqual(1_700_000_050_000)
  })

  test('is not ended by what is none of the user’s business', async () => {
    const api = await openClientApi()
    await api.createRoom(alice)
    const { next_batch: since } = await api.get(alice, '/v3/sync?set_presence=offline')
    const bobsRoom = await api.createRoom(bob)
    let answered = false
    const waiting = api.get(alice, `/v3/sync?set_presence=offline&timeout=20000&since=${String(since)}`).then((response) => {
      answered = true
      return response
    })
    await api.clock.run(1_000)
    await api.send(bob, bobsRoom, 'secret')
    await api.clock.run(1_000)
    expect(answered).toBe(false)
    await api.clock.run(20_000)
    expect((await waiting).rooms).toBeUndefined()
  })

  test('refuses a token of another incarnation, of the future, or of no homeserver at all', async () => {
    const api = await openClientApi({ incarnation: 2 })
    await api.createRoom(alice)
    for (const since of ['s1_1', 's99999999_2', 'nonsense', 't1_1', '']) {
      const { status, body } = await api.ask(alice, 'GET', `/v3/sync?since=${since}`)
      expect([status, body.errcode]).toEqual([400, 'M_INVALID_PARAM'])
    }
  })
})

describe('invitations and departures', () => {
  test('an invitation comes with the stripped state of the room, and goes with its refusal', async () => {
    const api = await openClientApi()
    const first = await api.get(bob, '/v3/sync')
    const roomId = await api.createRoom(alice, { name: 'Den', invite: [bob] })
    const second = await api.get(bob, `/v3/sync?since=${String(first.next_batch)}`)
    const events = listAt(second, 'rooms', 'invite', roomId, 'invite_state', 'events')
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['m.room.create', 'm.room.name', 'm.room.join_rules']))
    expect(events.find(({ state_key: stateKey }) => stateKey === bob)?.content).toMatchObject({ membership: 'invite' })
    for (const event of events) expect(Object.keys(event).sort()).toEqual(['content', 'sender', 'state_key', 'type'])
    await api.post(bob, `/v3/rooms/${encode(roomId)}/leave`)
    const third = await api.get(bob, `/v3/sync?since=${String(second.next_batch)}`)
    const left = at(third, 'rooms', 'leave', roomId)
    expect(listAt(left, 'timeline', 'events').map(({ content }) => content)).toEqual([{ membership: 'leave' }])
    expect(listAt(left, 'state', 'events')).toEqual([])
  })

  test('who was kicked sees the room up to that, and nothing after', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice, { preset: 'public_chat' })
    await api.join(bob, roomId)
    const first = await api.get(bob, '/v3/sync')
    await api.send(alice, roomId, 'last words')
    await api.post(alice, `/v3/rooms/${encode(roomId)}/kick`, { user_id: bob, reason: 'noise' })
    await api.send(alice, roomId, 'he is gone')
    const second = await api.get(bob, `/v3/sync?since=${String(first.next_batch)}`)
    expect(at(second, 'rooms', 'join')).toBeUndefined()
    expect(said(listAt(second, 'rooms', 'leave', roomId, 'timeline', 'events'))).toEqual(['last words', 'm.room.member'])
    const third = await api.get(bob, `/v3/sync?since=${String(second.next_batch)}`)
    expect(third.rooms).toBeUndefined()
    const messages = await api.get(bob, `/v3/rooms/${encode(roomId)}/messages?dir=b&limit=2`)
    expect(said(listAt(messages, 'chunk'))).toEqual(['m.room.member', 'last words'])
  })

  test('a room that was left is shown anew only to who asks for it', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    await api.send(alice, roomId, 'bye')
    await api.post(alice, `/v3/rooms/${encode(roomId)}/leave`)
    expect((await api.get(alice, '/v3/sync?set_presence=offline')).rooms).toBeUndefined()
    const filter = encode(JSON.stringify({ room: { include_leave: true, timeline: { limit: 2 } } }))
    const left = at(await api.get(alice, `/v3/sync?filter=${filter}`), 'rooms', 'leave', roomId)
    expect(said(listAt(left, 'timeline', 'events'))).toEqual(['bye', 'm.room.member'])
    await api.post(alice, `/v3/rooms/${encode(roomId)}/forget`)
    expect((await api.get(alice, `/v3/sync?filter=${filter}`)).rooms).toBeUndefined()
  })
})
