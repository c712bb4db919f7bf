import { ClientEvent, createClient, EventType, type MatrixClient, Preset, SyncState } from 'matrix-js-sdk'
import { SlidingSync } from 'matrix-js-sdk/lib/sliding-sync.js'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { until } from './relay-fixture.ts'

// The library takes the console's methods when it is loaded, and tells of every request.
vi.hoisted(() => {
  for (const method of ['trace', 'debug', 'log', 'info', 'warn', 'error'] as const) console[method] = () => undefined
})

const network = new InProcessNetwork()
let server: InProcessHomeserver
let alice: MatrixClient
let bob: MatrixClient
let roomId: string

beforeAll(async () => {
  server = await network.start('a.example')
  alice = await open('alice')
  bob = await open('bob')
  roomId = await meet()
}, 60_000)

afterAll(async () => {
  for (const client of [alice, bob]) client.stopClient()
  await network.stop()
})

/** A new user whose client learns of everything by sliding sync alone. */
async function open(username: string): Promise<MatrixClient> {
  const connection = { baseUrl: 'http://a.example', fetchFn: (...asked: Parameters<typeof fetch>) => server.fetch(...asked) }
  const login = await createClient(connection).registerRequest({ username, password: 'secret', auth: { type: 'm.login.dummy' } })
  const { user_id: userId, device_id: deviceId = '', access_token: accessToken = '' } = login
  const client = createClient({ ...connection, userId, deviceId, accessToken })
  await client.initRustCrypto({ useIndexedDB: false })
  const required = [['m.room.member', '$LAZY'], ...['m.room.create', 'm.room.encryption', 'm.room.name'].map((type) => [type, ''])]
  const lists = new Map([['all', { ranges: [[0, 20]], timeline_limit: 20, required_state: required }]])
  const slidingSync = new SlidingSync(connection.baseUrl, lists, { timeline_limit: 20, required_state: required }, client, 2000)
  const synced = new Promise<void>((resolve) => client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve()))
  await client.startClient({ slidingSync })
  await synced
  return client
}

async function meet(): Promise<string> {
  const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }
  const invite = [bob.getSafeUserId()]
  const { room_id: id } = await alice.createRoom({ preset: Preset.TrustedPrivateChat, name: 'Den', invite, initial_state: [encryption] })
  await until(() => bob.getRoom(id)?.getMyMembership() === 'invite')
  await bob.joinRoom(id)
  await until(() => alice.getRoom(id)?.getMember(bob.getSafeUserId())?.membership === 'join')
  return id
}

const bodies = (client: MatrixClient) =>
  (client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []).map((event) => event.getContent().body as unknown)

async function say(client: MatrixClient, text: string): Promise<void> {
  await client.sendTextMessage(roomId, text)
  for (const reader of [alice, bob]) await until(() => bodies(reader).includes(text))
}

describe('matrix-js-sdk with sliding sync and encryption', () => {
  test('both read what either writes', async () => {
    await say(alice, 'by Alice')
    await say(bob, 'by Bob')
    expect(bob.getRoom(roomId)?.name).toBe('Den')
  })

  test('receipts, typing and account data arrive', async () => {
    const last = alice.getRoom(roomId)?.getLiveTimeline().getEvents().at(-1)
    if (!last) throw new Error('there is no message')
    await alice.sendReadReceipt(last)
    await alice.sendTyping(roomId, true, 10_000)
    await alice.setAccountData(EventType.Direct, { [bob.getSafeUserId()]: [roomId] })
    await until(() => bob.getRoom(roomId)?.getUsersReadUpTo(last).includes(alice.getSafeUserId()) ?? false)
    await until(() => bob.getRoom(roomId)?.getMember(alice.getSafeUserId())?.typing ?? false)
    expect(alice.getAccountData(EventType.Direct)?.getContent()).toEqual({ [bob.getSafeUserId()]: [roomId] })
  })

  test('a homeserver that was started again is told everything anew, and nothing is lost or doubled', async () => {
    server = await network.restart(server)
    await say(bob, 'after the restart')
    await say(alice, 'and on')
    expect(server.exchanges.map(({ errcode }) => errcode)).toContain('M_UNKNOWN_POS')
    for (const reader of [alice, bob]) expect(bodies(reader).filter((text) => text === 'by Alice')).toHaveLength(1)
  }, 60_000)
})
