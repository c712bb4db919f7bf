import type { JsonObject } from '../../../src/spec/json.ts'
import type { Rows } from './row.ts'
import type { Sample } from './sample.ts'
import type { World } from './world.ts'

const path = '/_matrix/client/v3'
const room = `${path}/rooms/:roomId`
const roomV1 = '/_matrix/client/v1/rooms/:roomId'

/** About the room that is only read. */
const inRoom =
  (params: Record<string, string> = {}, more: Omit<Sample, 'params'> = {}) =>
  async (world: World): Promise<Sample> => ({ ...more, params: { ...(await world.room()), ...params } })
const query = (values: Record<string, string>) => inRoom({}, { query: values })
const unknownEvent = { '404 M_NOT_FOUND': inRoom({ eventId: '$none' }) }
const outside = (values: Record<string, string> = {}) => ({
  '403 M_FORBIDDEN': async (world: World) => ({ ...(await query(values)(world)), as: world.mallory }),
})
const badToken = (values: Record<string, string> = {}) => ({ '400 M_INVALID_PARAM': query({ ...values, from: 'nowhere' }) })

/** A thread, an edit and a reaction on a message that all saw. */
async function withRelations(world: World): Promise<Sample> {
  const { roomId, earlyEventId } = await world.room()
  const relates = (relType: string): JsonObject => ({ 'm.relates_to': { rel_type: relType, event_id: earlyEventId } })
  await world.say(roomId, 'reply', relates('m.thread'))
  await world.say(roomId, '* edited', { ...relates('m.replace'), 'm.new_content': { msgtype: 'm.text', body: 'edited' } })
  return { params: { roomId, eventId: earlyEventId, relType: 'm.thread', eventType: 'm.room.message' }, query: { limit: '5' } }
}

/** What was said in a room, and its state. */
export const history: Rows = {
  [`GET ${room}/messages`]: {
    request: query({ dir: 'b', limit: '50', filter: '{"lazy_load_members":true}' }),
    others: 'history',
    errors: { ...outside({ dir: 'b' }), ...badToken({ dir: 'b' }), '400 M_MISSING_PARAM': inRoom() },
  },
  [`GET ${room}/context/:eventId`]: { request: inRoom({}, { query: { limit: '10' } }), others: 'history', errors: unknownEvent },
  [`GET ${room}/event/:eventId`]: { request: inRoom(), others: 'history', errors: unknownEvent },
  [`GET ${roomV1}/timestamp_to_event`]: {
    request: query({ ts: '0', dir: 'f' }),
    others: 'history',
    errors: {
      ...outside({ ts: '0', dir: 'f' }),
      '404 M_NOT_FOUND': query({ ts: '0', dir: 'b' }),
      '400 M_INVALID_PARAM': query({ ts: 'now', dir: 'f' }),
    },
  },
  [`GET ${roomV1}/relations/:eventId`]: { request: withRelations, others: 'history', errors: unknownEvent },
  [`GET ${roomV1}/relations/:eventId/:relType`]: { request: withRelations, others: 'history', errors: unknownEvent },
  [`GET ${roomV1}/relations/:eventId/:relType/:eventType`]: { request: withRelations, others: 'history', errors: unknownEvent },
  [`GET ${roomV1}/threads`]: {
    request: async (world) => {
      const { params } = await withRelations(world)
      return { ...(params ? { params } : {}), query: { limit: '1', include: 'all' } }
    },
    others: 'history',
    errors: { ...outside(), ...badToken() },
  },
  [`GET ${room}/state`]: { request: inRoom(), others: 'history', errors: outside() },
  [`GET ${room}/state/:eventType/:stateKey`]: {
    request: async (world) => inRoom({ eventType: 'm.room.member', stateKey: world.alice.userId })(world),
    others: 'history',
    errors: { '404 M_NOT_FOUND': inRoom({ eventType: 'm.room.member', stateKey: '@none:home.example' }) },
  },
  [`GET ${room}/state/:eventType/`]: {
    request: inRoom({ eventType: 'm.room.name' }),
    others: 'history',
    errors: { '404 M_NOT_FOUND': inRoom({ eventType: 'm.room.avatar' }) },
  },
  [`GET ${room}/state/:eventType`]: {
    request: inRoom({ eventType: 'm.room.topic' }),
    others: 'history',
    errors: { '404 M_NOT_FOUND': inRoom({ eventType: 'm.room.avatar' }) },
  },
  [`GET ${room}/members`]: { request: query({ not_membership: 'leave' }), others: 'history', errors: outside() },
  [`GET ${room}/joined_members`]: { request: inRoom(), others: 'refused', errors: outside() },
  [`POST ${path}/search`]: {
    request: () => ({
      body: {
        search_categories: {
          room_events: {
            search_term: 'hello',
            event_context: { before_limit: 1, after_limit: 1, include_profile: true },
            groupings: { group_by: [{ key: 'room_id' }, { key: 'sender' }] },
            include_state: true,
          },
        },
      },
    }),
    others: 'own',
    errors: { '400 M_MISSING_PARAM': () => ({ body: {} }) },
  },
  [`GET ${path}/sync`]: {
    request: async (world) => {
      await withRelations(world)
      return { query: { timeout: '0', filter: '{"room":{"include_leave":true,"timeline":{"limit":20}}}' } }
    },
    others: 'own',
    errors: { '400 M_INVALID_PARAM': () => ({ query: { since: 'nowhere' } }) },
  },
}

