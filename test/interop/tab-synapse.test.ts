import type { MatrixClient } from 'matrix-js-sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { holds, openEncrypting, reads } from './encrypting-client.ts'
import { type Client, eventually } from './matrix-client.ts'
import { installSynapse } from './synapse.ts'
import { startTabServers, type TabServers } from './tab-servers.ts'

// The library takes the console's methods when it is loaded, and tells of every request.
vi.hoisted(() => {
  for (const method of ['trace', 'debug', 'log', 'info', 'warn', 'error'] as const) console[method] = () => undefined
})

let missing: string | undefined
let servers: TabServers | undefined
const opened: MatrixClient[] = []

function running(): TabServers {
  if (!servers) throw new Error('there is no Synapse')
  return servers
}

/** A user of Synapse, whose client encrypts. */
async function openTheirs(name: string): Promise<MatrixClient> {
  const { synapse } = running()
  const client = await openEncrypting(await synapse.register(name), { baseUrl: synapse.url })
  opened.push(client)
  return client
}

async function hears(user: Client, roomId: string, texts: readonly string[]): Promise<void> {
  await eventually(async () => expect(await user.heard(roomId)).toEqual(texts))
}

async function acceptInvitation(user: MatrixClient, roomId: string): Promise<void> {
  await holds('the invitation', () => user.getRoom(roomId)?.getMyMembership() === 'invite')
  await user.joinRoom(roomId)
  await holds('both members', () => user.getRoom(roomId)?.getJoinedMembers().length === 2)
}

describe('a homeserver in a tab, through the relay, with Synapse', () => {
  beforeAll(async () => {
    missing = await installSynapse()
    if (missing === undefined) servers = await startTabServers()
  })
  beforeEach(({ skip }) => skip(missing !== undefined, missing))
  afterAll(async () => {
    for (const client of opened) client.stopClient()
    await servers?.stop()
  })

  test('goes by a name below the relay’s domain, with the port of the relay', () => {
    expect(running().tab.serverName).toMatch(/^k51[a-z0-9]{59}\.relay\.test:\d+$/)
  })

  test('its user joins a room of Synapse by its alias, and they chat', async () => {
    const { tab, synapse } = running()
    const user = await synapse.register('host')
    const theirRoom = await user.createRoom({ preset: 'public_chat', room_alias_name: 'lobby' })
    await user.say(theirRoom, 'before you came')
    expect(await tab.join(`#lobby:${synapse.serverName}`, synapse.serverName)).toBe(theirRoom)
    await tab.say(theirRoom, 'from the tab')
    await hears(user, theirRoom, ['before you came', 'from the tab'])
    await user.say(theirRoom, 'from Synapse')
    await eventually(async () => expect((await tab.texts(theirRoom)).slice(-2)).toEqual(['from the tab', 'from Synapse']))
  })

  test('its user invites one of Synapse into a room of the tab, and they chat', async () => {
    const { tab, synapse } = running()
    const user = await synapse.register('guest')
    const roomId = await tab.createRoom({ encrypted: false, invite: [user.userId] })
    await eventually(() => user.join(roomId, tab.serverName))
    await user.say(roomId, 'from Synapse')
    await tab.reads(roomId, ['from Synapse'])
    await tab.say(roomId, 'from the tab')
    await hears(user, roomId, ['from Synapse', 'from the tab'])
  })

  test('in a room of Synapse each reads what the other encrypted', async () => {
    const { tab } = running()
    const theirs = await openTheirs('encrypting-host')
    const { room_id: roomId } = await theirs.createRoom({
      invite: [tab.userId],
      initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
    })
    await tab.accept(roomId)
    await holds('both members', () => theirs.getRoom(roomId)?.getJoinedMembers().length === 2)
    await theirs.sendTextMessage(roomId, 'from Synapse')
    await tab.reads(roomId, ['from Synapse'])
    await tab.say(roomId, 'from the tab')
    await reads(theirs, roomId, 'from the tab')
  })

  test('in a room of the tab each reads what the other encrypted, and what was sent while the tab slept comes once, though the relay was killed', async () => {
    const { tab, relay, synapse } = running()
    const theirs = await openTheirs('encrypting-guest')
    const roomId = await tab.createRoom({ encrypted: true, invite: [theirs.getSafeUserId()] })
    await acceptInvitation(theirs, roomId)
    await tab.membersAre(roomId, 2)
    await tab.say(roomId, 'awake')
    await reads(theirs, roomId, 'awake')
    await theirs.sendTextMessage(roomId, 'I see')
    await tab.reads(roomId, ['awake', 'I see'])

    await tab.close()
    await theirs.sendTextMessage(roomId, 'sleep well')
    await eventually(async () => expect(relay.mail()).toBeGreaterThan(0))
    await relay.end('SIGKILL')
    // Who cannot be asked cannot send it again: it comes from the mailbox.
    await synapse.stop()
    await relay.start()
    await tab.open()
    await tab.resume()
    await tab.reads(roomId, ['awake', 'I see', 'sleep well'])
    await synapse.start()
    await tab.say(roomId, 'good morning')
    await reads(theirs, roomId, 'good morning')
    await theirs.sendTextMessage(roomId, 'good morning to you')
    await tab.reads(roomId, ['awake', 'I see', 'sleep well', 'good morning', 'good morning to you'])
    await eventually(async () => expect(relay.mail()).toBe(0))
  })
})
