import { ClientEvent, createClient, type MatrixClient, Preset, SyncState } from 'matrix-js-sdk'
import { afterAll, beforeAll, beforeEach, describe, test, vi } from 'vitest'
import { type Client, eventually } from './matrix-client.ts'
import { type ConnectedServers, connectServers } from './servers.ts'
import { installSynapse } from './synapse.ts'

// The library takes the console's methods when it is loaded, and tells of every request.
vi.hoisted(() => {
  for (const method of ['trace', 'debug', 'log', 'info', 'warn', 'error'] as const) console[method] = () => undefined
})

let missing: string | undefined
let world: ConnectedServers | undefined
const opened: MatrixClient[] = []

/** A user's client with encryption, synced. */
async function open(
  { userId, deviceId, token: accessToken }: Client,
  at: { baseUrl: string; fetchFn?: typeof fetch },
): Promise<MatrixClient> {
  const client = createClient({ ...at, userId, deviceId, accessToken })
  opened.push(client)
  await client.initRustCrypto({ useIndexedDB: false })
  const synced = new Promise<void>((resolve) => client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve()))
  await client.startClient({ initialSyncLimit: 20, lazyLoadMembers: true })
  await synced
  return client
}

async function people(name: string): Promise<{ ours: MatrixClient; theirs: MatrixClient }> {
  if (!world) throw new Error('there is no Synapse')
  const { yurt, synapse } = world
  return {
    ours: await open(await yurt.register(name), { baseUrl: 'http://yurt', fetchFn: yurt.fetch }),
    theirs: await open(await synapse.register(name), { baseUrl: synapse.url }),
  }
}

async function meet(host: MatrixClient, guest: MatrixClient): Promise<string> {
  const { room_id: roomId } = await host.createRoom({
    preset: Preset.TrustedPrivateChat,
    invite: [guest.getUserId() ?? ''],
    initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  await holds('the invitation', () => guest.getRoom(roomId)?.getMyMembership() === 'invite')
  await guest.joinRoom(roomId)
  for (const client of [host, guest]) await holds('both members', () => client.getRoom(roomId)?.getJoinedMembers().length === 2)
  return roomId
}

async function holds(what: string, check: () => boolean | undefined): Promise<void> {
  await eventually(async () => {
    if (!check()) throw new Error(`waited in vain: ${what}`)
  })
}

async function reads(client: MatrixClient, roomId: string, text: string): Promise<void> {
  await holds(`${client.getUserId()} reads ${text}`, () =>
    client
      .getRoom(roomId)
      ?.getLiveTimeline()
      .getEvents()
      .some((event) => event.isEncrypted() && event.getContent().body === text),
  )
}

describe('encrypted, with Synapse', () => {
  beforeAll(async () => {
    missing = await installSynapse()
    if (missing === undefined) world = await connectServers()
  })
  beforeEach(({ skip }) => skip(missing !== undefined, missing))
  afterAll(async () => {
    for (const client of opened) client.stopClient()
    await world?.stop()
  })

  test('what either user writes in a room of ours the other reads', async () => {
    const { ours, theirs } = await people('host')
    const roomId = await meet(ours, theirs)
    await ours.sendTextMessage(roomId, 'from us')
    await reads(theirs, roomId, 'from us')
    await theirs.sendTextMessage(roomId, 'from them')
    await reads(ours, roomId, 'from them')
  })

  test('what either user writes in a room of Synapse the other reads', async () => {
    const { ours, theirs } = await people('guest')
    const roomId = await meet(theirs, ours)
    await theirs.sendTextMessage(roomId, 'from them')
    await reads(ours, roomId, 'from them')
    await ours.sendTextMessage(roomId, 'from us')
    await reads(theirs, roomId, 'from us')
  })
})
