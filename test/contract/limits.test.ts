import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { put } from '../../src/ports/storage.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/spec/json.ts'
import { accountData, accountDataLog, devices, filters } from '../../src/storage/tables/users.ts'
import type { Person } from './endpoints/sample.ts'
import { passwordOf, World } from './endpoints/world.ts'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'

const world = await World.open()

afterAll(() => world.close())

const v3 = '/_matrix/client/v3'
const encode = encodeURIComponent

describe('what a user may keep', () => {
  /** Asks over and over until the answer is not 200: how often it was, and the error. */
  async function until(most: number, ask: (n: number) => Promise<{ status: number; body: JsonObject }>): Promise<[number, unknown]> {
    for (let n = 0; n <= most; n++) {
      const { status, body } = await ask(n)
      if (status !== 200) return [n, `${status} ${body.errcode}`]
    }
    return [most + 1, undefined]
  }

  test('is 1,000 filters, of which equal ones count once', async () => {
    const user = await world.register()
    const add = (limit: number) => world.ask(user, 'POST', `${v3}/user/${encode(user.userId)}/filter`, { room: { timeline: { limit } } })
    await world.home.storage.commit(numbered(999, (n) => put(filters, [user.userId, `filter${n}`], {})))
    expect(await until(2, add)).toEqual([1, '413 M_TOO_LARGE'])
    expect((await add(0)).status).toBe(200)
  })

  test('is 100 pushers', async () => {
    const user = await world.register()
    const set = (n: number) =>
      world.ask(user, 'POST', `${v3}/pushers/set`, {
        kind: 'http',
        pushkey: `key${n}`,
        app_id: 'app',
        app_display_name: 'app',
        device_display_name: 'phone',
        lang: 'en',
        data: { url: 'https://push.example/_matrix/push/v1/notify' },
      })
    expect(await until(110, set)).toEqual([100, '413 M_TOO_LARGE'])
    expect((await set(5)).status).toBe(200)
  })

  test('is 100 aliases of a room', async () => {
    const { room_id: roomId = '' } = await world.must(world.alice, 'POST', `${v3}/createRoom`, {})
    const add = (n: number) =>
      world.ask(world.alice, 'PUT', `${v3}/directory/room/${encode(`#many${n}:home.example`)}`, { room_id: roomId })
    expect(await until(110, add)).toEqual([100, '413 M_TOO_LARGE'])
    expect((await world.must(world.alice, 'GET', `${v3}/rooms/${encode(String(roomId))}/aliases`)).aliases).toHaveLength(100)
  })

  test('is 100 tags of a room, and 4 KiB for each', async () => {
    const user = await world.register()
    const uri = `${v3}/user/${encode(user.userId)}/rooms/${encode('!room:home.example')}/tags`
    expect(await until(110, (n) => world.ask(user, 'PUT', `${uri}/u.${n}`, {}))).toEqual([100, '413 M_TOO_LARGE'])
    expect((await world.ask(user, 'PUT', `${uri}/u.5`, { note: 'x'.repeat(5000) })).status).toBe(413)
  })

  test('is 1,000 push rules of a kind', async () => {
    const user = await world.register()
    const rule = { default: false, enabled: true, actions: [], pattern: 'word' }
    const content = numbered(999, (n) => ({ ...rule, rule_id: `old${n}` }))
    await world.home.storage.commit([
      put(accountData, [user.userId, '', 'm.push_rules'], { content: { global: { content } }, position: 0 }),
    ])
    const add = (n: number) => world.ask(user, 'PUT', `${v3}/pushrules/global/content/rule${n}`, { pattern: `word${n}`, actions: [] })
    expect((await until(2, add))[0]).toBe(1)
  })

  test('is 10,000 pieces of account data, of 256 KiB each', async () => {
    const user = await world.register()
    await world.home.storage.commit(numbered(9_999, (n) => put(accountDataLog, [user.userId, 1e9 + n], ['', `org.example.${n}`])))
    const set = (n: number, text = '') =>
      world.ask(user, 'PUT', `${v3}/user/${encode(user.userId)}/account_data/org.example.new${n}`, { text })
    expect(await until(2, set)).toEqual([1, '413 M_TOO_LARGE'])
    expect((await set(0, 'again')).status).toBe(200)
    expect((await set(0, 'x'.repeat(1 << 18))).status).toBe(413)
  })

  test('is 10,000 pieces of account data, and what was deleted does not count', async () => {
    const user = await world.register()
    await world.home.storage.commit(numbered(9_998, (n) => put(accountDataLog, [user.userId, 1e9 + n], ['', `org.example.${n}`])))
    const set = (n: number, content: JsonObject) =>
      world.ask(user, 'PUT', `${v3}/user/${encode(user.userId)}/account_data/org.example.new${n}`, content)
    expect(await until(5, (n) => set(n, { n }))).toEqual([2, '413 M_TOO_LARGE'])
    expect((await set(0, {})).status).toBe(200)
    expect((await set(2, { n: 2 })).status).toBe(200)
    expect((await set(3, { n: 3 })).status).toBe(413)
    expect((await world.must(user, 'GET', `${v3}/user/${encode(user.userId)}/account_data/org.example.new2`)).n).toBe(2)
    expect((await set(0, { n: 0 })).status).toBe(413)
  })

  test('is 1,000 one-time keys of a device', async () => {
    const user = await world.register()
    const upload = (from: number, count: number) => {
      const keys = Object.fromEntries(Array.from({ length: count }, (_, n) => [`curve25519:${from + n}`, 'key']))
      return world.ask(user, 'POST', `${v3}/keys/upload`, { one_time_keys: keys })
    }
    expect((await upload(0, 1000)).status).toBe(200)
    expect((await upload(1000, 1)).body.errcode).toBe('M_INVALID_PARAM')
  })

  test('is 500 devices: those that were not seen for longest are logged out', async () => {
    const user = await world.register()
    const seen = { createdTs: 1, lastSeenAddress: '', lastSeenTs: Date.now() + 1000 }
    await world.home.storage.commit(numbered(499, (n) => put(devices, [user.userId, `OTHER${n}`], seen)))
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: user.name }, password: passwordOf(user.name) }
    const { access_token: token } = await world.must(undefined, 'POST', `${v3}/login`, login)
    expect((await world.ask(user, 'GET', `${v3}/account/whoami`)).status).toBe(401)
    const { body } = await world.send({ method: 'GET', uri: `${v3}/devices`, token: String(token) })
    expect(body.devices).toHaveLength(500)
  })
})

