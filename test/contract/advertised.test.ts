import { afterAll, describe, expect, test } from 'vitest'
import { isObject, type JsonObject, type JsonValue } from '../../src/spec/json.ts'
import { passwordOf, World } from './endpoints/world.ts'
import { routesOf } from './specification/served.ts'

const world = await World.open()
const { admin, alice, bob } = world
const v3 = '/_matrix/client/v3'
const unstable = '/_matrix/client/unstable'
const encode = encodeURIComponent

afterAll(() => world.close())

const roomPath = async () => `${v3}/rooms/${encode((await world.room()).roomId)}`
const own = (rest: string) => `${v3}/user/${encode(alice.userId)}/${rest}`
const profile = (field: string) => `${v3}/profile/${encode(alice.userId)}/${field}`
const proof = { type: 'm.login.password', identifier: { type: 'm.id.user', user: alice.userId }, password: passwordOf('alice') }

/** The field of an answer's part, by their names. */
function at(value: JsonValue | undefined, ...names: string[]): JsonValue | undefined {
  return names.reduce<JsonValue | undefined>((part, name) => (isObject(part) ? part[name] : undefined), value)
}

/** By flag of `/versions`: what is promised by it, done. A new flag needs a row. */
const features: Record<string, () => Promise<void>> = {
  // Deleting account data.
  'org.matrix.msc3391': async () => {
    await world.must(alice, 'PUT', own('account_data/org.example.gone'), { a: 1 })
    await world.must(alice, 'DELETE', own('account_data/org.example.gone').replace('/v3/', '/unstable/org.matrix.msc3391/'))
    expect((await world.ask(alice, 'GET', own('account_data/org.example.gone'))).status).toBe(404)
  },
  // Logging in by QR code.
  'org.matrix.msc4108': async () => {
    const uri = `${unstable}/org.matrix.msc4108/rendezvous`
    const { status, body } = await world.send({ method: 'POST', uri, body: 'sealed', headers: { 'content-type': 'text/plain' } })
    expect(status).toBe(201)
    expect((await world.send({ method: 'GET', uri: new URL(String(body.url)).pathname })).text).toBe('sealed')
  },
  // Delayed events.
  'org.matrix.msc4140': async () => {
    const uri = `${await roomPath()}/send/org.example.late/1`
    const { delay_id: id } = await ofDraft('PUT', `${uri}?org.matrix.msc4140.delay=60000`, { a: 1 })
    await world.must(undefined, 'POST', `${unstable}/org.matrix.msc4140/delayed_events/${id}/send`, {})
    const { chunk } = await world.must(alice, 'GET', `${await roomPath()}/messages?dir=b&limit=1`)
    expect(chunk).toMatchObject([{ type: 'org.example.late' }])
  },
  // Transports of calls: there are none.
  'org.matrix.msc4143': async () =>
    expect(await world.must(alice, 'GET', `${unstable}/org.matrix.msc4143/rtc/transports`)).toEqual({ rtc_transports: [] }),
  // Thread subscriptions.
  'org.matrix.msc4306': async () => {
    const { roomId, eventId } = await world.room()
    const uri = `${unstable}/io.element.msc4306/rooms/${encode(roomId)}/thread/${encode(eventId)}/subscription`
    await world.must(alice, 'PUT', uri, {})
    expect(await world.must(alice, 'GET', uri)).toEqual({ automatic: false })
    const told = await slide({ extensions: { 'io.element.msc4308.thread_subscriptions': { enabled: true } } })
    expect(at(told, 'extensions', 'io.element.msc4308.thread_subscriptions', 'subscribed', roomId)).toHaveProperty([eventId])
  },
  // Sticky events.
  'org.matrix.msc4354': async () => {
    const uri = `${await roomPath()}/send/org.example.sticky/2?org.matrix.msc4354.sticky_duration_ms=60000`
    const { event_id: eventId } = await ofDraft('PUT', uri, { a: 1 })
    expect(await ofDraft('GET', `${await roomPath()}/event/${encode(String(eventId))}`)).toHaveProperty(
      'msc4354_sticky.duration_ms',
      60_000,
    )
  },
  // Changed profiles in `/sync`.
  'org.matrix.msc4429': async () => {
    await world.must(alice, 'PUT', profile('org.example.status'), { 'org.example.status': 'swims' })
    const filter = encode('{"org.matrix.msc4429.profile_fields":{"ids":["org.example.status"]}}')
    const { 'org.matrix.msc4429.users': users } = await world.must(alice, 'GET', `${v3}/sync?filter=${filter}`)
    expect(users).toEqual({ [alice.userId]: { profile_updates: { 'org.example.status': 'swims' } } })
  },
  // Simplified sliding sync.
  'org.matrix.simplified_msc3575': async () => {
    const { roomId } = await world.room()
    const told = await slide({ lists: { all: { ranges: [[0, 99]], timeline_limit: 1, required_state: [] } } })
    expect(at(told, 'rooms', roomId, 'timeline')).toHaveLength(1)
  },
  // Rooms shared with another user.
  'uk.half-shot.msc2666.query_mutual_rooms': async () => {
    const { roomId } = await world.room()
    await world.must(bob, 'POST', `${v3}/join/${encode(roomId)}`, {})
    const uri = `${unstable}/uk.half-shot.msc2666/user/mutual_rooms?user_id=${encode(bob.userId)}`
    expect((await world.must(alice, 'GET', uri)).joined).toContain(roomId)
  },
}