const delayedPath = '/_matrix/client/unstable/org.matrix.msc4140/delayed_events'
async function delayed(world: World): Promise<Sample> {
  const { roomId } = await world.room()
  const uri = `${path}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${world.fresh('txn')}?org.matrix.msc4140.delay=60000`
  // The specification does not know of this answer yet.
  const request = new Request(`http://home.example${uri}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${world.alice.token}` },
    body: JSON.stringify({ msgtype: 'm.text', body: 'later' }),
  })
  const answer: JsonObject = await (await world.home.homeserver.handleClient(request, { trusted: true, address: 'test', uri })).json()
  return { params: { delayId: String(answer.delay_id) } }
}
const noDelayed = { '404 M_NOT_FOUND': (): Sample => ({ params: { delayId: 'none' } }) }

/** Delayed events. */
export const delayedEvents: Rows = {
  [`GET ${delayedPath}`]: { request: () => ({}), others: 'own' },
  [`POST ${delayedPath}/:delayId`]: {
    request: async (world) => ({ ...(await delayed(world)), body: { action: 'cancel' } }),
    others: 'anyone',
    errors: { '400 M_INVALID_PARAM': async (world) => ({ ...(await delayed(world)), body: { action: 'explode' } }) },
  },
  [`POST ${delayedPath}/:delayId/cancel`]: { request: delayed, others: 'anyone', errors: noDelayed },
  [`POST ${delayedPath}/:delayId/restart`]: { request: delayed, others: 'anyone', errors: noDelayed },
  [`POST ${delayedPath}/:delayId/send`]: { request: delayed, others: 'anyone', errors: noDelayed },
}

const threadPath = '/_matrix/client/unstable/io.element.msc4306/rooms/:roomId/thread/:eventId/subscription'
const threadListPath = '/_matrix/client/unstable/io.element.msc4308/thread_subscriptions'
async function subscribed(world: World): Promise<Sample> {
  const { roomId, eventId } = await world.room()
  const uri = threadPath.replace(':roomId', encodeURIComponent(roomId)).replace(':eventId', encodeURIComponent(eventId))
  await world.must(world.alice, 'PUT', uri, {})
  return { params: { roomId, eventId } }
}

/** Thread subscriptions. */
export const threadSubscriptions: Rows = {
  [`GET ${threadPath}`]: { request: subscribed, others: 'refused', errors: unknownEvent },
  [`PUT ${threadPath}`]: {
    request: inRoom({}, { body: {} }),
    others: 'refused',
    errors: {
      '404 M_NOT_FOUND': inRoom({ eventId: '$none' }, { body: {} }),
      '400 M_BAD_JSON': inRoom({}, { body: { automatic: true } }),
      '400 IO.ELEMENT.MSC4306.M_NOT_IN_THREAD': async (world) => {
        const { earlyEventId } = await world.room()
        return inRoom({}, { body: { automatic: earlyEventId } })(world)
      },
      '409 IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION': async (world) => {
        const { roomId, eventId } = await world.freshRoom()
        const automatic = await world.say(roomId, 'reply', { 'm.relates_to': { rel_type: 'm.thread', event_id: eventId } })
        const uri = threadPath.replace(':roomId', encodeURIComponent(roomId)).replace(':eventId', encodeURIComponent(eventId))
        await world.must(world.alice, 'PUT', uri, {})
        await world.must(world.alice, 'DELETE', uri)
        return { params: { roomId, eventId }, body: { automatic } }
      },
    },
  },
  [`DELETE ${threadPath}`]: { request: subscribed, others: 'refused', errors: unknownEvent },
  [`GET ${threadListPath}`]: {
    request: () => ({ query: { dir: 'b', limit: '5' } }),
    others: 'own',
    errors: {
      '400 M_INVALID_PARAM': () => ({ query: { dir: 'f' } }),
      '400 M_MISSING_PARAM': () => ({}),
    },
  },
}

/** Simplified sliding sync. */
export const slidingSync: Rows = {
  'POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync': {
    request: async (world) => {
      const { roomId } = await world.room()
      const wish = { timeline_limit: 20, required_state: [['*', '*']] }
      return { body: { lists: { all: { ...wish, ranges: [[0, 20]] } }, room_subscriptions: { [roomId]: wish } } }
    },
    others: 'own',
    errors: {
      '400 M_UNKNOWN_POS': () => ({ query: { pos: 'nowhere' }, body: {} }),
      '400 M_BAD_JSON': () => ({ body: { lists: { all: { timeline_limit: -1, required_state: [] } } } }),
    },
  },
}

