import type { Rows } from './row.ts'
import type { World } from './world.ts'

const path = '/_matrix/client/v3'
const rule = `${path}/pushrules/global/:kind/:ruleId`
const none = { params: { kind: 'override', ruleId: 'none' } }
const missing = { '404 M_NOT_FOUND': () => none }

/** A rule of Alice's. */
async function ownRule(world: World) {
  await world.must(world.alice, 'PUT', `${path}/pushrules/global/content/rabbit`, { pattern: 'rabbit', actions: ['notify'] })
  return { params: { kind: 'content', ruleId: 'rabbit' } }
}

const pusher = {
  kind: 'http',
  pushkey: 'key',
  app_id: 'org.example.app',
  app_display_name: 'app',
  device_display_name: 'phone',
  lang: 'en',
  data: { url: 'https://push.example/_matrix/push/v1/notify', format: 'event_id_only' },
}

/** Push rules, pushers, notifications. */
export const push: Rows = {
  [`GET ${path}/pushrules`]: { request: () => ({}), others: 'own' },
  [`GET ${path}/pushrules/`]: { request: () => ({}), others: 'own' },
  [`GET ${path}/pushrules/global`]: { request: () => ({}), others: 'own' },
  [`GET ${path}/pushrules/global/`]: { request: () => ({}), others: 'own' },
  [`GET ${rule}`]: { request: ownRule, others: 'refused', errors: missing },
  [`PUT ${rule}`]: {
    request: () => ({ params: { kind: 'content', ruleId: 'hatter' }, body: { pattern: 'hatter', actions: ['notify'] } }),
    others: 'own',
    errors: {
      '400 M_INVALID_PARAM': () => ({ params: { kind: 'content', ruleId: '.m.own' }, body: { pattern: 'a', actions: [] } }),
      '400 M_MISSING_PARAM': () => ({ params: { kind: 'content', ruleId: 'hatter' }, body: {} }),
      '400 M_UNKNOWN': () => ({
        params: { kind: 'content', ruleId: 'hatter' },
        query: { before: 'none' },
        body: { pattern: 'hatter', actions: [] },
      }),
    },
  },
  [`DELETE ${rule}`]: { request: ownRule, others: 'refused', errors: missing },
  [`GET ${rule}/enabled`]: { request: ownRule, others: 'refused', errors: missing },
  [`PUT ${rule}/enabled`]: {
    request: async (world) => ({ ...(await ownRule(world)), body: { enabled: false } }),
    others: 'refused',
    errors: { '404 M_NOT_FOUND': () => ({ ...none, body: { enabled: false } }) },
  },
  [`GET ${rule}/actions`]: { request: ownRule, others: 'refused', errors: missing },
  [`PUT ${rule}/actions`]: {
    request: async (world) => ({ ...(await ownRule(world)), body: { actions: [] } }),
    others: 'refused',
    errors: { '404 M_NOT_FOUND': () => ({ ...none, body: { actions: [] } }) },
  },
  [`GET ${path}/pushers`]: {
    request: async (world) => {
      await world.must(world.alice, 'POST', `${path}/pushers/set`, pusher)
      return {}
    },
    others: 'own',
  },
  [`POST ${path}/pushers/set`]: {
    request: () => ({ body: pusher }),
    // Whose key it is, the device knows: without `append` it is taken from other users.
    others: 'anyone',
    errors: {
      '400 M_INVALID_PARAM': () => ({ body: { ...pusher, data: { url: 'http://push.example' } } }),
      '400 M_MISSING_PARAM': () => ({ body: { kind: 'http', pushkey: 'key' } }),
    },
  },
  [`GET ${path}/notifications`]: {
    request: () => ({ query: { limit: '5' } }),
    others: 'own',
    errors: { '400 M_INVALID_PARAM': () => ({ query: { from: 'nowhere' } }) },
  },
}