describe('requests that ask for too much', () => {
  test.each<[string, string, JsonObject]>([
    ['/createRoom', 'initial states', { initial_state: Array.from({ length: 501 }, () => ({ type: 'm.a', content: {} })) }],
    ['/createRoom', 'invites', { invite: Array.from({ length: 1001 }, (_, n) => `@user${n}:home.example`) }],
    ['/keys/query', 'users', { device_keys: Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`@user${n}:a`, []])) }],
    ['/keys/claim', 'users', { one_time_keys: Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`@user${n}:a`, {}])) }],
    ['/delete_devices', 'devices', { devices: Array.from({ length: 1001 }, () => 'A') }],
    ['/user_directory/search', 'bytes', { search_term: 'x'.repeat(1 << 20) }],
  ])('are refused: %s with too many %s', async (path, _what, body) => {
    const { status } = await world.ask(world.alice, 'POST', `${v3}${path}`, body)
    expect([400, 413]).toContain(status)
  })
})

describe('lists come in pages', () => {
  let roomId: string
  let room: string
  let parent: string
  const events: string[] = []

  beforeAll(async () => {
    const created = await world.must(world.alice, 'POST', `${v3}/createRoom`, {
      preset: 'public_chat',
      visibility: 'public',
      creation_content: { type: 'm.space' },
    })
    roomId = String(created.room_id)
    room = `rooms/${encode(roomId)}`
    parent = await world.say(roomId, 'parent')
    for (let n = 0; n < 5; n++) {
      events.push(await world.say(roomId, `needle ${n}`, { 'm.relates_to': { rel_type: 'm.reference', event_id: parent } }))
      const root = await world.say(roomId, `root ${n}`)
      await world.say(roomId, 'reply', { 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
      const child = await world.must(world.alice, 'POST', `${v3}/createRoom`, { preset: 'public_chat', visibility: 'public' })
      await world.must(world.alice, 'PUT', `${v3}/${room}/state/m.space.child/${encode(String(child.room_id))}`, { via: ['home.example'] })
    }
    await world.must(world.bob, 'POST', `${v3}/${room}/join`, {})
    for (let n = 0; n < 5; n++) await world.say(roomId, `@bob ping ${n}`, { 'm.mentions': { user_ids: [world.bob.userId] } })
  })

  interface List {
    readonly by: Person
    readonly ask: (limit: number, from: string | undefined) => Promise<JsonObject>
    readonly of: (page: JsonObject) => JsonValue | undefined
    readonly next: (page: JsonObject) => JsonValue | undefined
  }

  const get = (by: Person, path: string, list: string, next: string, fromName = 'from'): List => ({
    by,
    ask: (limit, from) =>
      world.must(by, 'GET', `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${from ? `&${fromName}=${encode(from)}` : ''}`),
    of: (page) => page[list],
    next: (page) => page[next],
  })

  const results = (page: JsonObject): JsonObject => {
    const categories = isObject(page.search_categories) ? page.search_categories : {}
    return isObject(categories.room_events) ? categories.room_events : {}
  }

  const lists: Readonly<Record<string, () => List>> = {
    messages: () => get(world.alice, `${v3}/${room}/messages?dir=f`, 'chunk', 'end'),
    relations: () => get(world.alice, `/_matrix/client/v1/${room}/relations/${encode(parent)}`, 'chunk', 'next_batch'),
    threads: () => get(world.alice, `/_matrix/client/v1/${room}/threads`, 'chunk', 'next_batch'),
    hierarchy: () => get(world.alice, `/_matrix/client/v1/${room}/hierarchy`, 'rooms', 'next_batch'),
    publicRooms: () => get(world.alice, `${v3}/publicRooms`, 'chunk', 'next_batch', 'since'),
    notifications: () => get(world.bob, `${v3}/notifications`, 'notifications', 'next_token'),
    search: () => ({
      by: world.alice,
      ask: (limit, from) =>
        world.must(world.alice, 'POST', `${v3}/search${from ? `?next_batch=${from}` : ''}`, {
          search_categories: { room_events: { search_term: 'needle', order_by: 'recent', filter: { limit } } },
        }),
      of: (page) => results(page).results,
      next: (page) => results(page).next_batch,
    }),
  }

  test.each(Object.entries(lists))('%s: two at a time make the whole, each entry once', async (_name, list) => {
    const { ask, of, next } = list()
    const whole = of(await ask(100, undefined))
    const walked: JsonValue[] = []
    let from: string | undefined
    for (let page = 0; page < 60; page++) {
      const answer = await ask(2, from)
      const entries = of(answer)
      expect(Array.isArray(entries) && entries.length <= 2).toBe(true)
      walked.push(...(Array.isArray(entries) ? entries : []))
      const token = next(answer)
      if (typeof token !== 'string') break
      from = token
    }
    expect(Array.isArray(whole) && whole.length > 3).toBe(true)
    expect(walked.map(identity)).toEqual(Array.isArray(whole) ? whole.map(identity) : [])
  })
})

describe('rate limits', () => {
  const network = new InProcessNetwork()
  let limited: InProcessHomeserver
  afterAll(() => network.stop())

  beforeAll(async () => {
    limited = await network.start('limited.example', { rateLimits: true })
  })

  const ask = (path: string, { token = '', address = 'far', method = 'POST', trusted = false } = {}) => {
    const request = new Request(`http://limited.example${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(method === 'GET' ? {} : { body: '[]' }),
    })
    return limited.homeserver.handleClient(request, { trusted, address })
  }

  async function register(username: string): Promise<string> {
    const body = { username, password: 'wonderland-7', auth: { type: 'm.login.dummy' } }
    const response = await limited.fetch(`http://limited.example${v3}/register`, { method: 'POST', body: JSON.stringify(body) })
    const { access_token: token }: JsonObject = await response.json()
    return String(token)
  }

  /** How many requests are let through before one is refused; that one must say when to come again. */
  async function allowed(most: number, once: () => Promise<Response>): Promise<number> {
    for (let n = 0; n <= most; n++) {
      const response = await once()
      if (response.status !== 429) continue
      const { errcode, retry_after_ms: retryMs }: JsonObject = await response.json()
      expect([errcode, typeof retryMs]).toEqual(['M_LIMIT_EXCEEDED', 'number'])
      expect(response.headers.get('retry-after')).toBe(String(Math.ceil(Number(retryMs) / 1000)))
      return n
    }
    return Number.POSITIVE_INFINITY
  }

  test.each(['login', 'register', 'refresh', 'account/password', 'account/deactivate'])(
    'guard what can be guessed by address: %s',
    async (path) => {
      expect(await allowed(60, () => ask(`${v3}/${path}`, { address: path }))).toBeLessThan(30)
      expect((await ask(`${v3}/${path}`, { address: 'another' })).status).not.toBe(429)
    },
  )

  test.each([
    ['createRoom', `${v3}/createRoom`],
    ['joins', `${v3}/join/x`],
    ['knocks', `${v3}/knock/x`],
    ['invites', `${v3}/rooms/x/invite`],
    ['keys', `${v3}/keys/query`],
    ['uploads', '/_matrix/media/v3/upload'],
    ['searches', `${v3}/search`],
  ])('guard what is costly by user: %s', async (name, path) => {
    const token = await register(name.toLowerCase())
    expect(await allowed(400, () => ask(path, { token }))).toBeLessThan(150)
    expect((await ask(`${v3}/account/whoami`, { token, method: 'GET' })).status).toBe(200)
    expect((await ask(path, { token: await register(`not-${name.toLowerCase()}`) })).status).not.toBe(429)
  })

  test('guard sending by user, and let the owner on the own page do more', async () => {
    const token = await register('sender')
    const path = `${v3}/rooms/x/send/m.room.message/1`
    expect(await allowed(800, () => ask(path, { token, method: 'PUT' }))).toBeLessThan(300)
    const owner = await register('owner')
    expect(await allowed(800, () => ask(path, { token: owner, method: 'PUT', trusted: true }))).toBe(Number.POSITIVE_INFINITY)
  })

  test('guard what needs no account by address', async () => {
    const once = () => ask('/_matrix/client/versions', { address: 'many', method: 'GET' })
    expect(await allowed(1500, once)).toBeLessThan(600)
  })
})

function numbered<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n))
}

/** What an entry of a list is known by. */
function identity(entry: JsonValue): JsonValue | undefined {
  if (!isObject(entry)) return entry
  const inner = [entry.event, entry.result].find(isObject)
  return entry.event_id ?? inner?.event_id ?? entry.room_id
}
