import { describe, expect, test } from 'vitest'
import { put } from '../../src/ports/storage.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { threadSubscriptions } from '../../src/storage/tables/users.ts'
import { at, type ClientApi, encode, listAt, openClientApi } from './client-fixture.ts'

const alice = '@alice:a.example'
const bob = '@bob:a.example'
const mallory = '@mallory:a.example'
const extension = 'io.element.msc4308.thread_subscriptions'
const unsubscribedRule = '.io.element.msc4306.rule.unsubscribed_thread'
const subscribedRule = '.io.element.msc4306.rule.subscribed_thread'

interface Thread {
  readonly roomId: string
  readonly root: string
}

const path = ({ roomId, root }: Thread) => `/unstable/io.element.msc4306/rooms/${encode(roomId)}/thread/${encode(root)}/subscription`
const inThread = ({ root }: Thread): JsonObject => ({ 'm.relates_to': { rel_type: 'm.thread', event_id: root } })

async function ask(api: ClientApi, who: string, method: string, thread: Thread, body?: JsonObject): Promise<string> {
  const answer = await api.ask(who, method, path(thread), body)
  return answer.status === 200 ? `200 ${JSON.stringify(answer.body)}` : `${answer.status} ${answer.body.errcode}`
}

/** A room of Alice's and Bob's, and a message in it that Bob's are to answer. */
async function openThread(api: ClientApi): Promise<Thread> {
  const roomId = await api.createRoom(alice, { preset: 'public_chat' })
  await api.join(bob, roomId)
  return { roomId, root: await api.send(alice, roomId, 'root') }
}

/** What a sliding sync says of threads, and its `pos`. */
async function slide(api: ClientApi, pos?: string, limit?: number): Promise<{ told: JsonValue | undefined; pos: string }> {
  const query = pos === undefined ? '' : `&pos=${pos}`
  const body = { extensions: { [extension]: { enabled: true, ...(limit ? { limit } : {}) } } }
  const answer = await api.post(alice, `/unstable/org.matrix.simplified_msc3575/sync?timeout=0${query}`, body)
  return { told: at(answer, 'extensions', extension), pos: String(answer.pos) }
}

