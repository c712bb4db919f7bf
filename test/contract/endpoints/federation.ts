import type { JsonObject } from '../../../src/spec/json.ts'
import { crossSigningKeysOf, deviceKeysOf } from '../../unit/keys-fixture.ts'
import { type FederationWorld, type ServerSample, signedEvent } from './federation-world.ts'

type Prepare = (world: FederationWorld) => ServerSample | Promise<ServerSample>

/** What the tests know of a route of the Server-Server API: as in row.ts, but that it is servers who ask. */
export interface ServerRow {
  /** A request of guest.example's that is answered with success. */
  readonly request: Prepare
  /**
   * What comes of it when a server asks that is not in the room, or is banned from it: both are `refused`; only the one
   * that is not in the room is (`members`: the specification protects this by no ACL); or `anyone` may ask.
   */
  readonly others: 'refused' | 'members' | 'anyone'
  readonly errors?: Readonly<Record<string, Prepare>>
  readonly cannotFail?: true
}

const path = '/_matrix/federation'
const nowhere = '!nowhere:home.example'

const inRoom =
  (more: Omit<ServerSample, 'params'> = {}): Prepare =>
  async (world) => ({ ...more, params: { ...(await world.room()) } })
const atEvent: Prepare = async (world) => {
  const { roomId, eventId } = await world.room()
  return { params: { roomId }, query: { event_id: eventId } }
}
const unknownEvent = { '404 M_NOT_FOUND': async (world: FederationWorld) => ({ params: { ...(await world.room()), eventId: '$none' } }) }
const unknownAt = {
  '404 M_NOT_FOUND': async (world: FederationWorld) => ({ params: { ...(await world.room()) }, query: { event_id: '$none' } }),
}
const badId = { '400 M_INVALID_PARAM': () => ({ params: { roomId: 'nowhere', userId: '@bob:guest.example' } }) }

/** What is in a room, for servers that are in it. */
const rooms: Readonly<Record<string, ServerRow>> = {
  [`GET ${path}/v1/event/:eventId`]: { request: inRoom(), others: 'refused', errors: unknownEvent },
  [`GET ${path}/v1/state/:roomId`]: { request: atEvent, others: 'refused', errors: unknownAt },
  [`GET ${path}/v1/state_ids/:roomId`]: { request: atEvent, others: 'refused', errors: unknownAt },
  [`GET ${path}/v1/event_auth/:roomId/:eventId`]: { request: inRoom(), others: 'refused', errors: unknownEvent },
  [`GET ${path}/v1/backfill/:roomId`]: {
    request: async (world) => {
      const { roomId, eventId } = await world.room()
      return { params: { roomId }, query: { v: eventId, limit: '5' } }
    },
    others: 'refused',
    errors: { '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere }, query: { v: '$none', limit: '5' } }) },
  },
  [`POST ${path}/v1/get_missing_events/:roomId`]: {
    request: async (world) => {
      const { roomId, eventId } = await world.room()
      return { params: { roomId }, body: { earliest_events: [], latest_events: [eventId], limit: 5, min_depth: 0 } }
    },
    others: 'refused',
    errors: { '400 M_MISSING_PARAM': inRoom({ body: {} }) },
  },
  [`GET ${path}/v1/timestamp_to_event/:roomId`]: {
    request: inRoom({ query: { ts: '0', dir: 'f' } }),
    others: 'refused',
    errors: { '404 M_NOT_FOUND': inRoom({ query: { ts: '0', dir: 'b' } }) },
  },
  [`GET ${path}/v1/hierarchy/:roomId`]: {
    request: inRoom({ query: { suggested_only: 'false' } }),
    others: 'members',
    errors: { '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere } }) },
  },
}

const make = (kind: 'join' | 'leave' | 'knock', prepare: (world: FederationWorld) => Promise<{ roomId: string }>): ServerRow => ({
  request: async (world) => ({
    params: { ...(await prepare(world)), userId: world.bob.userId },
    ...(kind === 'leave' ? {} : { query: { ver: '12' } }),
  }),
  others: 'refused',
  errors: {
    '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere, userId: '@bob:guest.example' } }),
    '403 M_FORBIDDEN': async (world) => ({ params: { ...(await prepare(world)), userId: world.alice.userId } }),
    ...badId,
  },
})
const send = (kind: 'join' | 'leave' | 'knock', prepare: (world: FederationWorld) => Promise<{ roomId: string }>): ServerRow => ({
  request: async (world) => {
    const { roomId } = await prepare(world)
    const { eventId, pdu } = await world.membership('guest.example', kind, roomId)
    return { params: { roomId, eventId }, body: pdu }
  },
  others: 'refused',
  errors: {
    '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere, eventId: '$none' }, body: {} }),
    '400 M_BAD_JSON': async (world) => ({ params: { ...(await prepare(world)), eventId: '$none' }, body: [] }),
  },
})

const publicRoom = (world: FederationWorld) => world.publicRoom()
const knockable = (world: FederationWorld) =>
  world.publicRoom({ initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }] })
