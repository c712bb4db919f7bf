import { type Endpoint, open } from '../../../http/endpoint.ts'
import { readForm } from '../../../http/form-body.ts'
import { jsonObject } from '../../../http/json-schema.ts'
import { json } from '../../../http/router.ts'
import type { JsonObject } from '../../../spec/json.ts'
import { checkedMetadata, deviceCodeGrant, grantTypes } from '../../../users/oauth/client-metadata.ts'
import type { Redeeming } from '../../../users/oauth/grants.ts'
import { OAuthError } from '../../../users/oauth/oauth-error.ts'
import { parseScope } from '../../../users/oauth/scope.ts'
import type { AccountPageDeps } from './account.ts'
import { accountActions, oauthPrefix as prefix } from './account-actions.ts'
import type { AuthoriseDeps } from './authorise.ts'
import type { LinkDeps } from './link.ts'
import { maySignUp } from './sign-in.ts'

export type OAuthDeps = AuthoriseDeps & LinkDeps & AccountPageDeps

/** The OAuth 2.0 API (Client-Server API, "OAuth 2.0 API"), with its pages. */
export function oauthEndpoints(deps: OAuthDeps): Endpoint[] {
  return [...protocolEndpoints(deps), ...pageEndpoints(deps)]
}

/** The pages are loaded when the first of them is opened: most starts of a homeserver do not need them. */
function pageEndpoints(deps: OAuthDeps): Endpoint[] {
  const names = ['authorize', 'link', 'account'] as const
  const methods = ['GET', 'POST'] as const
  return names.flatMap((name) =>
    methods.map((method) =>
      open({ method, path: `${prefix}/${name}`, handle: async (call) => (await import('./pages.ts')).pages[name](deps, call) }),
    ),
  )
}

function protocolEndpoints(deps: OAuthDeps): Endpoint[] {
  const { clients, grants, deviceGrants, settings } = deps
  return [
    open({
      method: 'GET',
      path: '/_matrix/client/v1/auth_metadata',
      handle: ({ request, origin }) => metadata(new URL(request.url).origin, maySignUp(origin, settings)),
    }),
    open({
      method: 'POST',
      path: `${prefix}/registration`,
      bodyLimit: 1 << 16,
      body: jsonObject,
      handle: async ({ body, request }) => {
        const known = checkedMetadata(body, new URL(request.url).origin)
        const { clientId, issuedTs } = await clients.register(known)
        return json({ client_id: clientId, client_id_issued_at: Math.floor(issuedTs / 1000), ...known }, 201)
      },
    }),
    open({
      method: 'POST',
      path: `${prefix}/device`,
      handle: async ({ request }) => {
        const fields = await readForm(request)
        const clientId = fields.get('client_id') ?? ''
        if (!(await clients.get(clientId))) throw new OAuthError('invalid_client', 'The client is not registered', 401)
        const scope = parseScope(fields.get('scope') ?? '')
        if (!scope) throw new OAuthError('invalid_scope', 'The scope is not that of a login')
        const { deviceCode, userCode, expiresIn, interval } = await deviceGrants.begin(clientId, scope.granted)
        const page = `${new URL(request.url).origin}${prefix}/link`
        return unstored({
          device_code: deviceCode,
          user_code: userCode,
          verification_uri: page,
          verification_uri_complete: `${page}?user_code=${userCode}`,
          expires_in: expiresIn,
          interval,
        })
      },
    }),
    open({
      method: 'POST',
      path: `${prefix}/token`,
      handle: async ({ request, origin, keep }) => unstored(await tokens(deps, await readForm(request), { address: origin.address, keep })),
    }),
    open({
      method: 'POST',
      path: `${prefix}/revoke`,
      handle: async ({ request }) => {
        const token = (await readForm(request)).get('token')
        if (token === undefined) throw new OAuthError('invalid_request', 'token is missing')
        await grants.revoke(token)
        return {}
      },
    }),
  ]
}

async function tokens(
  { clients, grants, deviceGrants }: OAuthDeps,
  fields: ReadonlyMap<string, string>,
  how: Redeeming,
): Promise<JsonObject> {
  const required = (name: string): string => {
    const value = fields.get(name)
    if (value === undefined) throw new OAuthError('invalid_request', `${name} is missing`)
    return value
  }
  const grantType = required('grant_type')
  if (!grantTypes.includes(grantType)) throw new OAuthError('unsupported_grant_type', 'This grant is not offered')
  const clientId = required('client_id')
  if (!(await clients.get(clientId))) throw new OAuthError('invalid_client', 'The client is not registered', 401)
  if (grantType === 'refresh_token') return grants.refresh(required('refresh_token'), clientId, how.keep)
  if (grantType === deviceCodeGrant) return deviceGrants.redeem(required('device_code'), clientId, how)
  const [code, redirectUri, verifier] = [required('code'), required('redirect_uri'), required('code_verifier')]
  return grants.redeemCode({ code, clientId, redirectUri, verifier, ...how })
}

function metadata(base: string, canSignUp: boolean): JsonObject {
  return {
    issuer: `${base}/`,
    authorization_endpoint: `${base}${prefix}/authorize`,
    token_endpoint: `${base}${prefix}/token`,
    revocation_endpoint: `${base}${prefix}/revoke`,
    registration_endpoint: `${base}${prefix}/registration`,
    device_authorization_endpoint: `${base}${prefix}/device`,
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'fragment'],
    grant_types_supported: [...grantTypes],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    ...(canSignUp ? { prompt_values_supported: ['create'] } : {}),
    account_management_uri: `${base}${prefix}/account`,
    account_management_actions_supported: [...accountActions],
  }
}

/** An answer with secrets in it: nobody keeps a copy. */
function unstored(answer: JsonObject): Response {
  const response = json(answer, 200)
  response.headers.set('cache-control', 'no-store')
  return response
}
