import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { StorageLost } from '../../src/ports/storage.ts'
import { isObject, type JsonObject } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { Replays } from '../../worker/replays.ts'
import { keptAnswers } from '../../worker/schema.ts'
import { CrashingDisk } from '../simulation/crashing-disk.ts'
import { byPassword, dyingAfter, Leader, password, type Request, registration, sharedSecret } from './leader.ts'

interface Case {
  /** Makes what the request is about; resolves with the request, and with what tells how often it took effect. */
  readonly prepare: (leader: Leader) => Promise<{
    readonly request: Request
    readonly effects: (leader: Leader, answer: JsonObject) => Promise<unknown>
  }>
  /** What {@link effects} tells of a request that took effect once. */
  readonly once: unknown
}

/** Kills the leader at each commit of the request in turn, and puts the request to the next one. */
async function killedAnywhere({ prepare, once }: Case): Promise<void> {
  for (let commits = 0; ; commits++) {
    const storage = new MemoryStorage()
    const { request, effects } = await prepare(await Leader.start(storage))
    const dying = dyingAfter(storage, Number.POSITIVE_INFINITY)
    const first = await Leader.start(dying.storage)
    const limited = dyingAfter(storage, commits)
    dying.storage.commit = limited.storage.commit
    const answered = await first.ask(request, 'the-request')
    dying.storage.commit = () => Promise.reject(new StorageLost('the leader was killed'))
    const next = await Leader.start(storage)
    const repeated = await next.ask(request, 'the-request')
    expect(repeated, `killed after ${commits} commits`).toMatchObject({ status: 200 })
    if (answered.status === 200) expect(repeated.body).toEqual(answered.body)
    expect(await effects(next, repeated.body), `killed after ${commits} commits`).toEqual(once)
    if (!limited.died()) return
  }
}

/** Answers the request, cuts the power, and looks for its effect on what the disk kept. */
async function cutAfterAnswer({ prepare, once }: Case): Promise<void> {
  const disk = new CrashingDisk()
  const leader = await Leader.start(disk.open())
  const { request, effects } = await prepare(leader)
  const { status, body } = await leader.ask(request, 'the-request')
  disk.crash()
  expect(status).toBe(200)
  expect(await effects(await Leader.start(disk.open()), body)).toEqual(once)
}

async function deviceCount(leader: Leader, token: string): Promise<number> {
  const { devices } = await leader.get(token, '/devices')
  return Array.isArray(devices) ? devices.length : 0
}

async function roomCount(leader: Leader, token: string): Promise<number> {
  const { joined_rooms: rooms } = await leader.get(token, '/joined_rooms')
  return Array.isArray(rooms) ? rooms.length : 0
}

async function createRoom(leader: Leader, token: string, options: JsonObject = {}): Promise<string> {
  return String((await leader.post(token, '/createRoom', options)).room_id)
}

/** How many events of this type the room holds, about this state key. */
async function eventCount(leader: Leader, token: string, { roomId, type, stateKey }: { roomId: string; type: string; stateKey: string }) {
  const { chunk } = await leader.get(token, `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`)
  const events = Array.isArray(chunk) ? chunk : []
  return events.filter((event) => isObject(event) && event.type === type && event.state_key === stateKey).length
}

const bob = '@bob:a.example'

/** A request of Alice's about Bob and her room: how often Bob's membership changed tells its effects. */
function aboutBob(action: string, before: readonly string[]): Case['prepare'] {
  return async (leader) => {
    const token = await leader.register('alice')
    const bobs = await leader.register('bob')
    const roomId = await createRoom(leader, token, { preset: 'public_chat' })
    const path = `/rooms/${encodeURIComponent(roomId)}`
    for (const step of before) {
      if (step === 'join') await leader.post(bobs, `/join/${encodeURIComponent(roomId)}`)
      else await leader.post(token, `${path}/${step}`, { user_id: bob })
    }
    const count = (on: Leader) => eventCount(on, token, { roomId, type: 'm.room.member', stateKey: bob })
    const had = await count(leader)
    const request = { method: 'POST', path: `/_matrix/client/v3${path}/${action}`, body: { user_id: bob }, token }
    return { request, effects: async (next) => (await count(next)) - had }
  }
}

