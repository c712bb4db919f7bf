import type { JsonObject } from '../../../src/spec/json.ts'
import type { Rows } from './row.ts'
import type { Person, Sample } from './sample.ts'
import { passwordOf, type World } from './world.ts'

const path = '/_matrix/client/v3'

/** A user's password, as user-interactive authentication takes it. */
function passwordAuth({ name }: Pick<Person, 'name'>): JsonObject {
  return { type: 'm.login.password', identifier: { type: 'm.id.user', user: name }, password: passwordOf(name) }
}

async function refreshToken(world: World): Promise<string> {
  const { refresh_token: token } = await world.must(undefined, 'POST', `${path}/login`, {
    ...passwordAuth(world.alice),
    refresh_token: true,
  })
  return String(token)
}

const fallbackPage = `${path}/auth/:stage/fallback/web`

/** A session of user-interactive authentication that waits for its only stage. */
async function waitingSession(world: World): Promise<Pick<Sample, 'as' | 'params' | 'query'>> {
  const { body } = await world.ask(undefined, 'POST', `${path}/register`, { username: world.fresh('newcomer'), password: 'wonderland-7' })
  return { as: 'nobody', params: { stage: 'm.login.dummy' }, query: { session: String(body.session) } }
}

const unknownSession: Sample = { params: { stage: 'm.login.dummy' }, query: { session: 'unknown' } }
const unknownStage = async (world: World): Promise<Sample> => ({ ...(await waitingSession(world)), params: { stage: 'm.login.sso' } })

/** Logging in and out, registration, the account. */
export const accounts: Rows = {
  [`GET ${path}/login`]: { request: () => ({}), others: 'anyone', cannotFail: true },
  [`POST ${path}/login`]: {
    request: ({ alice }) => ({ as: 'nobody', body: { ...passwordAuth(alice), device_id: 'SECOND', refresh_token: true } }),
    others: 'anyone',
    errors: {
      '403 M_FORBIDDEN': ({ alice }) => ({ body: { ...passwordAuth(alice), password: 'wrong' } }),
      '400 M_UNKNOWN': () => ({ body: { type: 'm.login.sso' } }),
      '400 M_MISSING_PARAM': () => ({ body: {} }),
    },
  },
  'GET /_matrix/static/client/login': { request: () => ({ as: 'nobody' }), others: 'anyone', cannotFail: true },
  'GET /_matrix/static/client/login/': { request: () => ({ as: 'nobody' }), others: 'anyone', cannotFail: true },
  [`GET ${fallbackPage}`]: {
    request: waitingSession,
    others: 'anyone',
    errors: { '404 undefined': () => unknownSession, '400 M_MISSING_PARAM': () => ({ params: { stage: 'm.login.dummy' } }) },
  },
  [`POST ${fallbackPage}`]: {
    request: async (world) => ({ ...(await waitingSession(world)), body: new TextEncoder().encode('go=on') }),
    others: 'anyone',
    errors: { '404 undefined': unknownStage },
  },
  [`POST ${path}/refresh`]: {
    request: async (world) => ({ as: 'nobody', body: { refresh_token: await refreshToken(world) } }),
    others: 'anyone',
    errors: { '401 M_UNKNOWN_TOKEN': () => ({ body: { refresh_token: 'wrong' } }) },
  },
  [`POST ${path}/logout`]: { request: async (world) => ({ as: await world.register() }), others: 'own' },
  [`POST ${path}/logout/all`]: { request: async (world) => ({ as: await world.register() }), others: 'own' },
  [`POST ${path}/register`]: {
    request: (world) => ({
      as: 'nobody',
      body: { username: world.fresh('newcomer'), password: 'wonderland-7', auth: { type: 'm.login.dummy' }, refresh_token: true },
    }),
    others: 'anyone',
    errors: {
      '400 M_USER_IN_USE': () => ({ body: { username: 'alice', password: 'wonderland-7' } }),
      '400 M_INVALID_USERNAME': () => ({ body: { username: 'Álice', password: 'wonderland-7' } }),
      '403 M_FORBIDDEN': () => ({ query: { kind: 'guest' }, body: {} }),
      '401 undefined': (world) => ({ body: { username: world.fresh('newcomer'), password: 'wonderland-7' } }),
    },
  },
  [`GET ${path}/register/available`]: {
    request: (world) => ({ query: { username: world.fresh('free') } }),
    others: 'anyone',
    errors: {
      '400 M_USER_IN_USE': () => ({ query: { username: 'alice' } }),
      '400 M_INVALID_USERNAME': () => ({ query: { username: 'A!' } }),
      '400 M_MISSING_PARAM': () => ({}),
    },
  },
  'GET /_matrix/client/v1/register/m.login.registration_token/validity': {
    request: () => ({ query: { token: 'abc' } }),
    others: 'anyone',
    errors: { '400 M_MISSING_PARAM': () => ({}) },
  },
  [`GET ${path}/account/whoami`]: { request: () => ({}), others: 'own' },
  [`GET ${path}/account/3pid`]: { request: () => ({}), others: 'own' },
  [`POST ${path}/account/password`]: {
    request: async (world) => {
      const user = await world.register()
      return { as: user, body: { new_password: 'another-7', auth: passwordAuth(user), logout_devices: false } }
    },
    others: 'refused',
    errors: {
      '401 undefined': () => ({ body: { new_password: 'another-7' } }),
      '401 M_FORBIDDEN': ({ alice }) => ({ body: { new_password: 'another-7', auth: { ...passwordAuth(alice), password: 'wrong' } } }),
      '400 M_MISSING_PARAM': () => ({ body: {} }),
    },
  },
  [`POST ${path}/account/deactivate`]: {
    request: async (world) => {
      const user = await world.register()
      return { as: user, body: { auth: passwordAuth(user), erase: true } }
    },
    others: 'refused',
    errors: { '401 undefined': () => ({ body: {} }) },
  },
  'POST /_matrix/client/v1/login/get_token': {
    request: ({ alice }) => ({ body: { auth: passwordAuth(alice) } }),
    others: 'refused',
    errors: { '401 undefined': () => ({ body: {} }) },
  },
  [`POST ${path}/account/3pid/unbind`]: {
    request: () => ({ body: { medium: 'email', address: 'alice@home.example' } }),
    others: 'own',
    errors: { '400 M_MISSING_PARAM': () => ({ body: {} }) },
  },
  [`GET ${path}/admin/whois/:userId`]: { request: ({ alice }) => ({ params: { userId: alice.userId } }), others: 'refused' },
}

