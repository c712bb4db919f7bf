import type { Rows } from './row.ts'
import type { Sample } from './sample.ts'
import { passwordOf, type World } from './world.ts'

const path = '/_matrix/oauth2'
const redirectUri = 'https://client.example/callback'
const metadata = { client_uri: 'https://client.example/', redirect_uris: [redirectUri] }
const scope = 'urn:matrix:client:api:* urn:matrix:client:device:OAUTHDEVICE'

/** A form as a browser sends it. */
function form(fields: Readonly<Record<string, string>>): Sample {
  return { as: 'nobody', body: new TextEncoder().encode(new URLSearchParams(fields).toString()) }
}

async function clientOf(world: World): Promise<string> {
  const answer = await world.ask(undefined, 'POST', `${path}/registration`, metadata)
  return String(answer.body.client_id)
}

async function wish(world: World): Promise<Record<string, string>> {
  return {
    client_id: await clientOf(world),
    redirect_uri: redirectUri,
    response_type: 'code',
    scope,
    code_challenge: 'c'.repeat(43),
    code_challenge_method: 'S256',
  }
}

async function deviceCode(world: World): Promise<{ clientId: string; userCode: string; deviceCode: string }> {
  const clientId = await clientOf(world)
  const sample = form({ client_id: clientId, scope })
  const { body } = await world.sample({ endpoint: { method: 'POST' }, path: `${path}/device` }, sample)
  return { clientId, userCode: String(body.user_code), deviceCode: String(body.device_code) }
}

const credentials = ({ alice }: World) => ({ username: alice.name, password: passwordOf(alice.name), decision: 'allow' })

/** Logging in by OAuth 2.0, and its pages. */
export const oauth: Rows = {
  'GET /_matrix/client/v1/auth_metadata': { request: () => ({}), others: 'anyone', cannotFail: true },
  [`POST ${path}/registration`]: {
    request: () => ({ as: 'nobody', body: metadata }),
    others: 'anyone',
    succeeds: 201,
    errors: { '400 undefined': () => ({ body: { client_uri: 'nonsense' } }), '400 M_NOT_JSON': () => form({ client_uri: 'x' }) },
  },
  [`GET ${path}/authorize`]: {
    request: async (world) => ({ as: 'nobody', query: await wish(world) }),
    others: 'anyone',
    errors: { '400 undefined': () => ({ query: { client_id: 'unknown' } }) },
  },
  [`POST ${path}/authorize`]: {
    request: async (world) => form({ ...(await wish(world)), ...credentials(world) }),
    others: 'anyone',
    succeeds: 303,
    errors: { '403 undefined': async (world) => form({ ...(await wish(world)), ...credentials(world), password: 'wrong' }) },
  },
  [`POST ${path}/token`]: {
    request: async (world) => {
      const { clientId, userCode, deviceCode: code } = await deviceCode(world)
      await world.sample({ endpoint: { method: 'POST' }, path: `${path}/link` }, form({ ...credentials(world), user_code: userCode }))
      return form({ grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: clientId, device_code: code })
    },
    others: 'anyone',
    errors: {
      '400 undefined': () => form({ other: 'field' }),
      '401 undefined': () => form({ grant_type: 'refresh_token', client_id: 'unknown' }),
    },
  },
  [`POST ${path}/revoke`]: {
    request: () => form({ token: 'of nobody' }),
    others: 'anyone',
    errors: { '400 undefined': () => form({ other: 'field' }) },
  },
  [`POST ${path}/device`]: {
    request: async (world) => form({ client_id: await clientOf(world), scope }),
    others: 'anyone',
    errors: {
      '401 undefined': () => form({ other: 'field' }),
      '400 undefined': async (world) => form({ client_id: await clientOf(world) }),
    },
  },
  [`GET ${path}/link`]: {
    request: () => ({ as: 'nobody' }),
    others: 'anyone',
    errors: { '404 undefined': () => ({ query: { user_code: 'WRONG' } }) },
  },
  [`POST ${path}/link`]: {
    request: async (world) => form({ ...credentials(world), user_code: (await deviceCode(world)).userCode }),
    others: 'anyone',
    errors: { '404 undefined': (world) => form({ ...credentials(world), user_code: 'WRONG' }) },
  },
  [`GET ${path}/account`]: { request: () => ({ as: 'nobody' }), others: 'anyone', cannotFail: true },
  [`POST ${path}/account`]: {
    request: (world) => form(credentials(world)),
    others: 'anyone',
    errors: { '403 undefined': () => form({ session: 'guessed', do: 'deactivate' }) },
  },
}
