import { afterAll, expect, test } from 'vitest'
import type { JsonValue } from '../../src/spec/json.ts'
import { clientRows } from './endpoints/rows.ts'
import { uriOf, World } from './endpoints/world.ts'
import { limits } from './limits/limits-table.ts'
import { routesOf } from './specification/served.ts'

const world = await World.open()

afterAll(() => world.close())

const v3 = '/_matrix/client/v3'
const unstable = '/_matrix/client/unstable'

/**
 * What bounds a list: a limit by its name and file, as in docs/limits.md; or a word on why the whole is told.
 * `room` and `account`: the specification has no pages for it, and it is as large as the room's state, or as what the user is in.
 */
type Bound = `${string} in ${string}.ts` | 'settings' | 'request' | 'room' | 'account' | 'administration'

const pages = {
  history: 'limits in room-history.ts',
  relations: 'limits in room-relations.ts',
  directory: 'pageLimits in room-directory.ts',
} as const
const rules = ['ruleLimit in push-rules.ts'] as const

/** By route whose answer holds a list: what bounds each. A route that answers with one needs a row. */
const bounds: Readonly<Record<string, readonly Bound[]>> = {
  [`GET ${v3}/sync`]: [
    'timelineLimits in sync-filter.ts',
    'toDeviceLimit in sync.ts',
    'stickyLimit in sticky.ts',
    'datumLimit in account-data.ts',
    'account',
  ],
  [`POST ${unstable}/org.matrix.simplified_msc3575/sync`]: [
    'mostLists in request.ts',
    'longestTimeline in room-config.ts',
    'mostMessages in extensions.ts',
    'mostThreadChanges in thread-changes.ts',
    'request',
  ],
  [`GET ${v3}/initialSync`]: ['limits in old-sync.ts', 'account'],
  [`GET ${v3}/rooms/:roomId/initialSync`]: ['limits in old-sync.ts', 'room'],
  [`GET ${v3}/events`]: ['account'],
  [`GET ${v3}/rooms/:roomId/messages`]: [pages.history],
  [`GET ${v3}/rooms/:roomId/context/:eventId`]: [pages.history],
  [`GET ${v3}/rooms/:roomId/members`]: ['room'],
  [`GET ${v3}/rooms/:roomId/state`]: ['room'],
  [`GET ${v3}/rooms/:roomId/aliases`]: ['aliasLimit in directory.ts'],
  [`GET ${v3}/directory/room/:roomAlias`]: ['viaLimit in directory.ts'],
  [`GET ${v3}/joined_rooms`]: ['account'],
  ...Object.fromEntries(
    ['', '/:relType', '/:relType/:eventType'].map((rest) => [
      `GET /_matrix/client/v1/rooms/:roomId/relations/:eventId${rest}`,
      [pages.relations, 'lookLimit in room-relations.ts', 'mostDescendants in descendants.ts'] as const,
    ]),
  ),
  'GET /_matrix/client/v1/rooms/:roomId/threads': [pages.relations],
  'GET /_matrix/client/v1/rooms/:roomId/hierarchy': ['limits in spaces.ts'],
  'GET /_matrix/client/v1/mutual_rooms': ['mostMutual in spaces.ts'],
  [`GET ${unstable}/uk.half-shot.msc2666/user/mutual_rooms`]: ['mostMutual in spaces.ts'],
  [`GET ${v3}/publicRooms`]: [pages.directory],
  [`POST ${v3}/publicRooms`]: [pages.directory],
  [`POST ${v3}/search`]: ['limits in room-search-answer.ts'],
  [`POST ${v3}/user_directory/search`]: ['resultLimit in users.ts'],
  [`GET ${v3}/notifications`]: ['limits in notifications.ts'],
  [`GET ${unstable}/org.matrix.msc4140/delayed_events`]: ['delayLimits in delayed-events.ts'],
  [`GET ${unstable}/org.matrix.msc3814.v1/dehydrated_device/:deviceId/events`]: ['limits in dehydrated-devices.ts'],
  [`POST ${unstable}/org.matrix.msc3814.v1/dehydrated_device/:deviceId/events`]: ['limits in dehydrated-devices.ts'],
  ...Object.fromEntries(['', '/', '/global', '/global/'].map((rest) => [`GET ${v3}/pushrules${rest}`, rules])),
  [`GET ${v3}/pushrules/global/:kind/:ruleId`]: ['ruleBytes in push-rules.ts'],
  [`GET ${v3}/pushrules/global/:kind/:ruleId/actions`]: ['ruleBytes in push-rules.ts'],
  [`GET ${v3}/pushers`]: ['pusherLimit in pushers.ts'],
  [`GET ${v3}/devices`]: ['deviceLimit in devices.ts'],
  [`GET ${v3}/admin/whois/:userId`]: ['deviceLimit in devices.ts'],
  [`POST ${v3}/keys/query`]: ['userLimit in keys.ts'],
  [`GET ${v3}/keys/changes`]: ['account'],
  [`GET ${v3}/account/3pid`]: ['settings'],
  [`GET ${v3}/login`]: ['settings'],
  'GET /_matrix/client/versions': ['settings'],
  'GET /_matrix/client/v1/auth_metadata': ['settings'],
  'GET /.well-known/matrix/support': ['administration'],
  'GET /_synapse/admin/v1/registration_tokens': ['administration'],
  [`GET ${unstable}/org.matrix.msc4143/rtc/transports`]: ['settings'],
  [`GET ${v3}/voip/turnServer`]: ['settings'],
  'POST /_matrix/oauth2/registration': ['request'],
}