/** An administrator's request about a user. */
const moderate =
  (body?: JsonObject) =>
  async (world: World): Promise<Sample> => ({
    as: world.admin,
    params: { userId: (await world.register()).userId },
    ...(body ? { body } : {}),
  })
const byUsers = { '403 M_FORBIDDEN': async (world: World): Promise<Sample> => ({ ...(await moderate({})(world)), as: world.mallory }) }
const byUser = { '403 M_FORBIDDEN': ({ mallory, alice }: World): Sample => ({ as: mallory, params: { userId: alice.userId } }) }
const tokens = '/_synapse/admin/v1/registration_tokens'

/** What administrators do. */
export const administration: Rows = {
  'GET /_matrix/client/v1/admin/lock/:userId': { request: moderate(), others: 'refused', errors: byUser },
  'PUT /_matrix/client/v1/admin/lock/:userId': { request: moderate({ locked: true }), others: 'refused', errors: byUsers },
  'GET /_matrix/client/v1/admin/suspend/:userId': { request: moderate(), others: 'refused', errors: byUser },
  'PUT /_matrix/client/v1/admin/suspend/:userId': { request: moderate({ suspended: true }), others: 'refused', errors: byUsers },
  [`GET ${tokens}`]: { request: ({ admin }) => ({ as: admin }), others: 'refused' },
  [`POST ${tokens}/new`]: { request: ({ admin }) => ({ as: admin, body: { uses_allowed: 1 } }), others: 'refused' },
  [`DELETE ${tokens}/:token`]: {
    request: async (world) => {
      const { token } = await world.must(world.admin, 'POST', `${tokens}/new`, {})
      return { as: world.admin, params: { token: String(token) } }
    },
    others: 'refused',
  },
}

/** A device that its user is logged in on beside the first. */
async function secondDevice(world: World): Promise<string> {
  const deviceId = world.fresh('TABLET')
  await world.must(undefined, 'POST', `${path}/login`, {
    ...passwordAuth(world.alice),
    device_id: deviceId,
    initial_device_display_name: 'tablet',
  })
  return deviceId
}

/** Devices of a user. */
export const devices: Rows = {
  [`GET ${path}/devices`]: { request: () => ({}), others: 'own' },
  [`GET ${path}/devices/:deviceId`]: {
    request: ({ alice }) => ({ params: { deviceId: alice.deviceId } }),
    others: 'refused',
    errors: { '404 M_NOT_FOUND': () => ({ params: { deviceId: 'NONE' } }) },
  },
  [`PUT ${path}/devices/:deviceId`]: {
    request: ({ alice }) => ({ params: { deviceId: alice.deviceId }, body: { display_name: 'phone' } }),
    others: 'refused',
    errors: {
      '404 M_NOT_FOUND': () => ({ params: { deviceId: 'NONE' }, body: { display_name: 'phone' } }),
      '400 M_BAD_JSON': ({ alice }) => ({ params: { deviceId: alice.deviceId }, body: { display_name: 1 } }),
    },
  },
  [`DELETE ${path}/devices/:deviceId`]: {
    request: async (world) => ({ params: { deviceId: await secondDevice(world) }, body: { auth: passwordAuth(world.alice) } }),
    others: 'refused',
    errors: { '401 undefined': async (world) => ({ params: { deviceId: await secondDevice(world) }, body: {} }) },
  },
  [`POST ${path}/delete_devices`]: {
    request: async (world) => ({ body: { devices: [await secondDevice(world)], auth: passwordAuth(world.alice) } }),
    others: 'refused',
    errors: { '401 undefined': async (world) => ({ body: { devices: [await secondDevice(world)] } }) },
  },
}
