import { describe, expect, test } from 'vitest'
import type { RemoteServers } from '../../src/rooms/remote.ts'
import { authChain } from '../../src/spec/auth-chain.ts'
import type { Pdu } from '../../src/spec/event.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedClient } from '../simulation/simulated-client.ts'
import { at, type ClientApi, encode, listAt, openClientApi, said } from './client-fixture.ts'
import { within } from './federation-party.ts'
import { homeWorld, RogueServer } from './rogue-server.ts'

const alice = '@alice:a.example'
const bob = '@bob:b.example'
const rooms = (roomId: string) => `/v3/rooms/${encode(roomId)}`

async function pdusOf(api: ClientApi, ids: Iterable<string>): Promise<Pdu[]> {
  return [...(await api.store.events(ids)).values()].map(({ event }) => event.pdu)
}

/** What a server answers to another, straight from its parts. */
function answersOf(
  api: ClientApi,
): Pick<RemoteServers, 'makeMembership' | 'sendJoin' | 'event' | 'stateIds' | 'missingEvents' | 'backfill'> {
  return {
    makeMembership: (_to, kind, about) => api.membership.template(kind, about),
    sendJoin: async (_to, { roomId, eventId, pdu }) => {
      const origin = String(pdu.sender).split(':')[1] ?? ''
      const record = await api.receiver.receiveMembership({ origin, roomId, eventId, pdu, membership: 'join' })
      const before = await api.store.stateBefore(record)
      const chain = authChain([...(await api.store.events(before.values())).values()].map(({ event }) => event))
      let step = chain.next()
      while (!step.done) step = chain.next(new Map([...(await api.store.events(step.value))].map(([id, { event }]) => [id, event])))
      return { state: await pdusOf(api, before.values()), authChain: [...step.value.values()].map(({ pdu }) => pdu) }
    },
    event: async (_from, eventId) => (await pdusOf(api, [eventId]))[0],
    stateIds: async (_from, { eventId }) => {
      const record = await api.store.event(eventId)
      return { state: record ? [...(await api.store.stateBefore(record)).values()] : [], authChain: [] }
    },
    missingEvents: async (_from, { roomId, earliest }) => {
      const all = await api.store.timeline(roomId, { direction: 'forwards', limit: 1000 })
      const start = all.findLastIndex(({ event }) => earliest.includes(event.eventId))
      return all.slice(start + 1).map(({ event }) => event.pdu)
    },
    backfill: async (_from, { roomId, from, limit }) => {
      const all = await api.store.timeline(roomId, { direction: 'backwards', limit: 1000 })
      const start = all.findIndex(({ event }) => from.includes(event.eventId))
      return all.slice(start, start + limit).map(({ event }) => event.pdu)
    },
  }
}

/** Two servers that can ask each other; what one says reaches the other when `deliver` is called. */
async function pair() {
  const known: { a?: ClientApi; b?: ClientApi } = {}
  const answers = (name: 'a' | 'b') => answersOf(known[name] ?? fail())
  const remote = (name: 'a' | 'b'): Partial<RemoteServers> => ({
    makeMembership: (...call) => answers(name).makeMembership(...call),
    sendJoin: (...call) => answers(name).sendJoin(...call),
    event: (...call) => answers(name).event(...call),
    stateIds: (...call) => answers(name).stateIds(...call),
    missingEvents: (...call) => answers(name).missingEvents(...call),
    backfill: (...call) => answers(name).backfill(...call),
  })
  const a = await openClientApi({ serverName: 'a.example', remote: remote('b') })
  const b = await openClientApi({ serverName: 'b.example', remote: remote('a') })
  Object.assign(known, { a, b })
  const deliver = async (from: ClientApi, to: ClientApi, eventIds: readonly unknown[]) => {
    await to.receiver.receive(from.serverName, await pdusOf(from, eventIds.map(String)))
    await to.receiver.idle()
  }
  return { a, b, deliver }
}

