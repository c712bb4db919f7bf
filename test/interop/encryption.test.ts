import { type MatrixClient, Preset } from 'matrix-js-sdk'
import { afterAll, beforeAll, beforeEach, describe, test, vi } from 'vitest'
import { holds, openEncrypting, reads } from './encrypting-client.ts'
import type { Client } from './matrix-client.ts'
import { type ConnectedServers, connectServers } from './servers.ts'
import { installSynapse } from './synapse.ts'

// The library takes the console's methods when it is loaded, and tells of every request.
vi.hoisted(() => {
  for (const method of ['trace', 'debug', 'log', 'info', 'warn', 'error'] as const) console[method] = () => undefined
})

let missing: string | undefined
let world: ConnectedServers | undefined
const opened: MatrixClient[] = []

async function open(user: Promise<Client>, at: Parameters<typeof openEncrypting>[1]): Promise<MatrixClient> {
  const client = await openEncrypting(await user, at)
  opened.push(client)
  return client
}

async function people(name: string): Promise<{ ours: MatrixClient; theirs: MatrixClient }> {
  if (!world) throw new Error('there is no Synapse')
  const { yurt, synapse } = world
  return {
    ours: await open(yurt.register(name), { baseUrl: 'http://yurt', fetchFn: yurt.fetch }),
    theirs: await open(synapse.register(name), { baseUrl: synapse.url }),
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
