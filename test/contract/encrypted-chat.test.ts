import { ClientEvent, createClient, EventType, type MatrixClient, Method, Preset, SyncState } from 'matrix-js-sdk'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type InProcessHomeserver, InProcessNetwork } from './homeservers-in-process.ts'
import { hasSpecification, withoutSpecification } from './specification/documents.ts'

/** A user as matrix-js-sdk has it: with encryption, cross-signing and a key backup. */
interface Person {
  readonly client: MatrixClient
  readonly userId: string
  readonly deviceId: string
}

// The library takes the console's methods when it is loaded, and tells of every request.
vi.hoisted(() => {
  for (const method of ['trace', 'debug', 'log', 'info', 'warn', 'error'] as const) console[method] = () => undefined
})

const network = new InProcessNetwork()
const people: Person[] = []
let here: InProcessHomeserver
let there: InProcessHomeserver
let alice: Person
let bob: Person
let carol: Person
let roomId: string
/** Each person's recovery key. */
const recoveryKeys = new Map<string, Uint8Array<ArrayBuffer>>()

beforeAll(async () => {
  here = await network.start('a.example')
  there = await network.start('b.example')
  alice = await register(here, 'alice')
  bob = await register(here, 'bob')
  carol = await register(there, 'carol')
  roomId = await meet(alice, [bob, carol])
}, 60_000)

afterAll(async () => {
  for (const { client } of people) client.stopClient()
  await network.stop()
})

async function until<T>(what: string, check: () => T | Promise<T>): Promise<T> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const found = await check()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function register(server: InProcessHomeserver, username: string): Promise<Person> {
  const anonymous = createClient({ baseUrl: `http://${server.name}`, fetchFn: server.fetch })
  const registered = await anonymous.registerRequest({ username, password: 'secret', auth: { type: 'm.login.dummy' } })
  const person = await open(server, registered)
  const crypto = cryptoOf(person)
  await crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: async (upload) =>
      void (await upload({ type: 'm.login.password', identifier: { type: 'm.id.user', user: username }, password: 'secret' })),
  })
  await crypto.bootstrapSecretStorage({
    setupNewKeyBackup: true,
    createSecretStorageKey: async () => {
      const key = await crypto.createRecoveryKeyFromPassphrase()
      recoveryKeys.set(person.userId, key.privateKey)
      return key
    },
  })
  return person
}

async function logIn(server: InProcessHomeserver, username: string): Promise<Person> {
  const anonymous = createClient({ baseUrl: `http://${server.name}`, fetchFn: server.fetch })
  return open(
    server,
    await anonymous.loginRequest({ type: 'm.login.password', identifier: { type: 'm.id.user', user: username }, password: 'secret' }),
  )
}

async function open(server: InProcessHomeserver, login: { user_id: string; device_id?: string; access_token?: string }): Promise<Person> {
  const { user_id: userId, device_id: deviceId = '', access_token: accessToken = '' } = login
  const client = createClient({
    baseUrl: `http://${server.name}`,
    fetchFn: server.fetch,
    userId,
    deviceId,
    accessToken,
    cryptoCallbacks: {
      getSecretStorageKey: async ({ keys }) => {
        const [keyId] = Object.keys(keys)
        const key = recoveryKeys.get(userId)
        return keyId !== undefined && key ? [keyId, key] : null
      },
    },
  })
  const person = { client, userId, deviceId }
  people.push(person)
  await client.initRustCrypto({ useIndexedDB: false })
  const synced = new Promise<void>((resolve) => client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve()))
  await client.startClient({ initialSyncLimit: 20, lazyLoadMembers: true })
  await synced
  return person
}

function cryptoOf({ client }: Person) {
  const crypto = client.getCrypto()
  if (!crypto) throw new Error('there is no encryption')
  return crypto
}

