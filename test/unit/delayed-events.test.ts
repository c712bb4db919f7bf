import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const unstable = '/unstable/org.matrix.msc4140/delayed_events'

async function delay(api: ClientApi, path: string, body: JsonObject, ms = 10_000): Promise<string> {
  return String((await api.put(alice, `${path}?org.matrix.msc4140.delay=${ms}`, body)).delay_id)
}

const messagePath = (roomId: string, id = '1') => `/v3/rooms/${encode(roomId)}/send/m.room.message/${id}`
const statePath = (roomId: string, key = alice) => `/v3/rooms/${encode(roomId)}/state/m.call.member/${key}`

async function saidIn(api: ClientApi, roomId: string) {
  return said(listAt(await api.get(alice, `/v3/rooms/${encode(roomId)}/messages?dir=b&limit=3`), 'chunk'))
}

describe('a delayed event', () => {
  test('is sent when its delay is over, and not before', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const id = await delay(api, messagePath(roomId), { msgtype: 'm.text', body: 'later' })
    expect(listAt(await api.get(alice, unstable), 'delayed_events')).toEqual([
      {
        delay_id: id,
        room_id: roomId,
        type: 'm.room.message',
        delay: 10_000,
        running_since: api.clock.now(),
        content: { msgtype: 'm.text', body: 'later' },
      },
    ])
    await api.clock.run(9_000)
    expect(await saidIn(api, roomId)).not.toContain('later')
    await api.clock.run(2_000)
    expect(await saidIn(api, roomId)).toContain('later')
    expect(listAt(await api.get(alice, unstable), 'delayed_events')).toEqual([])
  })

  test('waits anew when it is restarted, goes at once when sent, and never when cancelled, by whoever knows its id', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const restarted = await delay(api, messagePath(roomId, 'a'), { body: 'restarted' })
    const cancelled = await delay(api, messagePath(roomId, 'b'), { body: 'cancelled' })
    const sent = await delay(api, messagePath(roomId, 'c'), { body: 'sent' })
    await api.clock.run(8_000)
    await api.post('', `${unstable}/${restarted}/restart`)
    await api.post('', `${unstable}/${cancelled}`, { action: 'cancel' })
    await api.post('', `${unstable}/${sent}/send`)
    expect(await saidIn(api, roomId)).toContain('sent')
    await api.clock.run(8_000)
    expect(await saidIn(api, roomId)).not.toContain('restarted')
    await api.clock.run(3_000)
    const all = await saidIn(api, roomId)
    expect(all).toContain('restarted')
    expect(all).not.toContain('cancelled')
    expect((await api.ask('', 'POST', `${unstable}/${sent}/send`)).body.errcode).toBe('M_NOT_FOUND')
  })

  test('outlives a restart, and is sent once though it became due meanwhile', async () => {
    const storage = new MemoryStorage()
    const api = await openClientApi({ storage })
    const roomId = await api.createRoom(alice)
    await delay(api, messagePath(roomId), { body: 'later' })
    await api.delayedEvents.stop()
    const again = await openClientApi({ storage })
    await again.clock.run(11_000)
    await again.delayedEvents.stop()
    const third = await openClientApi({ storage })
    await third.clock.run(11_000)
    expect((await saidIn(third, roomId)).filter((text) => text === 'later')).toHaveLength(1)
  })

  test('of a room’s state gives way to what another user says of it, and not to its own user', async () => {
    const api = await openClientApi()
    const power = { state_default: 0 }
    const roomId = await api.createRoom(alice, { preset: 'public_chat', power_level_content_override: power })
    await api.join(bob, roomId)
    await delay(api, statePath(roomId, 'shared'), { here: false })
    await api.put(alice, statePath(roomId, 'shared'), { here: true })
    expect(listAt(await api.get(alice, unstable), 'delayed_events')).toHaveLength(1)
    await api.put(bob, statePath(roomId, 'shared'), { taken: true })
    expect(listAt(await api.get(alice, unstable), 'delayed_events')).toEqual([])
    await api.clock.run(20_000)
    expect(await api.get(alice, statePath(roomId, 'shared'))).toEqual({ taken: true })
  })

  test('is the same when its request is repeated', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const first = await delay(api, messagePath(roomId), { body: 'once' })
    expect(await delay(api, messagePath(roomId), { body: 'once' })).toBe(first)
    await api.clock.run(11_000)
    expect((await saidIn(api, roomId)).filter((text) => text === 'once')).toHaveLength(1)
  })

  test('that cannot be sent when it is due is dropped', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    await delay(api, messagePath(roomId), { body: 'too late' })
    await api.post(alice, `/v3/rooms/${encode(roomId)}/leave`)
    await api.clock.run(11_000)
    expect(listAt(await api.get(alice, unstable), 'delayed_events')).toEqual([])
    expect(await saidIn(api, roomId)).not.toContain('too late')
  })

  test('is refused beyond the limits, and outside of one’s rooms', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const ask = (who: string, ms: string, id: string) =>
      api.ask(who, 'PUT', `${messagePath(roomId, id)}?org.matrix.msc4140.delay=${ms}`, { body: '' })
    expect((await ask(alice, String(25 * 3600_000), 'long')).body.errcode).toBe('M_FORBIDDEN')
    expect((await ask(alice, 'soon', 'odd')).body.errcode).toBe('M_INVALID_PARAM')
    expect((await ask(bob, '1000', 'outside')).body.errcode).toBe('M_FORBIDDEN')
    for (let i = 0; i < 100; i++) await delay(api, messagePath(roomId, `${i}`), { body: '' })
    const { status, body } = await ask(alice, '1000', 'more')
    expect([status, body.errcode, body.retry_after_ms]).toEqual([429, 'M_LIMIT_EXCEEDED', 10_000])
    expect((await api.ask('', 'POST', `${unstable}/nothing`, { action: 'explode' })).body.errcode).toBe('M_INVALID_PARAM')
  })
})
