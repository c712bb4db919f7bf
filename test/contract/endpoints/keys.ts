import type { JsonObject } from '../../../src/spec/json.ts'
import { crossSigningKeysOf, deviceKeysOf, publicKey, signed } from '../../unit/keys-fixture.ts'
import type { Rows } from './row.ts'
import type { Person } from './sample.ts'
import type { World } from './world.ts'

const path = '/_matrix/client/v3'
const roomKeys = `${path}/room_keys`

async function oneTimeKey({ userId, deviceId }: Person): Promise<JsonObject> {
  return signed({ key: publicKey('one-time') }, { userId, keyId: `ed25519:${deviceId}`, secret: deviceId })
}

/** Someone whose device has published keys. */
async function withKeys(world: World): Promise<Person> {
  const user = await world.register()
  const body = {
    device_keys: await deviceKeysOf(user.userId, user.deviceId),
    one_time_keys: { 'signed_curve25519:AAAA': await oneTimeKey(user) },
    fallback_keys: { 'signed_curve25519:FALL': { ...(await oneTimeKey(user)), fallback: true } },
  }
  await world.must(user, 'POST', `${path}/keys/upload`, body)
  return user
}

/** Keys of devices, cross-signing, messages to devices. */
export const keys: Rows = {
  [`POST ${path}/keys/upload`]: {
    request: async (world) => {
      const user = await world.register()
      const one_time_keys = { 'signed_curve25519:AAAA': await oneTimeKey(user) }
      return { as: user, body: { device_keys: await deviceKeysOf(user.userId, user.deviceId), one_time_keys } }
    },
    others: 'refused',
    errors: {
      '400 M_BAD_JSON': () => ({ body: { one_time_keys: [] } }),
      '400 M_INVALID_PARAM': async ({ bob }) => ({ body: { device_keys: await deviceKeysOf(bob.userId, bob.deviceId) } }),
    },
  },
  [`POST ${path}/keys/query`]: {
    request: async (world) => ({ body: { device_keys: { [(await withKeys(world)).userId]: [] } } }),
    others: 'anyone',
    errors: { '400 M_BAD_JSON': ({ bob }) => ({ body: { device_keys: { [bob.userId]: 'all' } } }) },
  },
  [`POST ${path}/keys/claim`]: {
    request: async (world) => {
      const user = await withKeys(world)
      return { body: { one_time_keys: { [user.userId]: { [user.deviceId]: 'signed_curve25519' } } } }
    },
    others: 'anyone',
    errors: { '400 M_MISSING_PARAM': () => ({ body: {} }) },
  },
  [`GET ${path}/keys/changes`]: {
    request: async (world) => {
      const { next_batch: token } = await world.must(world.alice, 'GET', `${path}/sync`)
      return { query: { from: String(token), to: String(token) } }
    },
    others: 'own',
    errors: { '400 M_MISSING_PARAM': () => ({}), '400 M_INVALID_PARAM': () => ({ query: { from: 'x', to: 'y' } }) },
  },
  [`POST ${path}/keys/device_signing/upload`]: {
    request: async (world) => {
      const user = await world.register()
      return { as: user, body: await crossSigningKeysOf(user.userId, user.userId) }
    },
    others: 'refused',
    errors: {
      '401 undefined': async (world) => {
        const user = await world.register()
        await world.must(user, 'POST', `${path}/keys/device_signing/upload`, await crossSigningKeysOf(user.userId, 'a'))
        return { as: user, body: await crossSigningKeysOf(user.userId, 'b') }
      },
      '400 M_INVALID_SIGNATURE': async ({ alice }) => ({
        body: {
          ...(await crossSigningKeysOf(alice.userId, 'a')),
          self_signing_key: (await crossSigningKeysOf(alice.userId, 'b')).self_signing_key,
        },
      }),
    },
  },
  [`POST ${path}/keys/signatures/upload`]: {
    request: async (world) => {
      const user = await withKeys(world)
      const keys = await deviceKeysOf(user.userId, user.deviceId)
      return { as: user, body: { [user.userId]: { [user.deviceId]: keys, UNKNOWN: { ...keys, device_id: 'UNKNOWN' } } } }
    },
    others: 'own',
    errors: { '400 M_BAD_JSON': () => ({ body: [] }) },
  },
  [`PUT ${path}/sendToDevice/:eventType/:txnId`]: {
    request: (world) => ({
      params: { eventType: 'm.dummy', txnId: world.fresh('txn') },
      body: { messages: { [world.bob.userId]: { '*': {} } } },
    }),
    others: 'anyone',
    errors: { '400 M_BAD_JSON': () => ({ params: { eventType: 'm.dummy', txnId: 'bad' }, body: { messages: [] } }) },
  },
}

const dehydrated = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'
const asleep = { deviceId: 'ASLEEP' }

async function dehydratedBody({ userId }: Person): Promise<JsonObject> {
  const device_data = { algorithm: 'm.dehydration.v2', device_pickle: 'sealed' }
  return { device_id: asleep.deviceId, device_data, device_keys: await deviceKeysOf(userId, asleep.deviceId) }
}

/** Someone with a dehydrated device. */
async function withDehydrated(world: World): Promise<Person> {
  const user = await world.register()
  await world.must(user, 'PUT', dehydrated, await dehydratedBody(user))
  return user
}

const noDehydrated = { '404 M_NOT_FOUND': async (world: World) => ({ as: await world.register() }) }