/** The ways to learn what is new that came before `/sync`. */
export const oldSync: Rows = {
  [`GET ${path}/initialSync`]: { request: () => ({ query: { limit: '5', archived: 'true' } }), others: 'own' },
  [`GET ${room}/initialSync`]: { request: query({ limit: '5' }), others: 'history', errors: outside() },
  [`GET ${path}/events`]: {
    request: () => ({ query: { timeout: '0' } }),
    others: 'own',
    errors: { '400 M_INVALID_PARAM': () => ({ query: { from: 'nowhere' } }) },
  },
  [`GET ${path}/events/:eventId`]: { request: inRoom(), others: 'history', errors: unknownEvent },
}

const sent = async (world: World, type: string, body: JsonObject): Promise<Sample> => ({
  params: { roomId: (await world.freshRoom()).roomId, eventType: type, txnId: world.fresh('txn') },
  body,
})
const setState = async (world: World, params: Record<string, string>, body: JsonObject): Promise<Sample> => ({
  params: { roomId: (await world.freshRoom()).roomId, ...params },
  body,
})

/** Sending, and saying what was read. */
export const sending: Rows = {
  [`PUT ${room}/send/:eventType/:txnId`]: {
    request: (world) => sent(world, 'm.room.message', { msgtype: 'm.text', body: 'hello' }),
    others: 'refused',
    errors: {
      '403 M_FORBIDDEN': async (world) => ({ ...(await sent(world, 'm.room.message', {})), as: world.mallory }),
      '400 M_DUPLICATE_ANNOTATION': async (world) => {
        const { roomId, eventId } = await world.freshRoom()
        const body = { 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key: 'x' } }
        await world.must(world.alice, 'PUT', `${path}/rooms/${encodeURIComponent(roomId)}/send/m.reaction/${world.fresh('txn')}`, body)
        return { params: { roomId, eventType: 'm.reaction', txnId: world.fresh('txn') }, body }
      },
      '413 M_TOO_LARGE': (world) => sent(world, 'm.room.message', { msgtype: 'm.text', body: 'x'.repeat(70_000) }),
    },
  },
  [`PUT ${room}/redact/:eventId/:txnId`]: {
    request: async (world) => ({ params: { ...(await world.freshRoom()), txnId: world.fresh('txn') }, body: { reason: 'typo' } }),
    others: 'refused',
    errors: {
      '404 M_NOT_FOUND': async (world) => ({
        as: world.bob,
        params: { ...(await world.room()), eventId: '$none', txnId: world.fresh('txn') },
        body: {},
      }),
      '403 M_FORBIDDEN': async (world) => ({ as: world.bob, params: { ...(await world.room()), txnId: world.fresh('txn') }, body: {} }),
    },
  },
  [`PUT ${room}/state/:eventType/:stateKey`]: {
    request: (world) => setState(world, { eventType: 'm.space.child', stateKey: '!child:home.example' }, { via: ['home.example'] }),
    others: 'refused',
    errors: { '403 M_FORBIDDEN': (world) => setState(world, { eventType: 'org.example', stateKey: world.bob.userId }, {}) },
  },
  [`PUT ${room}/state/:eventType/`]: {
    request: (world) => setState(world, { eventType: 'm.room.topic' }, { topic: 'tea' }),
    others: 'refused',
    errors: { '400 M_INVALID_PARAM': (world) => setState(world, { eventType: 'm.room.canonical_alias' }, { alias: 'tea' }) },
  },
  [`PUT ${room}/state/:eventType`]: {
    request: (world) => setState(world, { eventType: 'm.room.name' }, { name: 'tea' }),
    others: 'refused',
    errors: {
      '403 M_FORBIDDEN': async (world) => ({ ...(await setState(world, { eventType: 'm.room.name' }, { name: 'x' })), as: world.bob }),
    },
  },
  [`PUT ${room}/typing/:userId`]: {
    request: (world) => inRoom({ userId: world.alice.userId }, { body: { typing: true, timeout: 1000 } })(world),
    others: 'refused',
    errors: { '400 M_BAD_JSON': (world) => inRoom({ userId: world.alice.userId }, { body: { typing: 'yes' } })(world) },
  },
  [`POST ${room}/receipt/:receiptType/:eventId`]: {
    request: inRoom({ receiptType: 'm.read' }, { body: { thread_id: 'main' } }),
    others: 'refused',
    errors: { '400 M_INVALID_PARAM': inRoom({ receiptType: 'm.unread' }, { body: {} }) },
  },
  [`POST ${room}/read_markers`]: {
    request: async (world) => {
      const { eventId } = await world.room()
      return inRoom({}, { body: { 'm.fully_read': eventId, 'm.read': eventId, 'm.read.private': eventId } })(world)
    },
    others: 'refused',
    errors: { '400 M_BAD_JSON': inRoom({}, { body: { 'm.read': 'nothing' } }) },
  },
}