describe('a thread', () => {
  test('is not subscribed to until it is, and not again after that', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    expect(await ask(api, alice, 'GET', thread)).toBe('404 M_NOT_FOUND')
    expect(await ask(api, alice, 'PUT', thread, {})).toBe('200 {}')
    expect(await ask(api, alice, 'GET', thread)).toBe('200 {"automatic":false}')
    expect(await ask(api, bob, 'GET', thread)).toBe('404 M_NOT_FOUND')
    expect(await ask(api, alice, 'DELETE', thread)).toBe('200 {}')
    expect(await ask(api, alice, 'DELETE', thread)).toBe('200 {}')
    expect(await ask(api, alice, 'GET', thread)).toBe('404 M_NOT_FOUND')
  })

  test.each([
    ['that is not there', { root: '$none:a.example' }],
    ['of another room', { roomId: 'other' }],
  ])('%s cannot be subscribed to', async (_what, wrong) => {
    const api = await openClientApi()
    const thread = await openThread(api)
    const other = { ...thread, ...wrong, ...('roomId' in wrong ? { roomId: await api.createRoom(alice) } : {}) }
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect(await ask(api, alice, method, other, method === 'PUT' ? {} : undefined)).toBe('404 M_NOT_FOUND')
  })

  test('is nobody’s who is not in the room', async () => {
    const api = await openClientApi()
    const roomId = await api.createRoom(alice)
    const thread = { roomId, root: await api.send(alice, roomId, 'root') }
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect(await ask(api, mallory, method, thread, method === 'PUT' ? {} : undefined)).toBe('404 M_NOT_FOUND')
  })

  test('that a user chose stays chosen; one that a client chose may be', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    const automatic = await api.send(bob, thread.roomId, 'reply', inThread(thread))
    await ask(api, alice, 'PUT', thread, { automatic })
    expect(await ask(api, alice, 'GET', thread)).toBe('200 {"automatic":true}')
    await ask(api, alice, 'PUT', thread, {})
    expect(await ask(api, alice, 'GET', thread)).toBe('200 {"automatic":false}')
    expect(await ask(api, alice, 'PUT', thread, { automatic })).toBe('200 {}')
    expect(await ask(api, alice, 'GET', thread)).toBe('200 {"automatic":false}')
  })

  test('is subscribed to because of an event in it alone', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    const aside = await api.send(bob, thread.roomId, 'aside')
    expect(await ask(api, alice, 'PUT', thread, { automatic: aside })).toBe('400 IO.ELEMENT.MSC4306.M_NOT_IN_THREAD')
    expect(await ask(api, alice, 'PUT', thread, { automatic: '$none:a.example' })).toBe('404 M_NOT_FOUND')
    expect(await ask(api, alice, 'PUT', thread, { automatic: 'nothing' })).toBe('400 M_BAD_JSON')
    expect((await api.ask(alice, 'PUT', path(thread), { automatic: true })).status).toBe(400)
  })

  test('that a user left is subscribed to again because of later events alone, also after a restart', async () => {
    const storage = new MemoryStorage()
    const first = await openClientApi({ storage })
    const thread = await openThread(first)
    const automatic = await first.send(bob, thread.roomId, 'reply', inThread(thread))
    await ask(first, alice, 'PUT', thread, { automatic })
    await ask(first, alice, 'DELETE', thread)
    const api = await openClientApi({ storage })
    expect(await ask(api, alice, 'PUT', thread, { automatic })).toBe('409 IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION')
    expect(await ask(api, alice, 'GET', thread)).toBe('404 M_NOT_FOUND')
    const later = await api.send(bob, thread.roomId, 'another', inThread(thread))
    expect(await ask(api, alice, 'PUT', thread, { automatic: later })).toBe('200 {}')
    expect(await ask(api, alice, 'GET', thread)).toBe('200 {"automatic":true}')
  })

  test('is one of as many as a user may have; what they left gives way', async () => {
    const storage = new MemoryStorage()
    const first = await openClientApi({ storage })
    const thread = await openThread(first)
    const rows = Array.from({ length: 9_999 }, (_, n) =>
      put(threadSubscriptions, [alice, thread.roomId, `$${n}:a.example`], { subscribed: n > 0, automatic: false, position: n + 1 }),
    )
    await storage.commit(rows)
    const roots = [thread.root, ...(await Promise.all([1, 2].map((n) => first.send(alice, thread.roomId, `root ${n}`))))]
    const api = await openClientApi({ storage })
    const answers: string[] = []
    for (const root of roots) answers.push(await ask(api, alice, 'PUT', { ...thread, root }, {}))
    expect(answers).toEqual(['200 {}', '200 {}', '413 M_TOO_LARGE'])
  })
})

describe('who subscribes to threads', () => {
  const unread = async (api: ClientApi, roomId: string) => {
    const filter = encode(JSON.stringify({ room: { timeline: { unread_thread_notifications: true } } }))
    const joined = at(await api.get(alice, `/v3/sync?timeout=0&filter=${filter}`), 'rooms', 'join', roomId)
    return at(joined, 'unread_thread_notifications') ?? {}
  }
  const rule = (api: ClientApi, ruleId: string) => api.pushRules.rule(alice, { kind: 'postcontent', ruleId })

  test('is notified of these, in a muted room as well, and of no others', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    const mute = { rule_id: thread.roomId, default: false, enabled: true, actions: [] }
    await api.pushRules.put(alice, 'room', { rule: mute, place: {} })
    await api.send(bob, thread.roomId, 'before', inThread(thread))
    expect(await unread(api, thread.roomId)).toEqual({})
    await ask(api, alice, 'PUT', thread, {})
    await api.send(bob, thread.roomId, 'after', inThread(thread))
    await api.send(bob, thread.roomId, 'aside')
    const other = { ...thread, root: await api.send(bob, thread.roomId, 'other root') }
    await api.send(bob, thread.roomId, 'reply', inThread(other))
    expect(Object.keys(Object(await unread(api, thread.roomId)))).toEqual([thread.root])
    expect(listAt(await api.get(alice, '/v3/notifications?limit=1'), 'notifications')[0]).toMatchObject({
      actions: ['notify', { set_tweak: 'sound', value: 'default' }],
      event: { content: { body: 'after' } },
    })
  })

  test('is notified in other threads by a mention', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    await ask(api, alice, 'PUT', thread, {})
    const other = { ...thread, root: await api.send(bob, thread.roomId, 'other root') }
    await api.send(bob, thread.roomId, 'reply', inThread(other))
    expect(await unread(api, thread.roomId)).toEqual({})
    await api.send(bob, thread.roomId, 'alice!', { ...inThread(other), 'm.mentions': { user_ids: [alice] } })
    expect(await unread(api, thread.roomId)).toMatchObject({ [other.root]: { highlight_count: 1 } })
  })

  test('is notified of all threads until the first subscription, and again where they wish', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    expect(await rule(api, unsubscribedRule)).toMatchObject({ enabled: false, actions: [] })
    await api.send(bob, thread.roomId, 'reply', inThread(thread))
    expect(await unread(api, thread.roomId)).toMatchObject({ [thread.root]: { notification_count: 1 } })
    await ask(api, alice, 'PUT', thread, {})
    expect(await rule(api, unsubscribedRule)).toMatchObject({ enabled: true })
    await api.pushRules.adjust(alice, { kind: 'postcontent', ruleId: unsubscribedRule }, { enabled: false })
    await ask(api, alice, 'PUT', { ...thread, root: await api.send(alice, thread.roomId, 'second') }, {})
    expect(await rule(api, unsubscribedRule)).toMatchObject({ enabled: false })
    expect(await rule(api, subscribedRule)).toMatchObject({
      enabled: true,
      conditions: [{ kind: 'io.element.msc4306.thread_subscription', subscribed: true }],
    })
  })
})

