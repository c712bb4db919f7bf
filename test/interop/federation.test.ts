import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from 'vitest'
import { signJson } from '../../src/federation/sign.ts'
import { encodeBase64 } from '../../src/spec/base64.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { nodeSigner } from '../simulation/node-signer.ts'
import { at, type Client, eventually } from './matrix-client.ts'
import { type ConnectedServers, connectServers } from './servers.ts'
import { installSynapse } from './synapse.ts'

let missing: string | undefined
let world: ConnectedServers | undefined

/** The servers, with what they logged shown if the test fails. */
function servers() {
  if (!world) throw new Error('there is no Synapse')
  const { synapse, yurt } = world
  onTestFailed(async () => {
    console.error(`Synapse:\n${await synapse.log()}\nYurt:\n${yurt.lines.slice(-40).join('\n')}`)
  })
  return { synapse, yurt }
}

let users = 0
async function pair(): Promise<{ ours: Client; theirs: Client }> {
  const { synapse, yurt } = servers()
  const name = `user${++users}`
  return { ours: await yurt.register(name), theirs: await synapse.register(name) }
}

/** Until both show the same messages. */
async function untilBothHear(clients: Client[], roomId: string, messages: string[]): Promise<void> {
  for (const client of clients) await eventually(async () => expect(await client.heard(roomId)).toEqual(messages))
}

function invited(client: Client, roomId: string): Promise<unknown> {
  return client.syncUntil('the invitation', (sync) => at(sync, 'rooms', 'invite', roomId))
}