async function joined(world: FederationWorld): Promise<{ roomId: string }> {
  const { roomId } = await world.publicRoom()
  await world.must(world.bob, 'POST', `/v3/join/${encodeURIComponent(roomId)}?via=home.example`, {})
  return { roomId }
}

/** An invite of Bob's to Alice, and the room it is to. */
async function invite(world: FederationWorld): Promise<ServerSample> {
  const { room_id } = await world.must(world.bob, 'POST', '/v3/createRoom', { room_version: '11' })
  const page = await world.must(world.bob, 'GET', `/v3/rooms/${encodeURIComponent(String(room_id))}/messages?dir=b&limit=1`)
  const [latest] = Array.isArray(page.chunk) ? page.chunk : []
  const eventId = typeof latest === 'object' && latest !== null && 'event_id' in latest ? String(latest.event_id) : ''
  const event = {
    type: 'm.room.member',
    room_id: String(room_id),
    sender: world.bob.userId,
    state_key: world.alice.userId,
    content: { membership: 'invite' },
    depth: 9,
    prev_events: [eventId],
    auth_events: [eventId],
  }
  const { eventId: id, pdu } = await signedEvent(event, { origin: 'guest.example', version: '11' })
  return { params: { roomId: String(room_id), eventId: id }, body: { room_version: '11', event: pdu, invite_room_state: [] } }
}

/** The same to a room of version 1, whose events have chosen ids. */
async function oldInvite(world: FederationWorld): Promise<ServerSample> {
  const event = {
    event_id: `$${world.fresh('invite')}:guest.example`,
    origin: 'guest.example',
    type: 'm.room.member',
    room_id: `!${world.fresh('room')}:guest.example`,
    sender: world.bob.userId,
    state_key: world.alice.userId,
    content: { membership: 'invite' },
    depth: 9,
    prev_events: [],
    auth_events: [],
  }
  const { eventId, pdu } = await signedEvent(event, { origin: 'guest.example', version: '1' })
  return { params: { roomId: event.room_id, eventId }, body: { ...pdu, unsigned: { invite_room_state: [] } } }
}

/** Coming to rooms and going. */
const memberships: Readonly<Record<string, ServerRow>> = {
  [`GET ${path}/v1/make_join/:roomId/:userId`]: make('join', publicRoom),
  [`GET ${path}/v1/make_leave/:roomId/:userId`]: make('leave', joined),
  [`GET ${path}/v1/make_knock/:roomId/:userId`]: make('knock', knockable),
  [`PUT ${path}/v2/send_join/:roomId/:eventId`]: send('join', publicRoom),
  [`PUT ${path}/v1/send_join/:roomId/:eventId`]: send('join', publicRoom),
  [`PUT ${path}/v2/send_leave/:roomId/:eventId`]: send('leave', joined),
  [`PUT ${path}/v1/send_leave/:roomId/:eventId`]: send('leave', joined),
  [`PUT ${path}/v1/send_knock/:roomId/:eventId`]: send('knock', knockable),
  [`PUT ${path}/v2/invite/:roomId/:eventId`]: {
    request: invite,
    others: 'refused',
    errors: {
      '400 M_INCOMPATIBLE_ROOM_VERSION': () => ({ params: { roomId: nowhere, eventId: '$none' }, body: { room_version: '99', event: {} } }),
      '404 M_NOT_FOUND': () => ({
        params: { roomId: nowhere, eventId: '$none' },
        body: { room_version: '11', event: { state_key: '@nobody:home.example' } },
      }),
      '400 M_INVALID_PARAM': () => ({ params: { roomId: nowhere, eventId: '$none' }, body: { room_version: '11', event: {} } }),
    },
  },
  [`PUT ${path}/v1/invite/:roomId/:eventId`]: {
    request: oldInvite,
    others: 'refused',
    errors: {
      '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere, eventId: '$none' }, body: { state_key: '@nobody:home.example' } }),
      '400 M_INVALID_PARAM': () => ({ params: { roomId: nowhere, eventId: '$none' }, body: {} }),
    },
  },
}

async function withKeys(world: FederationWorld): Promise<FederationWorld['alice']> {
  const { alice } = world
  const keys = await deviceKeysOf(alice.userId, alice.deviceId)
  await world.must(alice, 'POST', '/v3/keys/upload', { device_keys: keys, one_time_keys: { [`curve25519:${world.fresh('K')}`]: 'abc' } })
  await world.must(alice, 'POST', '/v3/keys/device_signing/upload', await crossSigningKeysOf(alice.userId, 'alice'))
  return alice
}

async function uploaded(world: FederationWorld): Promise<string> {
  const { content_uri } = await world.must(world.alice, 'POST', '/../media/v3/upload', 'a picture')
  return String(content_uri).split('/').at(-1) ?? ''
}

async function alias(world: FederationWorld): Promise<string> {
  const name = world.fresh('garden')
  await world.publicRoom({ room_alias_name: name, visibility: 'public' })
  return `#${name}:home.example`
}

