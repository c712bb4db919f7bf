import type { Rows } from './row.ts'
import type { World } from './world.ts'

const path = '/_matrix/client/v3'
const user = `${path}/user/:userId`
const deletable = '/_matrix/client/unstable/org.matrix.msc3391/user/:userId'

const own = ({ alice }: World, more: Record<string, string> = {}) => ({ params: { userId: alice.userId, ...more } })
const ownRoom = async (world: World, more: Record<string, string> = {}) => own(world, { roomId: (await world.room()).roomId, ...more })
const uri = (world: World, rest: string) => `${path}/user/${encodeURIComponent(world.alice.userId)}/${rest}`

/** Account data, tags, filters, profiles, presence, and finding people. */
export const userData: Rows = {
  [`PUT ${user}/account_data/:type`]: {
    request: (world) => ({ ...own(world, { type: 'org.example.note' }), body: { text: 'milk' } }),
    others: 'refused',
    errors: {
      '405 M_BAD_JSON': (world) => ({ ...own(world, { type: 'm.push_rules' }), body: {} }),
      '400 M_BAD_JSON': (world) => ({ ...own(world, { type: 'org.example.note' }), body: [] }),
    },
  },
  [`GET ${user}/account_data/:type`]: {
    request: async (world) => {
      await world.must(world.alice, 'PUT', uri(world, 'account_data/org.example.note'), { text: 'milk' })
      return own(world, { type: 'org.example.note' })
    },
    others: 'refused',
    errors: { '404 M_NOT_FOUND': (world) => own(world, { type: 'org.example.none' }) },
  },
  [`PUT ${user}/rooms/:roomId/account_data/:type`]: {
    request: async (world) => ({ ...(await ownRoom(world, { type: 'org.example.note' })), body: { text: 'milk' } }),
    others: 'refused',
    errors: {
      '400 M_INVALID_PARAM': (world) => ({ ...own(world, { roomId: 'nowhere', type: 'org.example.note' }), body: {} }),
      '405 M_BAD_JSON': async (world) => ({ ...(await ownRoom(world, { type: 'm.fully_read' })), body: {} }),
    },
  },
  [`GET ${user}/rooms/:roomId/account_data/:type`]: {
    request: async (world) => {
      const { roomId } = await world.room()
      await world.must(world.alice, 'PUT', uri(world, `rooms/${encodeURIComponent(roomId)}/account_data/org.example.note`), {
        text: 'milk',
      })
      return ownRoom(world, { type: 'org.example.note' })
    },
    others: 'refused',
    errors: { '404 M_NOT_FOUND': (world) => ownRoom(world, { type: 'org.example.none' }) },
  },
  [`DELETE ${deletable}/account_data/:type`]: {
    request: async (world) => {
      await world.must(world.alice, 'PUT', uri(world, 'account_data/org.example.note'), { text: 'milk' })
      return own(world, { type: 'org.example.note' })
    },
    others: 'refused',
    errors: { '405 M_BAD_JSON': (world) => own(world, { type: 'm.push_rules' }) },
  },
  [`DELETE ${deletable}/rooms/:roomId/account_data/:type`]: {
    request: (world) => ownRoom(world, { type: 'org.example.note' }),
    others: 'refused',
    errors: {
      '400 M_INVALID_PARAM': (world) => own(world, { roomId: 'nowhere', type: 'org.example.note' }),
      '405 M_BAD_JSON': (world) => ownRoom(world, { type: 'm.fully_read' }),
    },
  },
  [`GET ${user}/rooms/:roomId/tags`]: { request: (world) => ownRoom(world), others: 'refused' },
  [`PUT ${user}/rooms/:roomId/tags/:tag`]: {
    request: async (world) => ({ ...(await ownRoom(world, { tag: 'u.work' })), body: { order: 0.5 } }),
    others: 'refused',
    errors: { '400 M_BAD_JSON': async (world) => ({ ...(await ownRoom(world, { tag: 'u.work' })), body: { order: 2 } }) },
  },
  [`DELETE ${user}/rooms/:roomId/tags/:tag`]: { request: (world) => ownRoom(world, { tag: 'u.work' }), others: 'refused' },
  [`POST ${user}/filter`]: {
    request: (world) => ({ ...own(world), body: { room: { timeline: { limit: 5, types: ['m.room.message'] } } } }),
    others: 'refused',
    errors: { '400 M_BAD_JSON': (world) => ({ ...own(world), body: { room: { timeline: { limit: 'many' } } } }) },
  },
  [`GET ${user}/filter/:filterId`]: {
    request: async (world) => {
      const { filter_id: filterId } = await world.must(world.alice, 'POST', uri(world, 'filter'), { room: { include_leave: true } })
      return own(world, { filterId: String(filterId) })
    },
    others: 'refused',
    errors: { '404 M_NOT_FOUND': (world) => own(world, { filterId: 'none' }) },
  },
  [`POST ${user}/openid/request_token`]: { request: (world) => ({ ...own(world), body: {} }), others: 'refused' },
  [`GET ${path}/profile/:userId`]: {
    request: (world) => own(world),
    others: 'anyone',
    errors: { '404 M_NOT_FOUND': () => ({ params: { userId: '@nobody:home.example' } }) },
  },
  [`GET ${path}/profile/:userId/:field`]: {
    request: async (world) => {
      await world.must(world.alice, 'PUT', `${path}/profile/${world.alice.userId}/displayname`, { displayname: 'Alice' })
      return own(world, { field: 'displayname' })
    },
    others: 'anyone',
    errors: { '404 M_NOT_FOUND': (world) => own(world, { field: 'org.example.none' }) },
  },
  [`PUT ${path}/profile/:userId/:field`]: {
    request: (world) => ({ ...own(world, { field: 'm.tz' }), body: { 'm.tz': 'Europe/London' } }),
    others: 'refused',
    errors: {
      '400 M_MISSING_PARAM': (world) => ({ ...own(world, { field: 'displayname' }), body: {} }),
      '400 M_INVALID_PARAM': (world) => ({ ...own(world, { field: 'displayname' }), body: { displayname: 5 } }),
    },
  },
  [`DELETE ${path}/profile/:userId/:field`]: { request: (world) => own(world, { field: 'm.tz' }), others: 'refused' },
  [`GET ${path}/presence/:userId/status`]: { request: (world) => own(world), others: 'refused' },
  [`PUT ${path}/presence/:userId/status`]: {
    request: (world) => ({ ...own(world), body: { presence: 'online', status_msg: 'here' } }),
    others: 'refused',
    errors: { '400 M_BAD_JSON': (world) => ({ ...own(world), body: { presence: 'asleep' } }) },
  },
  [`POST ${path}/user_directory/search`]: {
    request: () => ({ body: { search_term: 'bob', limit: 5 } }),
    others: 'own',
    errors: { '400 M_MISSING_PARAM': () => ({ body: {} }) },
  },
  'GET /_matrix/client/v1/mutual_rooms': {
    request: ({ bob }) => ({ query: { user_id: bob.userId } }),
    others: 'own',
    errors: { '400 M_INVALID_PARAM': ({ alice }) => ({ query: { user_id: alice.userId } }) },
  },
  'GET /_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms': {
    request: ({ bob }) => ({ query: { user_id: bob.userId } }),
    others: 'own',
    errors: { '400 M_INVALID_PARAM': ({ bob }) => ({ query: { user_id: bob.userId, batch_token: 'x' } }) },
  },
  [`POST ${path}/users/:userId/report`]: {
    request: ({ bob }) => ({ params: { userId: bob.userId }, body: { reason: 'rude' } }),
    others: 'anyone',
    errors: { '400 M_INVALID_PARAM': () => ({ params: { userId: 'bob' }, body: { reason: 'rude' } }) },
  },
}