describe('with Synapse', () => {
  beforeAll(async () => {
    missing = await installSynapse()
    if (missing !== undefined) return
    world = await connectServers()
  })
  beforeEach(({ skip }) => skip(missing !== undefined, missing))
  afterAll(async () => {
    await world?.stop()
  })

  test.for(['10', '11', '12'])('a user of Synapse joins our public room of version %s by its alias, and both talk', async (version) => {
    const { ours, theirs } = await pair()
    const roomId = await ours.createRoom({ preset: 'public_chat', room_version: version, room_alias_name: `ours-${version}` })
    await ours.say(roomId, 'before')
    expect(await theirs.join(`#ours-${version}:${ours.serverName}`, ours.serverName)).toBe(roomId)
    await ours.say(roomId, 'from us')
    await eventually(async () => expect(await theirs.heard(roomId)).toContain('from us'))
    await theirs.say(roomId, 'from them')
    await untilBothHear([ours, theirs], roomId, ['before', 'from us', 'from them'])
  })

  test.for(['10', '11', '12'])(
    'a user of ours joins a public room of version %s of Synapse by its alias, and both talk',
    async (version) => {
      const { ours, theirs } = await pair()
      const roomId = await theirs.createRoom({ preset: 'public_chat', room_version: version, room_alias_name: `theirs-${version}` })
      for (let i = 0; i < 30; i++) await theirs.say(roomId, `before ${i}`)
      expect(await ours.join(`#theirs-${version}:${theirs.serverName}`, theirs.serverName)).toBe(roomId)
      await theirs.say(roomId, 'from them')
      await eventually(async () => expect(await ours.heard(roomId)).toContain('from them'))
      await ours.say(roomId, 'from us')
      const before = Array.from({ length: 30 }, (_, i) => `before ${i}`)
      await untilBothHear([ours, theirs], roomId, [...before, 'from them', 'from us'])
    },
  )

  test('a room of many users is joined with all of them in it, in both directions', async () => {
    const { synapse, yurt } = servers()
    const { ours, theirs } = await pair()
    for (const [host, guest, server] of [
      [ours, theirs, yurt],
      [theirs, ours, synapse],
    ] as const) {
      const roomId = await host.createRoom({ preset: 'public_chat', name: 'Many' })
      const others: Client[] = []
      for (let i = 0; i < 12; i++) others.push(await server.register(`user${++users}`))
      for (const other of others) await other.join(roomId, host.serverName)
      await guest.join(roomId, host.serverName)
      const everyone = [host, guest, ...others].map(({ userId }) => userId).sort()
      await eventually(async () => expect(await guest.joinedMembers(roomId)).toEqual(everyone))
    }
  })

  test('an invitation to our private room is accepted by a user of Synapse', async () => {
    const { ours, theirs } = await pair()
    const roomId = await ours.createRoom({ preset: 'private_chat', name: 'Secret' })
    await ours.membership(roomId, 'invite', theirs.userId)
    const state = JSON.stringify(await invited(theirs, roomId))
    expect(state).toContain('Secret')
    await theirs.join(roomId, ours.serverName)
    await theirs.say(roomId, 'thanks')
    await eventually(async () => expect(await ours.heard(roomId)).toEqual(['thanks']))
  })

  test('an invitation to a private room of Synapse is accepted by a user of ours', async () => {
    const { ours, theirs } = await pair()
    const roomId = await theirs.createRoom({ preset: 'private_chat', name: 'Secret' })
    await theirs.membership(roomId, 'invite', ours.userId)
    const state = JSON.stringify(await invited(ours, roomId))
    expect(state).toContain('Secret')
    await ours.join(roomId, theirs.serverName)
    await ours.say(roomId, 'thanks')
    await eventually(async () => expect(await theirs.heard(roomId)).toEqual(['thanks']))
  })

  test('invitations are declined in both directions', async () => {
    const { ours, theirs } = await pair()
    for (const [host, guest] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const roomId = await host.createRoom({ preset: 'private_chat' })
      await host.membership(roomId, 'invite', guest.userId)
      await invited(guest, roomId)
      await guest.membership(roomId, 'leave')
      await eventually(async () => expect(await host.state(roomId, 'm.room.member', guest.userId)).toMatchObject({ membership: 'leave' }))
    }
  })

  test('an invitation that is taken back is gone on the other server', async () => {
    const { ours, theirs } = await pair()
    for (const [host, guest] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const roomId = await host.createRoom({ preset: 'private_chat' })
      await host.membership(roomId, 'invite', guest.userId)
      await invited(guest, roomId)
      await host.membership(roomId, 'kick', guest.userId)
      await guest.syncUntil('the end of the invitation', (sync) => at(sync, 'rooms', 'leave', roomId))
    }
  })

  test('knocks are heard and answered in both directions', async () => {
    const { ours, theirs } = await pair()
    for (const [host, guest] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const roomId = await host.createRoom({
        preset: 'private_chat',
        initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
      })
      await guest.knock(roomId, host.serverName)
      await eventually(async () => expect(await host.state(roomId, 'm.room.member', guest.userId)).toMatchObject({ membership: 'knock' }))
      await host.membership(roomId, 'invite', guest.userId)
      await invited(guest, roomId)
      await guest.join(roomId, host.serverName)
      await guest.say(roomId, 'in')
      await eventually(async () => expect(await host.heard(roomId)).toEqual(['in']))
    }
  })

  test('a restricted room lets in the members of the room it names, in both directions', async () => {
    const { ours, theirs } = await pair()
    for (const [host, guest] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const space = await host.createRoom({ preset: 'public_chat' })
      const allow = [{ type: 'm.room_membership', room_id: space }]
      const roomId = await host.createRoom({
        preset: 'private_chat',
        initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'restricted', allow } }],
      })
      await expect(guest.join(roomId, host.serverName)).rejects.toThrow(/40[03]/)
      await guest.join(space, host.serverName)
      await eventually(() => guest.join(roomId, host.serverName))
      await guest.say(roomId, 'in')
      await eventually(async () => expect(await host.heard(roomId)).toEqual(['in']))
    }
  })

  test('a kick, a ban and an unban by either side count on both', async () => {
    const { ours, theirs } = await pair()
    for (const [host, guest] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const roomId = await host.createRoom({ preset: 'public_chat' })
      await guest.join(roomId, host.serverName)
      await host.membership(roomId, 'kick', guest.userId)
      await guest.syncUntil('the kick', (sync) => at(sync, 'rooms', 'leave', roomId))
      await eventually(() => guest.join(roomId, host.serverName))
      await host.membership(roomId, 'ban', guest.userId)
      await eventually(() => expect(guest.say(roomId, 'still here')).rejects.toThrow('403'))
      await expect(guest.join(roomId, host.serverName)).rejects.toThrow('403')
      await host.membership(roomId, 'unban', guest.userId)
      await eventually(() => guest.join(roomId, host.serverName))
    }
  })

  test('a redaction by either side counts on both', async () => {
    const { ours, theirs } = await pair()
    const roomId = await ours.createRoom({ preset: 'public_chat' })
    await theirs.join(roomId, ours.serverName)
    for (const [sender, other] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const eventId = await sender.say(roomId, `secret of ${sender.serverName}`)
      await eventually(async () => expect(await other.heard(roomId)).toContain(`secret of ${sender.serverName}`))
      await sender.call('PUT', `${sender.room(roomId)}/redact/${encodeURIComponent(eventId)}/r${users}`, {})
      await eventually(async () => expect(await other.heard(roomId)).not.toContain(`secret of ${sender.serverName}`))
    }
  })

  test('events sent at the same time on both sides end as the same state on both', async () => {
    const { ours, theirs } = await pair()
    const roomId = await ours.createRoom({ preset: 'public_chat', power_level_content_override: { state_default: 0 } })
    await theirs.join(roomId, ours.serverName)
    const both = [ours, theirs]
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        both.flatMap((client, i) => [
          client.setState(roomId, 'm.room.topic', { topic: `${round} ${i}` }),
          client.say(roomId, `${round} ${i}`),
        ]),
      )
    }
    const said = Array.from({ length: 10 }, (_, i) => `${Math.floor(i / 2)} ${i % 2}`)
    for (const client of both) await eventually(async () => expect((await client.heard(roomId)).sort()).toEqual(said))
    await ours.say(roomId, 'done')
    await eventually(async () => expect(await theirs.heard(roomId)).toContain('done'))
    await eventually(async () => expect(await theirs.state(roomId, 'm.room.topic')).toEqual(await ours.state(roomId, 'm.room.topic')))
  })

  test('profiles, directories and published rooms are seen from either side', async () => {
    const { ours, theirs } = await pair()
    for (const [host, guest] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      await host.call('PUT', `/_matrix/client/v3/profile/${host.userId}/displayname`, { displayname: `I am ${host.userId}` })
      const profile = await guest.call('GET', `/_matrix/client/v3/profile/${host.userId}`)
      expect(profile).toMatchObject({ displayname: `I am ${host.userId}` })
      const alias = `published${users}`
      const roomId = await host.createRoom({
        preset: 'public_chat',
        visibility: 'public',
        name: `Published ${users}`,
        room_alias_name: alias,
      })
      const resolved = await guest.call('GET', `/_matrix/client/v3/directory/room/${encodeURIComponent(`#${alias}:${host.serverName}`)}`)
      expect(resolved.room_id).toBe(roomId)
      // Synapse counts the members of a room in the background, and shows no room before.
      await eventually(async () => {
        const filter = { generic_search_term: `Published ${users}` }
        const page = await guest.call('POST', `/_matrix/client/v3/publicRooms?server=${host.serverName}`, { filter })
        expect(page.chunk).toMatchObject([{ room_id: roomId, name: `Published ${users}` }])
      })
    }
  })

  test('typing and read receipts are seen from either side', async () => {
    const { ours, theirs } = await pair()
    const roomId = await ours.createRoom({ preset: 'public_chat' })
    await theirs.join(roomId, ours.serverName)
    for (const [actor, watcher] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const eventId = await watcher.say(roomId, `read this, ${actor.userId}`)
      await eventually(async () => expect(await actor.heard(roomId)).toContain(`read this, ${actor.userId}`))
      const seen = (kind: string, wanted: string) =>
        watcher.syncUntil(kind, (sync) => {
          const events = at(sync, 'rooms', 'join', roomId, 'ephemeral', 'events')
          return Array.isArray(events) && JSON.stringify(events.filter((event) => at(event, 'type') === kind)).includes(wanted)
            ? true
            : undefined
        })
      const typing = seen('m.typing', actor.userId)
      await actor.call('PUT', `${actor.room(roomId)}/typing/${actor.userId}`, { typing: true, timeout: 20_000 })
      await typing
      await actor.call('POST', `${actor.room(roomId)}/receipt/m.read/${encodeURIComponent(eventId)}`, {})
      await seen('m.receipt', actor.userId)
    }
  })

  test('device keys, one-time keys and to-device messages cross in both directions', async () => {
    const { ours, theirs } = await pair()
    const roomId = await ours.createRoom({ preset: 'public_chat' })
    await theirs.join(roomId, ours.serverName)
    for (const [actor, other] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const device = nodeSigner(actor.userId, actor.deviceId)
      const signed = (object: JsonObject) => signJson(object, { ...device, keyId: `ed25519:${actor.deviceId}` })
      const deviceKeys = await signed({
        user_id: actor.userId,
        device_id: actor.deviceId,
        algorithms: ['m.olm.v1.curve25519-aes-sha2'],
        keys: { [`ed25519:${actor.deviceId}`]: encodeBase64(device.publicKey) },
      })
      const oneTimeKey = await signed({ key: 'zKbLg+NrIjpnagy+pIY6uPL4ZwEG2v+8F9lmgsnlZzs' })
      const changed = other.syncUntil('the changed devices', (sync) => {
        const users = at(sync, 'device_lists', 'changed')
        return Array.isArray(users) && users.includes(actor.userId) ? true : undefined
      })
      // Only who asked for a user's devices is told of their changes.
      await other.call('POST', '/_matrix/client/v3/keys/query', { device_keys: { [actor.userId]: [] } })
      await actor.call('POST', '/_matrix/client/v3/keys/upload', {
        device_keys: deviceKeys,
        one_time_keys: { 'signed_curve25519:AAAA': oneTimeKey },
      })
      await changed
      await eventually(async () => {
        const queried = await other.call('POST', '/_matrix/client/v3/keys/query', { device_keys: { [actor.userId]: [] } })
        expect(at(queried, 'device_keys', actor.userId, actor.deviceId)).toMatchObject({ keys: deviceKeys.keys })
      })
      const wanted = { one_time_keys: { [actor.userId]: { [actor.deviceId]: 'signed_curve25519' } } }
      const claimed = await other.call('POST', '/_matrix/client/v3/keys/claim', wanted)
      expect(at(claimed, 'one_time_keys', actor.userId, actor.deviceId)).toEqual({ 'signed_curve25519:AAAA': oneTimeKey })
      const messages = { [actor.userId]: { [actor.deviceId]: { hello: other.userId } } }
      await other.call('PUT', `/_matrix/client/v3/sendToDevice/org.example.hello/t${users}`, { messages })
      await actor.syncUntil('the to-device message', (sync) => {
        const events = at(sync, 'to_device', 'events')
        const found = Array.isArray(events) ? events.find((event) => at(event, 'type') === 'org.example.hello') : undefined
        if (found) expect(found).toMatchObject({ sender: other.userId, content: { hello: other.userId } })
        return found
      })
    }
  })

  test('media is downloaded from either side', async () => {
    const { ours, theirs } = await pair()
    for (const [host, guest] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const bytes = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 7) % 256)
      const uploaded: unknown = await (await host.raw('POST', '/_matrix/media/v3/upload?filename=a%20file.bin', bytes)).json()
      const mediaId = String(at(uploaded, 'content_uri')).split('/').at(-1)
      const response = await guest.raw('GET', `/_matrix/client/v1/media/download/${host.serverName}/${mediaId}`)
      expect(response.status).toBe(200)
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes)
      expect(decodeURIComponent(response.headers.get('content-disposition') ?? '')).toContain('a file.bin')
    }
  })

  test('what was said while Synapse was away reaches it in order when it is back', async () => {
    const { ours, theirs } = await pair()
    const { synapse } = servers()
    const roomId = await ours.createRoom({ preset: 'public_chat' })
    await theirs.join(roomId, ours.serverName)
    await synapse.stop()
    const said = Array.from({ length: 120 }, (_, i) => `while away ${i}`)
    for (const body of said) await ours.say(roomId, body)
    await synapse.start()
    await eventually(async () => expect(await theirs.heard(roomId)).toEqual(said), 60_000)
  })

  test('what was said while we were away reaches us, with no gap, when we are back', async () => {
    const { ours, theirs } = await pair()
    const { yurt } = servers()
    const roomId = await theirs.createRoom({ preset: 'public_chat' })
    await ours.join(roomId, theirs.serverName)
    await yurt.stop()
    const said = Array.from({ length: 60 }, (_, i) => `while away ${i}`)
    for (const body of said) await theirs.say(roomId, body)
    await yurt.start()
    await eventually(async () => expect(await ours.heard(roomId)).toEqual(said), 60_000)
    await ours.say(roomId, 'back')
    await eventually(async () => expect(await theirs.heard(roomId)).toEqual([...said, 'back']))
  })
})