const slide = (body: JsonObject) => world.must(alice, 'POST', `${unstable}/org.matrix.simplified_msc3575/sync`, body)

/** Asks what the specification does not know of yet. */
async function ofDraft(method: string, uri: string, body?: JsonObject): Promise<JsonObject> {
  const answer = await world.must(alice, method, uri, body)
  world.contract.violations.splice(0)
  return answer
}

/** By name of a capability: what it promises, or refuses, done. A new one needs a row. */
const capabilities: Record<string, (value: JsonValue) => Promise<void>> = {
  'm.change_password': async () => {
    const { name, ...user } = await world.register()
    const auth = { ...proof, identifier: { type: 'm.id.user', user: user.userId }, password: passwordOf(name) }
    await world.must({ name, ...user }, 'POST', `${v3}/account/password`, { auth, new_password: 'another in wonderland' })
    const login = { ...auth, password: 'another in wonderland' }
    expect((await world.must(undefined, 'POST', `${v3}/login`, login)).user_id).toBe(user.userId)
  },
  'm.room_versions': async (value) => {
    const versions = Object.keys(Object(at(value, 'available')))
    for (const version of versions) {
      const { room_id: roomId } = await world.must(alice, 'POST', `${v3}/createRoom`, { room_version: version })
      const create = await world.must(alice, 'GET', `${v3}/rooms/${encode(String(roomId))}/state/m.room.create/`)
      expect(create.room_version ?? '1').toBe(version)
    }
    const { room_id: roomId } = await world.must(alice, 'POST', `${v3}/createRoom`, {})
    const create = await world.must(alice, 'GET', `${v3}/rooms/${encode(String(roomId))}/state/m.room.create/`)
    expect(create.room_version).toBe(at(value, 'default'))
  },
  'm.set_displayname': async (value) => {
    expect(value).toEqual({ enabled: true })
    await world.must(alice, 'PUT', profile('displayname'), { displayname: 'Alice' })
  },
  'm.set_avatar_url': async (value) => {
    expect(value).toEqual({ enabled: true })
    await world.must(alice, 'PUT', profile('avatar_url'), { avatar_url: 'mxc://home.example/a' })
  },
  'm.profile_fields': async (value) => {
    expect(value).toEqual({ enabled: true })
    await world.must(alice, 'PUT', profile('m.tz'), { 'm.tz': 'Europe/Berlin' })
    expect(await world.must(bob, 'GET', profile('m.tz'))).toEqual({ 'm.tz': 'Europe/Berlin' })
  },
  'm.3pid_changes': async (value) => {
    expect(value).toEqual({ enabled: false })
    const body = { client_secret: 'secret', sid: 'sid', auth: proof }
    expect((await world.ask(alice, 'POST', `${v3}/account/3pid/add`, body)).status).toBeGreaterThanOrEqual(400)
  },
  'm.get_login_token': async (value) => {
    expect(value).toEqual({ enabled: true })
    const { login_token: token } = await world.must(alice, 'POST', '/_matrix/client/v1/login/get_token', { auth: proof })
    const login = await world.must(undefined, 'POST', `${v3}/login`, { type: 'm.login.token', token: token ?? null })
    expect(login.user_id).toBe(alice.userId)
  },
  'm.forget_forced_upon_leave': async (value) => {
    expect(value).toEqual({ enabled: false })
    const { room_id: roomId } = await world.must(alice, 'POST', `${v3}/createRoom`, {})
    await world.must(alice, 'POST', `${v3}/rooms/${encode(String(roomId))}/leave`, {})
    const { rooms } = await world.must(alice, 'GET', `${v3}/sync?filter=${encode('{"room":{"include_leave":true}}')}`)
    expect(at(rooms, 'leave')).toHaveProperty([String(roomId)])
  },
  'org.matrix.msc4140.delayed_events': async (value) => {
    const uri = (delay: number) => `${v3}/rooms/${encode(roomId)}/send/org.example.late/1?org.matrix.msc4140.delay=${delay}`
    const { roomId } = await world.room()
    const most = Number(at(value, 'max_delay_ms'))
    expect((await world.ask(alice, 'PUT', uri(most + 1), {})).status).toBe(403)
    expect((await world.ask(alice, 'PUT', uri(most), {})).status).toBe(200)
    world.contract.violations.splice(0)
  },
  'm.account_moderation': async (value) => {
    expect(value).toEqual({ lock: true, suspend: true })
    const mallory = encode(world.mallory.userId)
    for (const [what, field] of [
      ['lock', 'locked'],
      ['suspend', 'suspended'],
    ] as const) {
      const uri = `/_matrix/client/v1/admin/${what}/${mallory}`
      for (const on of [true, false]) {
        await world.must(admin, 'PUT', uri, { [field]: on })
        expect(await world.must(admin, 'GET', uri)).toEqual({ [field]: on })
      }
    }
  },
}