const otherUser = { '400 M_INVALID_PARAM': () => ({ query: { user_id: '@bob:guest.example' }, params: { userId: '@bob:guest.example' } }) }
const transaction = (pdus: JsonObject[], edus: JsonObject[] = []) => ({ origin: 'guest.example', origin_server_ts: 1, pdus, edus })

/** Users, keys, media, the directory, and transactions. */
const others: Readonly<Record<string, ServerRow>> = {
  [`PUT ${path}/v1/send/:txnId`]: {
    request: async (world) => ({
      params: { txnId: world.fresh('txn') },
      body: transaction(
        [],
        [{ edu_type: 'm.typing', content: { room_id: (await world.room()).roomId, user_id: world.bob.userId, typing: true } }],
      ),
    }),
    others: 'anyone',
    errors: {
      '400 M_BAD_JSON': (world) => ({
        params: { txnId: world.fresh('txn') },
        body: transaction(Array.from({ length: 51 }, () => ({}))),
      }),
    },
  },
  [`GET ${path}/v1/query/profile`]: {
    request: ({ alice }) => ({ query: { user_id: alice.userId } }),
    others: 'anyone',
    errors: { '404 M_NOT_FOUND': () => ({ query: { user_id: '@nobody:home.example' } }), ...otherUser },
  },
  [`GET ${path}/v1/query/directory`]: {
    request: async (world) => ({ query: { room_alias: await alias(world) } }),
    others: 'anyone',
    errors: {
      '404 M_NOT_FOUND': () => ({ query: { room_alias: '#none:home.example' } }),
      '400 M_INVALID_PARAM': () => ({ query: { room_alias: '#none:guest.example' } }),
    },
  },
  [`GET ${path}/v1/publicRooms`]: {
    request: () => ({ query: { limit: '2' } }),
    others: 'anyone',
    errors: { '400 M_INVALID_PARAM': () => ({ query: { since: 'nowhere' } }) },
  },
  [`POST ${path}/v1/publicRooms`]: {
    request: () => ({ body: { limit: 2, filter: { generic_search_term: 'tea' } } }),
    others: 'anyone',
    errors: { '400 M_INVALID_PARAM': () => ({ body: { since: 'nowhere' } }) },
  },
  [`GET ${path}/v1/user/devices/:userId`]: {
    request: async (world) => ({ params: { userId: (await withKeys(world)).userId } }),
    others: 'anyone',
    errors: otherUser,
  },
  [`POST ${path}/v1/user/keys/query`]: {
    request: async (world) => ({ body: { device_keys: { [(await withKeys(world)).userId]: [] } } }),
    others: 'anyone',
    errors: { '400 M_MISSING_PARAM': () => ({ body: {} }) },
  },
  [`POST ${path}/v1/user/keys/claim`]: {
    request: async (world) => {
      const { userId, deviceId } = await withKeys(world)
      return { body: { one_time_keys: { [userId]: { [deviceId]: 'curve25519' } } } }
    },
    others: 'anyone',
    errors: { '400 M_MISSING_PARAM': () => ({ body: {} }) },
  },
  [`GET ${path}/v1/media/download/:mediaId`]: {
    request: async (world) => ({ params: { mediaId: await uploaded(world) } }),
    others: 'anyone',
    errors: { '404 M_NOT_FOUND': () => ({ params: { mediaId: 'none' } }) },
  },
  [`GET ${path}/v1/media/thumbnail/:mediaId`]: {
    request: async (world) => ({ params: { mediaId: await uploaded(world) }, query: { width: '32', height: '32' } }),
    others: 'anyone',
    errors: { '404 M_NOT_FOUND': () => ({ params: { mediaId: 'none' }, query: { width: '32', height: '32' } }) },
  },
  [`GET ${path}/v1/openid/userinfo`]: {
    request: async (world) => {
      const { access_token: token } = await world.must(world.alice, 'POST', `/v3/user/${world.alice.userId}/openid/request_token`, {})
      return { as: 'nobody', query: { access_token: String(token) } }
    },
    others: 'anyone',
    errors: { '401 M_UNKNOWN_TOKEN': () => ({ query: { access_token: 'wrong' } }) },
  },
  [`GET ${path}/v1/version`]: { request: () => ({ as: 'nobody' }), others: 'anyone', cannotFail: true },
  'GET /_matrix/key/v2/server': { request: () => ({ as: 'nobody' }), others: 'anyone', cannotFail: true },
  'GET /_matrix/key/v2/query/:serverName': {
    request: () => ({ params: { serverName: 'guest.example' } }),
    others: 'anyone',
    errors: { '400 M_INVALID_PARAM': () => ({ params: { serverName: 'guest example' } }) },
  },
  'POST /_matrix/key/v2/query': {
    request: () => ({ body: { server_keys: { 'guest.example': { 'ed25519:1': { minimum_valid_until_ts: 1 } } } } }),
    others: 'anyone',
    errors: { '400 M_BAD_JSON': () => ({ body: { server_keys: { 'guest example': {} } } }) },
  },
}

/** The row of each route of the Server-Server API. */
export const federationRows: Readonly<Record<string, ServerRow>> = { ...rooms, ...memberships, ...others }