describe('sliding sync', () => {
  test('tells of subscriptions at first, as they change, and not otherwise', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    const { roomId, root } = thread
    const empty = await slide(api)
    expect(empty.told).toBeUndefined()
    await ask(api, alice, 'PUT', thread, {})
    const changed = await slide(api, empty.pos)
    expect(changed.told).toEqual({ subscribed: { [roomId]: { [root]: { automatic: false, bump_stamp: expect.any(Number) } } } })
    expect((await slide(api)).told).toEqual(changed.told)
    const calm = await slide(api, (await slide(api)).pos)
    expect(calm.told).toBeUndefined()
    await ask(api, alice, 'DELETE', thread)
    expect((await slide(api, calm.pos)).told).toEqual({ unsubscribed: { [roomId]: { [root]: { bump_stamp: expect.any(Number) } } } })
  })

  test('ends a wait when another device subscribes', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    const { pos } = await slide(api)
    const body = { extensions: { [extension]: { enabled: true } } }
    const waiting = api.post(alice, `/unstable/org.matrix.simplified_msc3575/sync?timeout=30000&pos=${pos}`, body)
    await ask(api, `${alice}/OTHER`, 'PUT', thread, {})
    expect(at(await waiting, 'extensions', extension, 'subscribed', thread.roomId)).toHaveProperty([thread.root])
  })

  test('leaves out the oldest of many, which are read back to where the client was', async () => {
    const api = await openClientApi()
    const thread = await openThread(api)
    const subscribe = async () => {
      const root = await api.send(alice, thread.roomId, 'root')
      await ask(api, alice, 'PUT', { ...thread, root }, {})
      return root
    }
    await subscribe()
    const first = await slide(api)
    const roots: string[] = []
    for (let n = 0; n < 5; n++) roots.push(await subscribe())
    const { told } = await slide(api, first.pos, 2)
    const threadsOf = (answer: JsonValue | undefined) => Object.keys(Object(at(answer, 'subscribed', thread.roomId)))
    expect(threadsOf(told)).toEqual(roots.slice(3))
    const page = (from: JsonValue | undefined) =>
      api.get(alice, `/unstable/io.element.msc4308/thread_subscriptions?dir=b&limit=2&to=${first.pos}&from=${from}`)
    const second = await page(at(told, 'prev_batch'))
    expect(threadsOf(second)).toEqual(roots.slice(1, 3))
    const third = await page(second.end)
    expect(threadsOf(third)).toEqual(roots.slice(0, 1))
    expect(third.end).toBeUndefined()
    expect(threadsOf(await api.get(alice, '/unstable/io.element.msc4308/thread_subscriptions?dir=b'))).toHaveLength(6)
  })
})
