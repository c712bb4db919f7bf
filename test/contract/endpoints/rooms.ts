import type { JsonObject } from '../../../src/spec/json.ts'
import type { Row, Rows } from './row.ts'
import type { Sample } from './sample.ts'
import type { World } from './world.ts'

const path = '/_matrix/client/v3'
const room = `${path}/rooms/:roomId`
const nowhere = '!nowhere:home.example'

/** About a room of its own, which the request may change. */
const fresh = async (world: World, more: Omit<Sample, 'params'> = {}): Promise<Sample> => ({
  ...more,
  params: { roomId: (await world.freshRoom()).roomId },
})
const inNowhere = (body: JsonObject = {}) => ({ '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere }, body }) })
const badBody = (body: JsonObject) => ({ '400 M_BAD_JSON': (world: World) => fresh(world, { body }) })

/** A public room with an alias of its own, and the alias. */
async function publicRoom(world: World): Promise<{ roomId: string; alias: string }> {
  const name = world.fresh('garden')
  const { room_id: roomId } = await world.must(world.bob, 'POST', `${path}/createRoom`, {
    preset: 'public_chat',
    visibility: 'public',
    room_alias_name: name,
    name,
  })
  return { roomId: String(roomId), alias: `#${name}:home.example` }
}

async function knockable(world: World): Promise<string> {
  const { room_id: roomId } = await world.must(world.bob, 'POST', `${path}/createRoom`, {
    initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
  })
  return String(roomId)
}

const summary: Row = {
  request: async (world) => ({ params: { roomIdOrAlias: (await world.room()).roomId } }),
  others: 'refused',
  errors: { '404 M_NOT_FOUND': () => ({ params: { roomIdOrAlias: nowhere } }) },
}

/** Coming to rooms and going. */
export const membership: Rows = {
  [`POST ${path}/createRoom`]: {
    request: ({ bob }) => ({
      body: {
        name: 'Tea',
        topic: 'A party',
        invite: [bob.userId],
        preset: 'trusted_private_chat',
        is_direct: true,
        creation_content: { 'm.federate': false },
      },
    }),
    others: 'own',
    errors: {
      '400 M_UNSUPPORTED_ROOM_VERSION': () => ({ body: { room_version: 'none' } }),
      '400 M_BAD_JSON': () => ({ body: { preset: 'party' } }),
      '400 M_ROOM_IN_USE': async (world) => ({ body: { room_alias_name: (await publicRoom(world)).alias.slice(1).split(':')[0] ?? '' } }),
      '400 M_INVALID_ROOM_STATE': () => ({ body: { power_level_content_override: { users: 5 } } }),
    },
  },
  [`POST ${path}/join/:roomIdOrAlias`]: {
    request: async (world) => ({ params: { roomIdOrAlias: (await publicRoom(world)).alias }, body: { reason: 'hello' } }),
    others: 'anyone',
    errors: {
      '403 M_FORBIDDEN': async (world) => ({ as: world.mallory, params: { roomIdOrAlias: (await world.room()).roomId }, body: {} }),
      '404 M_NOT_FOUND': () => ({ params: { roomIdOrAlias: '#nowhere:home.example' }, body: {} }),
      '400 M_INVALID_PARAM': () => ({ params: { roomIdOrAlias: 'nowhere' }, body: {} }),
    },
  },
  [`POST ${room}/join`]: {
    request: async (world) => ({ params: { roomId: (await publicRoom(world)).roomId }, body: {} }),
    others: 'anyone',
    errors: { '403 M_FORBIDDEN': async (world) => ({ as: world.dave, params: { roomId: (await world.room()).roomId }, body: {} }) },
  },
  [`POST ${path}/knock/:roomIdOrAlias`]: {
    request: async (world) => ({ params: { roomIdOrAlias: await knockable(world) }, body: { reason: 'please' } }),
    others: 'anyone',
    errors: {
      '403 M_FORBIDDEN': async (world) => ({ as: world.mallory, params: { roomIdOrAlias: (await world.room()).roomId }, body: {} }),
    },
  },
  [`POST ${room}/leave`]: {
    request: async (world) => ({ as: world.bob, params: { roomId: (await world.freshRoom()).roomId }, body: {} }),
    others: 'own',
    errors: { '403 M_FORBIDDEN': () => ({ params: { roomId: nowhere }, body: {} }) },
  },
  [`POST ${room}/forget`]: {
    request: async (world) => {
      const { roomId } = await world.freshRoom()
      await world.must(world.bob, 'POST', `${path}/rooms/${encodeURIComponent(roomId)}/leave`, {})
      return { as: world.bob, params: { roomId }, body: {} }
    },
    others: 'own',
    errors: { '400 M_UNKNOWN': (world) => fresh(world, { body: {} }) },
  },
  [`GET ${path}/joined_rooms`]: { request: () => ({}), others: 'own' },
  [`POST ${room}/invite`]: {
    request: (world) => fresh(world, { body: { user_id: world.mallory.userId } }),
    others: 'refused',
    errors: {
      '403 M_FORBIDDEN': (world) => fresh(world, { body: { user_id: world.dave.userId } }),
      '400 M_MISSING_PARAM': (world) => fresh(world, { body: {} }),
    },
  },
  [`POST ${room}/kick`]: {
    request: (world) => fresh(world, { body: { user_id: world.bob.userId, reason: 'late' } }),
    others: 'refused',
    errors: {
      '403 M_FORBIDDEN': async (world) => ({ ...(await fresh(world, { body: { user_id: world.alice.userId } })), as: world.bob }),
      ...badBody({ user_id: 'bob' }),
    },
  },
  [`POST ${room}/ban`]: {
    request: (world) => fresh(world, { body: { user_id: world.bob.userId } }),
    others: 'refused',
    errors: { '403 M_FORBIDDEN': async (world) => ({ ...(await fresh(world, { body: { user_id: world.alice.userId } })), as: world.bob }) },
  },
  [`POST ${room}/unban`]: {
    request: (world) => fresh(world, { body: { user_id: world.dave.userId } }),
    others: 'refused',
    errors: { '400 M_BAD_STATE': (world) => fresh(world, { body: { user_id: world.bob.userId } }) },
  },
  [`POST ${room}/upgrade`]: {
    request: (world) => fresh(world, { body: { new_version: '11' } }),
    others: 'refused',
    errors: { '400 M_UNSUPPORTED_ROOM_VERSION': (world) => fresh(world, { body: { new_version: 'none' } }) },
  },
  [`POST ${room}/report`]: {
    request: async (world) => ({ params: { roomId: (await world.room()).roomId }, body: { reason: 'loud' } }),
    others: 'anyone',
    errors: inNowhere({ reason: 'loud' }),
  },
  [`POST ${room}/report/:eventId`]: {
    request: async (world) => ({ params: { ...(await world.room()) }, body: { reason: 'rude', score: -100 } }),
    others: 'refused',
    errors: { '404 M_NOT_FOUND': async (world) => ({ params: { ...(await world.room()), eventId: '$none' }, body: { reason: 'rude' } }) },
  },
}

/** Aliases, published rooms, spaces. */
export const directory: Rows = {
  [`PUT ${path}/directory/room/:roomAlias`]: {
    request: async (world) => ({
      params: { roomAlias: `#${world.fresh('tea')}:home.example` },
      body: { room_id: (await world.room()).roomId },
    }),
    others: 'refused',
    errors: {
      '409 M_UNKNOWN': async (world) => ({
        params: { roomAlias: (await publicRoom(world)).alias },
        body: { room_id: (await world.room()).roomId },
      }),
      '400 M_INVALID_PARAM': async (world) => ({ params: { roomAlias: 'tea' }, body: { room_id: (await world.room()).roomId } }),
    },
  },
  [`GET ${path}/directory/room/:roomAlias`]: {
    request: async (world) => ({ params: { roomAlias: (await publicRoom(world)).alias } }),
    others: 'anyone',
    errors: {
      '404 M_NOT_FOUND': () => ({ params: { roomAlias: '#none:home.example' } }),
      '400 M_INVALID_PARAM': () => ({ params: { roomAlias: 'none' } }),
    },
  },
  [`DELETE ${path}/directory/room/:roomAlias`]: {
    request: async (world) => ({ as: world.bob, params: { roomAlias: (await publicRoom(world)).alias } }),
    others: 'refused',
    errors: { '404 M_NOT_FOUND': () => ({ params: { roomAlias: '#none:home.example' } }) },
  },
  [`GET ${room}/aliases`]: { request: async (world) => ({ params: { ...(await world.room()) } }), others: 'refused' },
  [`GET ${path}/directory/list/room/:roomId`]: {
    request: async (world) => ({ params: { ...(await world.room()) } }),
    others: 'anyone',
    errors: { '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere } }) },
  },
  [`PUT ${path}/directory/list/room/:roomId`]: {
    request: async (world) => fresh(world, { body: { visibility: 'private' } }),
    others: 'refused',
    errors: { '404 M_NOT_FOUND': () => ({ params: { roomId: nowhere }, body: { visibility: 'public' } }) },
  },
  [`GET ${path}/publicRooms`]: {
    request: () => ({ query: { limit: '2' } }),
    others: 'anyone',
    errors: { '400 M_INVALID_PARAM': () => ({ query: { since: 'nowhere' } }) },
  },
  [`POST ${path}/publicRooms`]: {
    request: () => ({ body: { limit: 2, filter: { generic_search_term: 'garden', room_types: [null] } } }),
    others: 'anyone',
    errors: { '400 M_INVALID_PARAM': () => ({ body: { since: 'nowhere' } }) },
  },
  'GET /_matrix/client/v1/rooms/:roomId/hierarchy': {
    request: async (world) => ({ params: { ...(await world.room()) }, query: { limit: '5', max_depth: '2' } }),
    others: 'refused',
    errors: {
      '403 M_FORBIDDEN': () => ({ params: { roomId: nowhere } }),
      '400 M_INVALID_PARAM': async (world) => ({ params: { ...(await world.room()) }, query: { from: 'nowhere' } }),
    },
  },
  'GET /_matrix/client/v1/room_summary/:roomIdOrAlias': summary,
  'GET /_matrix/client/unstable/im.nheko.summary/summary/:roomIdOrAlias': summary,
}