function fail(): never {
  throw new Error('asked before it was there')
}

const sync = (api: ClientApi, user: string, since?: unknown, query = '') =>
  api.get(user, `/v3/sync?set_presence=offline${since === undefined ? '' : `&since=${String(since)}`}${query}`)

describe('a room shared with another server', () => {
  test('shows its history from before the join once it is paged back to', async () => {
    const { a, b } = await pair()
    const roomId = await a.createRoom(alice, { preset: 'public_chat' })
    for (let i = 0; i < 30; i++) await a.send(alice, roomId, `${i}`)
    await b.post(bob, `/v3/join/${encode(roomId)}?via=a.example`)
    const joined = at(await sync(b, bob), 'rooms', 'join', roomId)
    expect(at(joined, 'timeline', 'limited')).toBe(true)
    const bodies: unknown[] = []
    for (let from = String(at(joined, 'timeline', 'prev_batch')), pages = 0; from !== 'undefined' && pages < 20; pages++) {
      const page = await b.get(bob, `${rooms(roomId)}/messages?dir=b&limit=10&from=${from}`)
      bodies.push(...said(listAt(page, 'chunk').filter(({ type }) => type === 'm.room.message')))
      from = String(page.end)
    }
    expect(bodies).toEqual(Array.from({ length: 30 }, (_, index) => `${29 - index}`))
    expect((await sync(b, bob, (await sync(b, bob)).next_batch)).rooms).toBeUndefined()
  })

  test('is read no further by a receipt on history that was fetched later', async () => {
    const { a, b, deliver } = await pair()
    const roomId = await a.createRoom(alice, { preset: 'public_chat' })
    const old = await a.send(alice, roomId, 'old')
    for (let i = 0; i < 30; i++) await a.send(alice, roomId, `${i}`)
    await b.post(bob, `/v3/join/${encode(roomId)}?via=a.example`)
    await deliver(a, b, [await a.send(alice, roomId, 'new')])
    for (let from = '', pages = 0; from !== 'undefined' && pages < 20; pages++)
      from = String((await b.get(bob, `${rooms(roomId)}/messages?dir=b&limit=20${from === '' ? '' : `&from=${from}`}`)).end)
    const count = async () => at(await sync(b, bob), 'rooms', 'join', roomId, 'unread_notifications', 'notification_count')
    expect(await count()).toBe(1)
    await b.post(bob, `${rooms(roomId)}/receipt/m.read/${encode(old)}`)
    expect(await count()).toBe(1)
  })

  test('shows what arrives late exactly once, as new, and at its place in history', async () => {
    const { a, b, deliver } = await pair()
    const roomId = await a.createRoom(alice, { preset: 'public_chat' })
    await b.post(bob, `/v3/join/${encode(roomId)}?via=a.example`)
    const start = await sync(a, alice)
    const late = await b.send(bob, roomId, 'said while apart')
    for (let i = 0; i < 3; i++) await a.send(alice, roomId, `${i}`)
    const first = await sync(a, alice, start.next_batch)
    await deliver(b, a, [late])
    await a.send(alice, roomId, 'after')
    const second = await sync(a, alice, first.next_batch)
    expect(said(listAt(first, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['0', '1', '2'])
    expect(said(listAt(second, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['said while apart', 'after'])
    const history = await a.get(alice, `${rooms(roomId)}/messages?dir=b&limit=5`)
    expect(said(listAt(history, 'chunk'))).toEqual(['after', '2', '1', 'said while apart', '0'])
  })

  test('tells a client the state to which resolution came', async () => {
    const { a, b, deliver } = await pair()
    const roomId = await a.createRoom(alice, { preset: 'public_chat', power_level_content_override: { users: { [bob]: 100 }, events: {} } })
    await b.post(bob, `/v3/join/${encode(roomId)}?via=a.example`)
    const topic = (api: ClientApi, user: string, text: string) => api.put(user, `${rooms(roomId)}/state/m.room.topic`, { topic: text })
    const { event_id: ours } = await topic(a, alice, 'ours')
    const start = await sync(a, alice, undefined, '&use_state_after=true')
    // Apart, the other side sets a topic too; then both meet.
    await b.clock.run(5000)
    const { event_id: theirs } = await topic(b, bob, 'theirs')
    await deliver(b, a, [theirs])
    await deliver(a, b, [ours])
    const response = await sync(a, alice, start.next_batch, '&use_state_after=true')
    const after = listAt(response, 'rooms', 'join', roomId, 'state_after', 'events')
    const now = await a.get(alice, `${rooms(roomId)}/state/m.room.topic`)
    const known = after.find(({ type }) => type === 'm.room.topic')?.content ?? { topic: 'ours' }
    expect(known).toEqual(now)
    expect(now).toEqual(await b.get(bob, `${rooms(roomId)}/state/m.room.topic`))
    expect(said(listAt(response, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['m.room.topic'])
  })

  test('never shows what was soft-failed', async () => {
    const { a, b, deliver } = await pair()
    const roomId = await a.createRoom(alice, { preset: 'public_chat' })
    await b.post(bob, `/v3/join/${encode(roomId)}?via=a.example`)
    const start = await sync(a, alice)
    await a.post(alice, `${rooms(roomId)}/ban`, { user_id: bob })
    const evading = await b.send(bob, roomId, 'you cannot stop me')
    await deliver(b, a, [evading])
    expect((await a.store.event(evading))?.stored.status).toBe('soft-failed')
    const response = await sync(a, alice, start.next_batch)
    expect(said(listAt(response, 'rooms', 'join', roomId, 'timeline', 'events'))).toEqual(['m.room.member'])
    const history = await a.get(alice, `${rooms(roomId)}/messages?dir=b&limit=50`)
    expect(said(listAt(history, 'chunk'))).not.toContain('you cannot stop me')
    expect((await a.ask(alice, 'GET', `${rooms(roomId)}/event/${encode(evading)}`)).status).toBe(404)
  })
})

describe('a join that state resolution undoes', () => {
  test('leaves the user as they were before, and does not show the event of that time once more', async () => {
    const home = await homeWorld()
    const users = { '@alice:home.example': 100, '@mallory:other.example': 100 }
    const roomId = await home.room({ power_level_content_override: { users } }, '11')
    const bob = new SimulatedClient(home.server, 'bob', { clock: home.clock, random: new SeededRandom(7) })
    await within(home, 10_000, bob.register())
    const ask = async (method: string, path: string, body?: JsonObject) => (await within(home, 60_000, bob.must(method, path, body))).body
    const other = new RogueServer(home, 'other.example', '11')
    await other.join(roomId)
    const path = `/v3/rooms/${encode(roomId)}`
    const start = await ask('GET', '/v3/sync?timeout=0')
    for (const change of ['ban', 'unban']) await home.must('POST', `${path}/${change}`, { user_id: bob.userId })
    const first = await ask('GET', `/v3/sync?timeout=0&since=${String(start.next_batch)}`)
    const [unban] = listAt(first, 'rooms', 'leave', roomId, 'timeline', 'events')
    expect(unban).toMatchObject({ type: 'm.room.member', content: { membership: 'leave' } })
    const eventId = String(unban?.event_id)

    for (const pdu of listAt(await other.ask('GET', ['v1', 'event', eventId]), 'pdus')) other.know(pdu)
    await ask('POST', `/v3/join/${encode(roomId)}`, {})
    const closed = await other.make({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } })
    await other.send(closed)
    await home.settle()
    const next = await ask('GET', `/v3/sync?timeout=0&since=${String(first.next_batch)}`)
    expect(at(next, 'rooms', 'leave', roomId)).toMatchObject({ timeline: { events: [] }, state: { events: [{ event_id: eventId }] } })
    expect(at(next, 'rooms', 'join', roomId)).toBeUndefined()
  })
})