async function meet(host: Person, guests: readonly Person[]): Promise<string> {
  const { room_id: id } = await host.client.createRoom({
    preset: Preset.TrustedPrivateChat,
    invite: guests.map(({ userId }) => userId),
    initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  for (const { client } of guests) {
    await until('the invite', () => client.getRoom(id)?.getMyMembership() === 'invite')
    await client.joinRoom(id)
  }
  await until('everyone', () => host.client.getRoom(id)?.getJoinedMembers().length === guests.length + 1)
  return id
}

async function read({ client, userId }: Person, text: string): Promise<void> {
  await until(`${userId} reads ${text}`, () =>
    client
      .getRoom(roomId)
      ?.getLiveTimeline()
      .getEvents()
      .some((event) => event.isEncrypted() && event.getContent().body === text),
  )
}

describe('matrix-js-sdk with encryption, on two homeservers', () => {
  test('everyone reads what anyone writes', async () => {
    for (const writer of [alice, carol, bob]) {
      const text = `by ${writer.userId}`
      await writer.client.sendTextMessage(roomId, text)
      await Promise.all([alice, bob, carol].map((reader) => read(reader, text)))
    }
  })

  test('receipts, typing, presence and names reach the others', async () => {
    const last = bob.client.getRoom(roomId)?.getLiveTimeline().getEvents().at(-1)
    if (!last) throw new Error('there is no message')
    await bob.client.sendReadReceipt(last)
    await carol.client.sendTyping(roomId, true, 10_000)
    await carol.client.setDisplayName('Carol')
    for (const { client } of [alice]) {
      const room = await until('the room', () => client.getRoom(roomId))
      await until('the receipt', () => room?.getUsersReadUpTo(last).includes(bob.userId))
      await until('typing', () => room?.getMember(carol.userId)?.typing)
      await until('the name', () => room?.getMember(carol.userId)?.name === 'Carol')
      await until('presence', () => client.getUser(carol.userId)?.presence === 'online')
    }
    await until('presence there', () => carol.client.getUser(alice.userId)?.presence === 'online')
  })

  test('a new device signs itself, is known to others, and reads on; what came before it reads from the backup', async () => {
    await until(
      'the backup',
      async () => (await alice.client.http.authedRequest<{ count: number }>(Method.Get, '/room_keys/version')).count >= 3,
    )
    const second = await logIn(here, 'alice')
    const crypto = cryptoOf(second)
    await crypto.bootstrapCrossSigning({})
    expect(await crypto.isCrossSigningReady()).toBe(true)
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage()
    expect(await crypto.restoreKeyBackup()).toMatchObject({ imported: expect.any(Number) })
    await read(second, `by ${carol.userId}`)
    await until(
      'the signed device',
      async () => (await cryptoOf(carol).getDeviceVerificationStatus(alice.userId, second.deviceId))?.signedByOwner,
    )
    await carol.client.sendTextMessage(roomId, 'to the new device')
    await read(second, 'to the new device')
    second.client.stopClient()
    await second.client.logout()
    await until(
      'the device to go',
      async () => !(await cryptoOf(carol).getUserDeviceInfo([alice.userId])).get(alice.userId)?.has(second.deviceId),
    )
  }, 60_000)

  test('the keys of users whose server cannot be reached are missing, and keep nobody waiting', async () => {
    const devices = await cryptoOf(alice).getUserDeviceInfo([bob.userId, '@nobody:gone.example'], true)
    expect(devices.get(bob.userId)?.size).toBe(1)
    expect(devices.get('@nobody:gone.example')?.size ?? 0).toBe(0)
  })

  test('a dehydrated device takes the keys of what is said while its user is logged in nowhere', async () => {
    expect(await cryptoOf(carol).isDehydrationSupported()).toBe(true)
    await cryptoOf(carol).startDehydration()
    const known = async () => [...((await cryptoOf(alice).getUserDeviceInfo([carol.userId])).get(carol.userId)?.values() ?? [])]
    await until('the dehydrated device', async () => (await known()).some(({ dehydrated }) => dehydrated))
    carol.client.stopClient()
    await carol.client.logout()
    await until('the other to go', async () => (await known()).every(({ deviceId }) => deviceId !== carol.deviceId))
    await alice.client.sendTextMessage(roomId, 'while you were out')
    carol = await logIn(there, 'carol')
    await cryptoOf(carol).bootstrapCrossSigning({})
    await cryptoOf(carol).startDehydration()
    await read(carol, 'while you were out')
  }, 60_000)

  test('calls of many find no server that would carry them', async () => {
    expect(await alice.client._unstable_getRTCTransports()).toEqual([])
  })

  test('who comes later learns of what is sticky, whatever was said since', async () => {
    const { room_id: id } = await alice.client.createRoom({ preset: Preset.PublicChat })
    await alice.client._unstable_sendStickyEvent(id, 60_000, null, EventType.RTCMembership, {
      slot_id: 'm.call#',
      msc4354_sticky_key: 'alice',
    })
    for (let n = 0; n < 25; n++) await alice.client.sendTextMessage(id, `${n}`)
    await bob.client.joinRoom(id)
    const known = () => [...(bob.client.getRoom(id)?._unstable_getStickyEvents() ?? [])]
    await until('the sticky event', () => known().some((event) => event.getSender() === alice.userId))
  })

  test('account data that is deleted is gone for every device', async () => {
    const second = await logIn(here, 'bob')
    await bob.client.setAccountData(EventType.Direct, { [alice.userId]: [roomId] })
    await until('the data', () => second.client.getAccountData(EventType.Direct)?.getContent()[alice.userId])
    await bob.client.deleteAccountData(EventType.Direct)
    await until('the deletion', () => Object.keys(second.client.getAccountData(EventType.Direct)?.getContent() ?? { a: 1 }).length === 0)
    expect(await bob.client.doesServerSupportUnstableFeature('org.matrix.msc3391')).toBe(true)
    const third = await logIn(here, 'bob')
    expect(third.client.getAccountData(EventType.Direct)).toBeUndefined()
    for (const { client } of [second, third]) client.stopClient()
  })

  test('nothing that the client asked for was unknown here, but for drafts of the specification', () => {
    const unknown = [...here.exchanges, ...there.exchanges].filter(({ errcode }) => errcode === 'M_UNRECOGNIZED')
    expect(unknown.filter(({ path }) => !path.startsWith('/_matrix/client/unstable/'))).toEqual([])
    expect([...here.exchanges, ...there.exchanges].filter(({ status }) => status >= 500)).toEqual([])
  })
})

test('all that was said, by clients and between the homeservers, is as the specification has it', ({ skip }) => {
  skip(!hasSpecification, withoutSpecification)
  expect(network.violations()).toEqual([])
})
