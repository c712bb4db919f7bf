import type { Call } from '../../../http/endpoint.ts'
import { readForm } from '../../../http/form-body.ts'
import type { ServerName } from '../../../spec/event.ts'
import type { Accounts } from '../../../users/accounts.ts'
import type { OAuthClients } from '../../../users/oauth/clients.ts'
import type { DeviceGrants } from '../../../users/oauth/device-grants.ts'
import { parseScope } from '../../../users/oauth/scope.ts'
import { clientNote } from './authorise.ts'
import { credentialFields, errorNote, hiddenFields, html, page } from './html.ts'
import { signIn } from './sign-in.ts'

export interface LinkDeps {
  readonly accounts: Accounts
  readonly clients: OAuthClients
  readonly deviceGrants: DeviceGrants
  readonly serverName: ServerName
}

const path = '/_matrix/oauth2/link'

/** The page on which a user lets a device in by the code that it shows (Client-Server API, "Device authorisation flow"). */
export async function answerLink(deps: LinkDeps, call: Call<unknown, unknown>): Promise<Response> {
  const { request } = call
  return request.method === 'POST' ? decide(deps, call) : show(deps, new Map(new URL(request.url).searchParams))
}

async function show(deps: LinkDeps, fields: ReadonlyMap<string, string>, error?: string): Promise<Response> {
  const userCode = fields.get('user_code') ?? ''
  const grant = userCode === '' ? undefined : await deps.deviceGrants.pending(userCode)
  const client = grant && (await deps.clients.get(grant.clientId))
  if (!grant || !client) return askCode(userCode)
  const deviceId = parseScope(grant.scope)?.deviceId ?? ''
  const content = html`${clientNote(client, { serverName: deps.serverName, deviceId })}
<p>Go on only if your other device shows the code <strong>${userCode.toUpperCase()}</strong>.</p>${errorNote(error)}
<form method="post" action="${path}">${hiddenFields({ user_code: userCode })}${credentialFields(fields.get('username'))}
<button class="main" name="decision" value="allow">Allow</button>
<button name="decision" value="deny" formnovalidate>Do not allow</button></form>`
  return page('Sign in another device', content, { status: error === undefined ? 200 : 403 })
}

function askCode(wrong: string): Response {
  const content = html`${errorNote(wrong === '' ? undefined : 'This code is wrong, or no longer valid.')}
<form action="${path}"><label for="user_code">The code that your other device shows</label>
<input id="user_code" name="user_code" value="${wrong}" autocomplete="off" autocapitalize="characters" spellcheck="false" required>
<button class="main">Continue</button></form>`
  return page('Sign in another device', content, { status: wrong === '' ? 200 : 404 })
}

async function decide(deps: LinkDeps, { request }: Call<unknown, unknown>): Promise<Response> {
  const fields = await readForm(request)
  const userCode = fields.get('user_code') ?? ''
  if (fields.get('decision') !== 'allow') {
    await deps.deviceGrants.decide(userCode, undefined)
    return page('Not signed in', html`<p>The other device was turned away. You can close this page.</p>`)
  }
  const signedIn = await signIn(deps.accounts, fields)
  if ('error' in signedIn) return show(deps, fields, signedIn.error)
  if (!(await deps.deviceGrants.decide(userCode, signedIn.userId))) return askCode(userCode)
  return page('Signed in', html`<p>Your other device goes on by itself. You can close this page.</p>`)
}