const cases: Readonly<Record<string, Case>> = {
  'an account': {
    prepare: async () => ({
      request: registration('alice'),
      effects: async (leader, { access_token: token }) => deviceCount(leader, String(token)),
    }),
    once: 1,
  },
  'a read receipt': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const room = `/rooms/${encodeURIComponent(await createRoom(leader, token))}`
      const { event_id: eventId } = await leader.get(token, `${room}/state/m.room.create/?format=event`)
      return {
        request: {
          method: 'POST',
          path: `/_matrix/client/v3${room}/receipt/m.read/${encodeURIComponent(String(eventId))}`,
          body: {},
          token,
        },
        effects: async (next) => JSON.stringify(await next.get(token, '/sync')).split('"m.read"').length - 1,
      }
    },
    once: 1,
  },
  'an account that is not logged in': {
    prepare: async () => ({
      request: { ...registration('alice'), body: { ...registration('alice').body, inhibit_login: true } },
      effects: async (leader, answer) => {
        const { access_token: token } = await leader.call({ method: 'POST', path: '/_matrix/client/v3/login', body: byPassword('alice') })
        return [answer, await deviceCount(leader, String(token))]
      },
    }),
    once: [{ user_id: '@alice:a.example' }, 1],
  },
  'a login': {
    prepare: async (leader) => {
      await leader.register('alice')
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/login', body: byPassword('alice') },
        effects: (next, { access_token: token }) => deviceCount(next, String(token)),
      }
    },
    once: 2,
  },
  'a logout': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/logout', token },
        effects: async (next) => (await next.ask({ method: 'GET', path: '/_matrix/client/v3/account/whoami', token })).status,
      }
    },
    once: 401,
  },
  'the end of all sessions': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/logout/all', token },
        effects: async (next) => (await next.ask({ method: 'GET', path: '/_matrix/client/v3/account/whoami', token })).status,
      }
    },
    once: 401,
  },
  'the removal of a device': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const other = await leader.call({ method: 'POST', path: '/_matrix/client/v3/login', body: byPassword('alice') })
      const path = `/_matrix/client/v3/devices/${other.device_id}`
      return {
        request: { method: 'DELETE', path, body: { auth: byPassword('alice') }, token },
        effects: (next) => deviceCount(next, token),
      }
    },
    once: 1,
  },
  'a new password': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const body = { new_password: 'looking-glass', auth: byPassword('alice') }
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/account/password', body, token },
        effects: async (next) => {
          const login = { ...byPassword('alice'), password: 'looking-glass' }
          return (await next.ask({ method: 'POST', path: '/_matrix/client/v3/login', body: login })).status
        },
      }
    },
    once: 200,
  },
  'the end of an account': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      await createRoom(leader, token)
      const body = { auth: byPassword('alice') }
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/account/deactivate', body, token },
        effects: async (next, answer) => [
          answer,
          (await next.ask({ method: 'POST', path: '/_matrix/client/v3/login', body: byPassword('alice') })).status,
        ],
      }
    },
    once: [{ id_server_unbind_result: 'success' }, 403],
  },
  'a one-time key': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const { device_id: deviceId } = await leader.get(token, '/account/whoami')
      const keys = Object.fromEntries(['A', 'B', 'C'].map((id) => [`signed_curve25519:${id}`, { key: id }]))
      await leader.post(token, '/keys/upload', { one_time_keys: keys })
      const body = { one_time_keys: { '@alice:a.example': { [String(deviceId)]: 'signed_curve25519' } } }
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/keys/claim', body, token },
        effects: async (next) => (await next.post(token, '/keys/upload')).one_time_key_counts,
      }
    },
    once: { signed_curve25519: 2 },
  },
  'a room, with its alias and its place in the directory': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      await leader.register('bob')
      const body = { preset: 'public_chat', visibility: 'public', room_alias_name: 'tea', name: 'Tea', topic: 'party' }
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/createRoom', body, token },
        effects: async (next, { room_id: roomId }) => {
          const { room_id: found } = await next.get(token, `/directory/room/${encodeURIComponent('#tea:a.example')}`)
          const { total_room_count_estimate: published } = await next.get(token, '/publicRooms')
          return [await roomCount(next, token), found === roomId, published]
        },
      }
    },
    once: [1, true, 1],
  },
  'the replacement of a room': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const roomId = await createRoom(leader, token, { room_version: '11' })
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`
      return {
        request: { method: 'POST', path: `${path}/upgrade`, body: { new_version: '12' }, token },
        effects: async (next, { replacement_room: replacement }) => {
          const tombstone = await next.call({ method: 'GET', path: `${path}/state/m.room.tombstone`, token })
          return [await roomCount(next, token), tombstone.replacement_room === replacement]
        },
      }
    },
    once: [2, true],
  },
  'an invitation': { prepare: aboutBob('invite', []), once: 1 },
  'a kick': { prepare: aboutBob('kick', ['join']), once: 1 },
  'a ban': { prepare: aboutBob('ban', ['join']), once: 1 },
  'the end of a ban': { prepare: aboutBob('unban', ['join', 'ban']), once: 1 },
  'a knock': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const bobs = await leader.register('bob')
      const knocking = { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }
      const roomId = await createRoom(leader, token, { initial_state: [knocking] })
      return {
        request: { method: 'POST', path: `/_matrix/client/v3/knock/${encodeURIComponent(roomId)}`, token: bobs },
        effects: (next) => eventCount(next, token, { roomId, type: 'm.room.member', stateKey: bob }),
      }
    },
    once: 1,
  },
  'a state event': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const roomId = await createRoom(leader, token)
      const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.topic`
      return {
        request: { method: 'PUT', path, body: { topic: 'tea' }, token },
        effects: (next) => eventCount(next, token, { roomId, type: 'm.room.topic', stateKey: '' }),
      }
    },
    once: 1,
  },
  'an alias': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const roomId = await createRoom(leader, token)
      const path = `/_matrix/client/v3/directory/room/${encodeURIComponent('#tea:a.example')}`
      return {
        request: { method: 'PUT', path, body: { room_id: roomId }, token },
        effects: async (next) => (await next.get(token, `/rooms/${encodeURIComponent(roomId)}/aliases`)).aliases,
      }
    },
    once: ['#tea:a.example'],
  },
  'the removal of an alias': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const roomId = await createRoom(leader, token, { room_alias_name: 'tea' })
      const path = `/_matrix/client/v3/directory/room/${encodeURIComponent('#tea:a.example')}`
      return {
        request: { method: 'DELETE', path, token },
        effects: async (next) => (await next.get(token, `/rooms/${encodeURIComponent(roomId)}/aliases`)).aliases,
      }
    },
    once: [],
  },
  'a key backup': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const body = { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: { public_key: 'x' } }
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/room_keys/version', body, token },
        effects: async (next, answer) => [answer, (await next.get(token, '/room_keys/version')).version],
      }
    },
    once: [{ version: '1' }, '1'],
  },
  'a push rule’s removal': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const path = '/_matrix/client/v3/pushrules/global/content/tea'
      await leader.call({ method: 'PUT', path, body: { actions: ['notify'], pattern: 'tea' }, token })
      return {
        request: { method: 'DELETE', path, token },
        effects: async (next) => (await next.ask({ method: 'GET', path, token })).status,
      }
    },
    once: 404,
  },
  'new tokens for a refresh token': {
    prepare: async (leader) => {
      await leader.register('alice')
      const body = { ...byPassword('alice'), refresh_token: true }
      const { refresh_token } = await leader.call({ method: 'POST', path: '/_matrix/client/v3/login', body })
      return {
        request: { method: 'POST', path: '/_matrix/client/v3/refresh', body: { refresh_token: String(refresh_token) } },
        effects: async (next, { access_token: token }) => deviceCount(next, String(token)),
      }
    },
    once: 2,
  },
  'a login token': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const body = { auth: byPassword('alice') }
      return {
        request: { method: 'POST', path: '/_matrix/client/v1/login/get_token', body, token },
        effects: async (next, { login_token }) => {
          const login = { type: 'm.login.token', token: String(login_token) }
          return (await next.ask({ method: 'POST', path: '/_matrix/client/v3/login', body: login })).status
        },
      }
    },
    once: 200,
  },
  'a token for a third party': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const path = `/_matrix/client/v3/user/${encodeURIComponent('@alice:a.example')}/openid/request_token`
      return { request: { method: 'POST', path, token }, effects: async (_next, answer) => answer.token_type }
    },
    once: 'Bearer',
  },
  'a media id': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      return {
        request: { method: 'POST', path: '/_matrix/media/v1/create', token },
        effects: async (next, { content_uri: uri }) => {
          const path = `/_matrix/media/v3/upload/${String(uri).slice('mxc://'.length)}`
          return (await next.ask({ method: 'PUT', path, token })).status
        },
      }
    },
    once: 200,
  },
  'an upload': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      return {
        request: { method: 'POST', path: '/_matrix/media/v3/upload', token },
        effects: async (_next, { content_uri: uri }) => String(uri).startsWith('mxc://a.example/'),
      }
    },
    once: true,
  },
  'a message to a device': {
    prepare: async (leader) => {
      const token = await leader.register('alice')
      const path = '/_matrix/client/v3/sendToDevice/m.test/1'
      return {
        request: { method: 'PUT', path, body: { messages: { '@alice:a.example': { '*': { a: 1 } } } }, token },
        effects: async (next) => (await next.get(token, '/sync')).to_device,
      }
    },
    once: { events: [{ type: 'm.test', sender: '@alice:a.example', content: { a: 1 } }] },
  },
}