function hasList(value: JsonValue): boolean {
  if (Array.isArray(value)) return true
  return typeof value === 'object' && value !== null && Object.entries(value).some(([key, entry]) => key !== 'content' && hasList(entry))
}

test('every route that answers with a list has a row that says what bounds it', async () => {
  const { client } = await world.home.homeserver.endpoints()
  const found: string[] = []
  for (const route of routesOf(client)) {
    const sample = await clientRows[route.name]?.request(world)
    const answer = sample && (await world.sample(route, sample))
    if (answer && /^[[{]/.test(answer.text) && hasList(JSON.parse(answer.text))) found.push(route.name)
  }
  // Those that a whole event, or what a client keeps, may have in it.
  const untyped = /\/(event|account_data|filter|keys|profile|summary|room_summary)\b|\/(state\/:eventType|events\/:eventId)/
  expect(found.filter((name) => !(name in bounds) && !untyped.test(name))).toEqual([])
})

test('every limit that is named is one', () => {
  const known = new Set(limits().map(({ name, file }) => `${name} in ${file.split('/').at(-1)}`))
  const named = Object.values(bounds)
    .flat()
    .filter((bound) => bound.includes(' in '))
  expect(named.filter((bound) => !known.has(bound))).toEqual([])
})

test('rooms shared with another user come in pages, each once', async () => {
  const [alice, bob] = [await world.register(), await world.register()]
  for (let n = 0; n < 103; n++) {
    const { room_id: roomId } = await world.must(alice, 'POST', `${v3}/createRoom`, { preset: 'public_chat' })
    await world.must(bob, 'POST', `${v3}/join/${encodeURIComponent(String(roomId))}`, {})
  }
  const ask = (from?: JsonValue) => {
    const query = { user_id: bob.userId, ...(typeof from === 'string' ? { from } : {}) }
    return world.must(alice, 'GET', uriOf('/_matrix/client/v1/mutual_rooms', { query }))
  }
  const first = await ask()
  const second = await ask(first.next_batch)
  const joined = [first.joined, second.joined].flatMap((rooms) => (Array.isArray(rooms) ? rooms : []))
  expect([joined.length, new Set(joined).size, first.count, second.next_batch]).toEqual([103, 103, 103, undefined])
  expect(first.joined).toHaveLength(100)
  const draft = (token?: JsonValue) => {
    const query = { user_id: bob.userId, ...(typeof token === 'string' ? { batch_token: token } : {}) }
    return world.must(alice, 'GET', uriOf(`${unstable}/uk.half-shot.msc2666/user/mutual_rooms`, { query }))
  }
  const { joined: firstPage, next_batch_token: token } = await draft()
  expect([firstPage, await draft(token)]).toEqual([first.joined, { joined: second.joined }])
})
