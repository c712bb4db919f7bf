import type { Call } from '../../../http/endpoint.ts'
import { readForm } from '../../../http/form-body.ts'
import type { Settings } from '../../../ports/settings.ts'
import type { ServerName } from '../../../spec/event.ts'
import type { Accounts } from '../../../users/accounts.ts'
import { isRegisteredRedirect, type OAuthClient } from '../../../users/oauth/client-metadata.ts'
import type { OAuthClients } from '../../../users/oauth/clients.ts'
import type { OAuthGrants } from '../../../users/oauth/grants.ts'
import { parseScope, type Scope } from '../../../users/oauth/scope.ts'
import type { SingleUseSecrets } from '../../../users/single-use.ts'
import { credentialFields, errorNote, type Html, hiddenFields, html, page } from './html.ts'
import { maySignUp, type SignedIn, signIn, signUp } from './sign-in.ts'

export interface AuthoriseDeps {
  readonly accounts: Accounts
  readonly clients: OAuthClients
  readonly grants: OAuthGrants
  readonly settings: Settings
  readonly serverName: ServerName
  readonly singleUse: SingleUseSecrets
}

const formMs = 30 * 60_000
const formPurpose = 'sign-up form'

type Fields = ReadonlyMap<string, string>

const path = '/_matrix/oauth2/authorize'
const carried = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'code_challenge',
  'code_challenge_method',
] as const

/** The page on which a user lets a client in (Client-Server API, "Authorisation code flow"). */
export async function answerAuthorise(deps: AuthoriseDeps, { request, origin }: Call<unknown, unknown>): Promise<Response> {
  const fields: Fields = request.method === 'POST' ? await readForm(request) : new Map(new URL(request.url).searchParams)
  const client = await deps.clients.get(fields.get('client_id') ?? '')
  const redirectUri = fields.get('redirect_uri') ?? ''
  // Nothing is sent to an address that is not the client's.
  if (!client || !isRegisteredRedirect(client, redirectUri)) {
    return page('This link does not work', html`<p>The application that sent you here is not known, or gave a wrong address.</p>`, {
      status: 400,
    })
  }
  const fault = faultOf(fields)
  if (fault) return redirect(fields, { error: fault })
  const scope = parseScope(fields.get('scope') ?? '')
  if (!scope) return redirect(fields, { error: 'invalid_scope' })
  const canSignUp = maySignUp(origin, deps.settings)
  const wish = { client, scope, canSignUp, isNew: canSignUp && fields.get('prompt') === 'create' }
  if (request.method === 'GET') return consentPage(deps, fields, wish)
  if (fields.get('decision') !== 'allow') return redirect(fields, { error: 'access_denied' })
  if (wish.isNew && !(await deps.singleUse.take(formPurpose, fields.get('form_key') ?? ''))) {
    return consentPage(deps, fields, { ...wish, error: 'Please send this again.' })
  }
  const signedIn: SignedIn = await (wish.isNew ? signUp : signIn)(deps.accounts, fields)
  if ('error' in signedIn) return consentPage(deps, fields, { ...wish, error: signedIn.error })
  const authorisation = { userId: signedIn.userId, clientId: fields.get('client_id') ?? '', scope: scope.granted }
  return redirect(fields, {
    code: await deps.grants.issueCode(authorisation, { redirectUri, challenge: fields.get('code_challenge') ?? '' }),
  })
}

function faultOf(fields: Fields): string | undefined {
  if (fields.get('response_type') !== 'code') return 'unsupported_response_type'
  if (!['query', 'fragment'].includes(fields.get('response_mode') ?? 'query')) return 'invalid_request'
  if (fields.get('code_challenge_method') !== 'S256') return 'invalid_request'
  return /^[\w-]{43}$/.test(fields.get('code_challenge') ?? '') ? undefined : 'invalid_request'
}

interface Wish {
  readonly client: OAuthClient
  readonly scope: Scope
  readonly canSignUp: boolean
  /** An account is to be made. */
  readonly isNew: boolean
  readonly error?: string
}

async function consentPage(
  { serverName, singleUse }: AuthoriseDeps,
  fields: Fields,
  { client, scope, isNew, canSignUp, error }: Wish,
): Promise<Response> {
  // Another site could send the form in the user's name, but cannot read this.
  const formKey = isNew ? await singleUse.issue(formPurpose, {}, { lifetimeMs: formMs }) : undefined
  const kept = Object.fromEntries(carried.map((name) => [name, fields.get(name)]))
  const other = new URLSearchParams(Object.entries(kept).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
  if (!isNew) other.set('prompt', 'create')
  const content = html`${clientNote(client, { serverName, deviceId: scope.deviceId })}${errorNote(error)}
<form method="post" action="${path}">${hiddenFields({ ...kept, prompt: isNew ? 'create' : undefined, form_key: formKey })}${credentialFields(fields.get('username'), isNew)}
<button class="main" name="decision" value="allow">${isNew ? 'Create account and allow' : 'Allow'}</button>
<button name="decision" value="deny" formnovalidate>Cancel</button></form>
${canSignUp ? html`<p><a href="${path}?${other.toString()}">${isNew ? 'I have an account' : 'Create an account'}</a></p>` : ''}`
  const status = error === undefined ? 200 : 403
  return page(`Continue to ${client.name}`, content, { status, formTargets: targetOf(fields.get('redirect_uri') ?? '') })
}

/** What a client is, and what it will be able to do. */
export function clientNote(client: OAuthClient, about: { readonly serverName: ServerName; readonly deviceId: string }): Html {
  return html`<p class="note"><strong>${client.name}</strong> (${URL.parse(client.clientUri)?.host ?? ''}) will be able to read and send
everything in your account on ${about.serverName}, as device ${about.deviceId}.</p>
${client.links.map(({ title, uri }) => html`<p><a href="${uri}" rel="noreferrer">${title}</a></p>`)}`
}

/** Where the answer to the form leads, as a content security policy names it. */
function targetOf(redirectUri: string): string {
  const url = URL.parse(redirectUri)
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.origin : (url?.protocol ?? '')
}

function redirect(fields: Fields, result: Readonly<Record<string, string>>): Response {
  const state = fields.get('state')
  const parameters = new URLSearchParams({ ...(state === undefined ? {} : { state }), ...result })
  const redirectUri = fields.get('redirect_uri') ?? ''
  const mark = fields.get('response_mode') === 'fragment' ? '#' : redirectUri.includes('?') ? '&' : '?'
  const headers = { location: `${redirectUri}${mark}${parameters}`, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }
  return new Response(null, { status: 303, headers })
}
