import { ClientEvent, createClient, type MatrixClient, SyncState } from 'matrix-js-sdk'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { type InProcessUser, registerUser } from './in-process-user.ts'
import { until } from './relay-fixture.ts'

// The library takes the console's methods when it is loaded, and tells of every request.
vi.hoisted(() => {
  for (const method of ['trace', 'debug', 'log', 'info', 'warn', 'error'] as const) console[method] = () => undefined
})

type Json = Record<string, unknown>
const network = new InProcessNetwork()
let count = 0

afterAll(() => network.stop())

async function open(): Promise<{ server: InProcessHomeserver; alice: InProcessUser; bob: InProcessUser }> {
  const server = await network.start(`hs${++count}.example`)
  return { server, alice: await registerUser(server, 'alice'), bob: await registerUser(server, 'bob') }
}

const status = 'org.example.status'
const filterOf = (more: Json = {}) =>
  encodeURIComponent(JSON.stringify({ 'org.matrix.msc4429.profile_fields': { ids: [status, 'displayname'] }, ...more }))

async function set(user: InProcessUser, field: string, value?: unknown): Promise<void> {
  const path = `profile/${encodeURIComponent(user.userId)}/${field}`
  await (value === undefined ? user.call('DELETE', path) : user.call('PUT', path, { [field]: value }))
}

/** What a sync tells of profiles, and its token. */
async function sync(user: InProcessUser, since?: string, filter = filterOf()): Promise<{ told: unknown; next: string }> {
  const answer = await user.call('GET', `sync?timeout=0&filter=${filter}${since === undefined ? '' : `&since=${since}`}`)
  return { told: answer['org.matrix.msc4429.users'], next: String(answer.next_batch) }
}

async function share(alice: InProcessUser, bob: InProcessUser): Promise<string> {
  const { room_id: roomId } = await alice.call('POST', 'createRoom', { preset: 'public_chat' })
  await bob.call('POST', `join/${encodeURIComponent(String(roomId))}`, {})
  return String(roomId)
}

describe('the fields of profiles that a filter names', () => {
  test('are told as they are at first, of oneself and of who shares a room; to nobody who does not ask', async () => {
    const { server, alice, bob } = await open()
    await share(alice, bob)
    const carol = await registerUser(server, 'carol')
    for (const user of [bob, carol]) await set(user, status, { text: 'swims' })
    await set(bob, 'org.example.other', 'x')
    const told = {
      [alice.userId]: { profile_updates: { displayname: 'alice' } },
      [bob.userId]: { profile_updates: { displayname: 'bob', [status]: { text: 'swims' } } },
    }
    await set(alice, 'displayname', 'alice')
    await set(bob, 'displayname', 'bob')
    expect((await sync(alice)).told).toEqual(told)
    expect((await sync(alice, undefined, '{}')).told).toBeUndefined()
    expect((await sync(alice, undefined, filterOf({ 'org.matrix.msc4429.profile_fields': {} }))).told).toBeUndefined()
  })

  test('are told once each time they change, as they are then, and as null when they go', async () => {
    const { alice, bob } = await open()
    await share(alice, bob)
    const first = await sync(alice)
    await set(bob, status, 'swims')
    await set(bob, status, 'dives')
    await set(bob, 'org.example.other', 'x')
    const second = await sync(alice, first.next)
    expect(second.told).toEqual({ [bob.userId]: { profile_updates: { [status]: 'dives' } } })
    expect((await sync(alice, second.next)).told).toBeUndefined()
    await set(bob, status)
    const third = await sync(alice, second.next)
    expect(third.told).toEqual({ [bob.userId]: { profile_updates: { [status]: null } } })
    await set(alice, status, 'own')
    expect((await sync(alice, third.next)).told).toEqual({ [alice.userId]: { profile_updates: { [status]: 'own' } } })
  })

  test('are not told of who shares no room, or is ignored', async () => {
    const { server, alice, bob } = await open()
    await share(alice, bob)
    const carol = await registerUser(server, 'carol')
    const path = `user/${encodeURIComponent(alice.userId)}/account_data/m.ignored_user_list`
    await alice.call('PUT', path, { ignored_users: { [bob.userId]: {} } })
    const { next } = await sync(alice)
    for (const user of [bob, carol]) await set(user, status, 'swims')
    expect((await sync(alice, next)).told).toBeUndefined()
  })

  test('are all told of who comes to share a room, with what has gone since', async () => {
    const { alice, bob } = await open()
    await set(bob, status, 'swims')
    await set(bob, 'displayname', 'Bob')
    await set(bob, 'displayname', '')
    const first = await sync(alice)
    expect(first.told).toBeUndefined()
    await share(alice, bob)
    const told = { [bob.userId]: { profile_updates: { displayname: null, [status]: 'swims' } } }
    expect((await sync(alice, first.next)).told).toEqual(told)
  })

  test('are told with lazily loaded members of those who are told', async () => {
    const { server, alice, bob } = await open()
    const roomId = await share(alice, bob)
    for (let n = 0; n < 6; n++)
      await registerUser(server, `u${n}`).then((user) => user.call('POST', `join/${encodeURIComponent(roomId)}`, {}))
    await alice.call('PUT', `rooms/${encodeURIComponent(roomId)}/state/m.room.name/`, { name: 'Den' })
    await set(bob, status, 'swims')
    const lazy = filterOf({ room: { state: { lazy_load_members: true }, timeline: { limit: 1 } } })
    const first = await sync(alice, undefined, lazy)
    expect(first.told).toBeUndefined()
    await bob.call('PUT', `rooms/${encodeURIComponent(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hi' })
    expect((await sync(alice, first.next, lazy)).told).toEqual({ [bob.userId]: { profile_updates: { [status]: 'swims' } } })
  })

  test('are what other servers’ users have no place in', async () => {
    const { alice, bob } = await open()
    const { alice: remote } = await open()
    const roomId = await share(alice, bob)
    await remote.call('POST', `join/${encodeURIComponent(roomId)}?via=${alice.userId.split(':')[1]}`, {})
    await set(remote, status, 'swims')
    expect((await sync(alice)).told).toBeUndefined()
  })
})

test('matrix-js-sdk hears of them', async () => {
  const { server, alice, bob } = await open()
  await share(alice, bob)
  const connection = { baseUrl: `http://${server.name}`, fetchFn: (...asked: Parameters<typeof fetch>) => server.fetch(...asked) }
  const { access_token: accessToken } = await createClient(connection).loginRequest({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: alice.userId },
    password: 'wonderland-7',
  })
  const client: MatrixClient = createClient({ ...connection, userId: alice.userId, accessToken })
  const heard: [string, unknown][] = []
  client.on(ClientEvent.UserProfileUpdate, (userId, updates) => heard.push([userId, updates]))
  const synced = new Promise<void>((resolve) => client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve()))
  expect(await client.doesServerSupportUnstableFeature('org.matrix.msc4429')).toBe(true)
  await client.startClient({ unstableMSC4429SyncUserProfileFields: [status] })
  await synced
  await set(bob, status, 'swims')
  await until(() => heard.length > 0)
  client.stopClient()
  expect(heard).toEqual([[bob.userId, { [status]: 'swims' }]])
})