/** Served beside the specification, and not told of in `/versions`: why. */
const untold: Record<string, string> = {
  'org.matrix.msc3814.v1':
    'dehydrated devices: it has no flag, clients ask for the device (rust-crypto/DehydratedDeviceManager.ts of matrix-js-sdk)',
  'im.nheko.summary': 'the path that `room_summary` had before v1.15, which is in `versions`: older clients ask for it without looking',
  'io.element.msc4308': 'goes with org.matrix.msc4306, as with Synapse',
}

const { unstable_features: flags } = await world.must(undefined, 'GET', '/_matrix/client/versions')
const shown = Object.entries(Object(flags))
  .filter(([, value]) => value === true)
  .map(([name]) => name)
const { capabilities: offered } = await world.must(admin, 'GET', `${v3}/capabilities`)

test('every flag and every capability has a row here, and there is no row more', () => {
  expect(shown.sort()).toEqual(Object.keys(features).sort())
  expect(Object.keys(Object(offered)).sort()).toEqual(Object.keys(capabilities).sort())
})

test('all that is served beside the specification is told of', async () => {
  const { client } = await world.home.homeserver.endpoints()
  const prefixes = routesOf(client).flatMap(({ path }) => path.match(/^\/_matrix\/client\/unstable\/([^/]+)/)?.[1] ?? [])
  const proposal = (name: string) => name.match(/msc\d+/)?.[0] ?? name
  const told = new Set(shown.map(proposal))
  const missing = [...new Set(prefixes)].filter((prefix) => !told.has(proposal(prefix)) && !(prefix in untold))
  expect(missing).toEqual([])
})

describe('the feature', () => {
  test.each(Object.entries(features))('%s works', (_name, run) => run())
})

describe('the capability', () => {
  test.each(Object.entries(capabilities))('%s is as it says', (name, run) => run(at(offered, name) ?? null))

  test('of moderation is told to administrators alone', async () => {
    const { capabilities: ofUser } = await world.must(alice, 'GET', `${v3}/capabilities`)
    expect(Object.keys(Object(offered)).filter((name) => !(name in Object(ofUser)))).toEqual(['m.account_moderation'])
  })
})