/** Devices that wait for their users, asleep. */
export const dehydratedDevices: Rows = {
  [`GET ${dehydrated}`]: { request: async (world) => ({ as: await withDehydrated(world) }), others: 'own', errors: noDehydrated },
  [`PUT ${dehydrated}`]: {
    request: async (world) => {
      const as = await world.register()
      return { as, body: await dehydratedBody(as) }
    },
    others: 'refused',
    errors: {
      '400 M_MISSING_PARAM': () => ({ body: { device_id: 'ASLEEP', device_data: { algorithm: 'x' } } }),
      '400 M_INVALID_PARAM': async ({ bob }) => ({ body: await dehydratedBody(bob) }),
    },
  },
  [`DELETE ${dehydrated}`]: { request: async (world) => ({ as: await withDehydrated(world) }), others: 'own', errors: noDehydrated },
  [`GET ${dehydrated}/:deviceId/events`]: {
    request: async (world) => ({ as: await withDehydrated(world), params: asleep }),
    others: 'refused',
    errors: {
      '403 M_FORBIDDEN': async (world) => ({ as: await withDehydrated(world), params: { deviceId: 'OTHER' } }),
      '400 M_INVALID_PARAM': async (world) => ({ as: await withDehydrated(world), params: asleep, query: { from: 'nonsense' } }),
    },
  },
  [`POST ${dehydrated}/:deviceId/events`]: {
    request: async (world) => ({ as: await withDehydrated(world), params: asleep, body: {} }),
    others: 'refused',
    errors: {
      '403 M_FORBIDDEN': () => ({ params: asleep, body: {} }),
      '400 M_BAD_JSON': () => ({ params: asleep, body: { next_batch: 5 } }),
    },
  },
}

const backup = { algorithm: 'm.megolm_backup.v1.curve25519-aes-sha2', auth_data: { public_key: 'abcdefg', signatures: {} } }
const key = {
  first_message_index: 1,
  forwarded_count: 0,
  is_verified: true,
  session_data: { ephemeral: 'abcd', ciphertext: 'efgh', mac: 'ijkl' },
}
const roomId = '!backup:home.example'

/** Someone with a backup, and a key in it. */
async function withBackup(world: World) {
  const user = await world.register()
  const { version } = await world.must(user, 'POST', `${roomKeys}/version`, backup)
  await world.must(user, 'PUT', `${roomKeys}/keys?version=${version}`, { rooms: { [roomId]: { sessions: { session: key } } } })
  return { as: user, query: { version: String(version) }, params: { version: String(version), roomId, sessionId: 'session' } }
}

const version = async (world: World, body?: JsonObject) => {
  const { as, params } = await withBackup(world)
  return { as, params: { version: params.version }, ...(body ? { body } : {}) }
}
const stored = async (world: World, body?: JsonObject) => ({ ...(await withBackup(world)), ...(body ? { body } : {}) })
const noVersion = { '404 M_NOT_FOUND': () => ({ params: { version: '99' } }) }
const noBackup = { '404 M_NOT_FOUND': () => ({ params: { roomId, sessionId: 'session' }, query: { version: '99' } }) }
const wrongVersion = (body: JsonObject) => ({
  '403 M_WRONG_ROOM_KEYS_VERSION': async (world: World) => {
    const { as, params } = await withBackup(world)
    await world.must(as, 'POST', `${roomKeys}/version`, backup)
    return { as, params, query: { version: params.version }, body }
  },
})

/** Key backups. */
export const keyBackup: Rows = {
  [`POST ${roomKeys}/version`]: {
    request: async (world) => ({ as: await world.register(), body: backup }),
    others: 'own',
    errors: { '400 M_MISSING_PARAM': () => ({ body: {} }) },
  },
  [`GET ${roomKeys}/version`]: {
    request: async (world) => ({ as: (await withBackup(world)).as }),
    others: 'own',
    errors: { '404 M_NOT_FOUND': ({ bob }) => ({ as: bob }) },
  },
  [`GET ${roomKeys}/version/:version`]: { request: (world) => version(world), others: 'own', errors: noVersion },
  [`PUT ${roomKeys}/version/:version`]: {
    request: (world) => version(world, backup),
    others: 'own',
    errors: {
      '404 M_NOT_FOUND': () => ({ params: { version: '99' }, body: backup }),
      '400 M_INVALID_PARAM': async (world) => version(world, { ...backup, version: '77' }),
    },
  },
  [`DELETE ${roomKeys}/version/:version`]: { request: (world) => version(world), others: 'own', errors: noVersion },
  [`GET ${roomKeys}/keys`]: { request: (world) => stored(world), others: 'refused', errors: noBackup },
  [`GET ${roomKeys}/keys/:roomId`]: { request: (world) => stored(world), others: 'refused', errors: noBackup },
  [`GET ${roomKeys}/keys/:roomId/:sessionId`]: { request: (world) => stored(world), others: 'refused', errors: noBackup },
  [`PUT ${roomKeys}/keys`]: {
    request: (world) => stored(world, { rooms: { [roomId]: { sessions: { other: key } } } }),
    others: 'refused',
    errors: wrongVersion({ rooms: {} }),
  },
  [`PUT ${roomKeys}/keys/:roomId`]: {
    request: (world) => stored(world, { sessions: { other: key } }),
    others: 'refused',
    errors: wrongVersion({ sessions: {} }),
  },
  [`PUT ${roomKeys}/keys/:roomId/:sessionId`]: { request: (world) => stored(world, key), others: 'refused', errors: wrongVersion(key) },
  [`DELETE ${roomKeys}/keys`]: { request: (world) => stored(world), others: 'refused', errors: noBackup },
  [`DELETE ${roomKeys}/keys/:roomId`]: { request: (world) => stored(world), others: 'refused', errors: noBackup },
  [`DELETE ${roomKeys}/keys/:roomId/:sessionId`]: { request: (world) => stored(world), others: 'refused', errors: noBackup },
}
