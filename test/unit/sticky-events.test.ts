import { describe, expect, test } from 'vitest'
import { stickyUntil } from '../../src/rooms/sticky-events.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const shortTimeline = encode(JSON.stringify({ room: { timeline: { limit: 1 } } }))
const extension = 'org.matrix.msc4354.sticky_events'

let transaction = 0
async function stick(api: ClientApi, roomId: string, body: string, more = ''): Promise<string> {
  const path = `/v3/rooms/${encode(roomId)}/send/m.room.message/s${++transaction}`
  const { event_id: eventId } = await api.put(alice, `${path}?org.matrix.msc4354.sticky_duration_ms=600000${more}`, { body })
  return String(eventId)
}

const sync = (api: ClientApi, who: string, since?: string) =>
  api.get(who, `/v3/sync?timeout=0&filter=${shortTimeline}${since === undefined ? '' : `&since=${since}`}`)
const stickyIn = (response: JsonObject, roomId: string) => said(listAt(response, 'rooms', 'join', roomId, 'msc4354_sticky', 'events'))

describe('a sticky event', () => {
  test('says how long it is sticky, and still will be', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const eventId = await stick(api, roomId, 'here')
    await api.clock.run(200_000)
    expect(await api.get(alice, `/v3/rooms/${encode(roomId)}/event/${encode(eventId)}`)).toMatchObject({
      msc4354_sticky: { duration_ms: 600_000 },
      unsigned: { msc4354_sticky_duration_ttl_ms: 400_000 },
    })
  })

  test('is told to who finds it in no timeline, once, and until it expires', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const { next_batch: since } = await sync(api, alice)
    await stick(api, roomId, 'here')
    const shown = await sync(api, alice, String(since))
    expect(said(listAt(shown, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['here'])
    expect(stickyIn(shown, roomId)).toEqual([])
    await api.send(alice, roomId, 'later')
    const gap = await sync(api, alice, String(since))
    expect(stickyIn(gap, roomId)).toEqual(['here'])
    expect(at(await sync(api, alice, String(gap.next_batch)), 'rooms', 'join', roomId)).toBeUndefined()
    expect(stickyIn(await sync(api, alice), roomId)).toEqual(['here'])
    await api.clock.run(601_000)
    expect(stickyIn(await sync(api, alice), roomId)).toEqual([])
  })

  test('is told to who joins later, whatever of the history they may see, and to nobody outside', async () => {
    const api = await openClientApi()
    const visibility = { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'joined' } }
    const roomId = await api.createRoom(alice, { preset: 'public_chat', initial_state: [visibility] })
    const { next_batch: since } = await sync(api, bob)
    await stick(api, roomId, 'here')
    expect(at(await sync(api, bob, String(since)), 'rooms')).toBeUndefined()
    await api.join(bob, roomId)
    expect(stickyIn(await sync(api, bob, String(since)), roomId)).toEqual(['here'])
  })

  test('stays sticky over a restart, and goes when it is redacted', async () => {
    const storage = new MemoryStorage()
    const first = await openClientApi({ storage })
    const roomId = await first.createRoom(alice)
    const eventId = await stick(first, roomId, 'here')
    await first.send(alice, roomId, 'later')
    const api = await openClientApi({ storage })
    expect(stickyIn(await sync(api, alice), roomId)).toEqual(['here'])
    await api.put(alice, `/v3/rooms/${encode(roomId)}/redact/${encode(eventId)}/r1`, {})
    await api.send(alice, roomId, 'still later')
    expect(stickyIn(await sync(api, alice), roomId)).toEqual([])
  })

  test('is one of many that come in pages, none lost', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const bodies = Array.from({ length: 120 }, (_, n) => `${n}`)
    for (const body of bodies) await stick(api, roomId, body)
    await api.send(alice, roomId, 'later')
    const first = await sync(api, alice)
    const second = await sync(api, alice, String(first.next_batch))
    expect([...stickyIn(first, roomId), ...stickyIn(second, roomId)]).toEqual(bodies)
    expect(at(await sync(api, alice, String(second.next_batch)), 'rooms')).toBeUndefined()
  })

  test('may be sent later', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    await stick(api, roomId, 'delayed', '&org.matrix.msc4140.delay=5000')
    await api.clock.run(6_000)
    await api.send(alice, roomId, 'later')
    expect(stickyIn(await sync(api, alice), roomId)).toEqual(['delayed'])
  })

  test('reaches sliding sync, whose extension says from where it goes on', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const list = { timeline_limit: 1, required_state: [], ranges: [[0, 9]] }
    const ask = async (since?: string) => {
      const body = { lists: { all: list }, extensions: { [extension]: { enabled: true, ...(since ? { since } : {}) } } }
      return at(await api.post(alice, '/unstable/org.matrix.simplified_msc3575/sync?timeout=0', body), 'extensions', extension)
    }
    await stick(api, roomId, 'here')
    await api.send(alice, roomId, 'later')
    const told = await ask()
    expect(said(listAt(told, 'rooms', roomId, 'events'))).toEqual(['here'])
    expect(await ask(String(at(told, 'next_batch')))).toBeUndefined()
  })
})

test.each([
  ['an hour at most', { duration_ms: 7_200_000 }, 1000, 3_601_000],
  ['from when it came, if it claims to come from the future', { duration_ms: 500 }, 9000, 5500],
  ['not at all for a negative duration', { duration_ms: -1 }, 1000, undefined],
  ['not at all for a duration that is no number', { duration_ms: '5' }, 1000, undefined],
  ['not at all where it says nothing of it', undefined, 1000, undefined],
])('an event is sticky %s', (_, sticky, sentTs, until) => {
  const pdu = { origin_server_ts: sentTs, ...(sticky ? { msc4354_sticky: sticky } : {}) }
  expect(stickyUntil(pdu, 5000)).toBe(until)
})