describe('whenever the leader is killed, a request put to the next one is answered the same and makes once', () => {
  for (const [what, each] of Object.entries(cases)) test(what, () => killedAnywhere(each))

  test('an account registered with the shared secret, unless its nonce went with the leader', async () => {
    const storage = new MemoryStorage()
    const first = await Leader.start(storage)
    const path = '/_synapse/admin/v1/register'
    const { nonce } = await first.call({ method: 'GET', path })
    const mac = createHmac('sha1', sharedSecret).update([nonce, 'alice', password, 'admin'].join('\0')).digest('hex')
    const request = { method: 'POST', path, body: { nonce: nonce ?? '', username: 'alice', password, admin: true, mac } }
    const answered = await first.ask(request, 'the-request')
    const next = await Leader.start(storage)
    expect(await next.ask(request, 'the-request')).toEqual(answered)
    expect(await next.ask(request, 'another')).toMatchObject({ status: 400 })
  })
})

describe('what was answered is there after the power failed, though the disk lost all that was not committed strictly', () => {
  for (const [what, each] of Object.entries(cases)) test(what, () => cutAfterAnswer(each))
})

test('a report is told of once, whenever the leader is killed', async () => {
  for (let commits = 0; ; commits++) {
    const storage = new MemoryStorage()
    const setup = await Leader.start(storage)
    const token = await setup.register('alice')
    const path = `/_matrix/client/v3/users/${encodeURIComponent('@bob:a.example')}/report`
    const request = { method: 'POST', path, body: { reason: 'spam' }, token }
    const dying = dyingAfter(storage, commits)
    const first = await Leader.start(dying.storage)
    await first.ask(request, 'the-request')
    const next = await Leader.start(storage)
    await next.ask(request, 'the-request')
    expect([...first.warnings, ...next.warnings], `killed after ${commits} commits`).toEqual(['a user was reported'])
    if (!dying.died()) return
  }
})

test('an answer with tokens in it is kept so that only who repeats the request can read it', async () => {
  const storage = new MemoryStorage()
  const leader = await Leader.start(storage)
  const { body } = await leader.ask(registration('alice'), 'the-request')
  const [row] = await storage.read([keptAnswers], (tx) => tx.range(keptAnswers, {}))
  if (!row) throw new Error('nothing was kept')
  const [[, key], { bytes }] = row
  expect(key).not.toContain('the-request')
  expect(new TextDecoder().decode(bytes)).not.toContain(String(body.access_token))
  expect((await (await Leader.start(storage)).ask(registration('alice'), 'the-request')).body).toEqual(body)
  expect((await (await Leader.start(storage)).ask(registration('alice'), 'another')).body).toMatchObject({ errcode: 'M_USER_IN_USE' })
})

test('an answer is not kept for longer than ten minutes', async () => {
  const storage = new MemoryStorage()
  const request = registration('alice')
  await (await Leader.start(storage)).ask(request, 'the-request')
  const replays = await Replays.open(storage, Date.now() + 10 * 60_000)
  const rerun = await replays.once('the-request', async () => new Response('run again'))
  expect(await rerun.text()).toBe('run again')
})
