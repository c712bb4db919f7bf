import { readForm } from '../../http/form-body.ts'
import type { JsonObject } from '../../spec/json.ts'
import type { InteractiveAuth, Stage } from '../../users/interactive-auth.ts'
import { credentialFields, errorNote, type Html, html, page } from './oauth/html.ts'

interface Visit {
  readonly stage: string
  readonly session: string
  readonly request: Request
}

type Pending = NonNullable<ReturnType<InteractiveAuth['session']>>

/** Tells the client that the stage is completed, in the words of the specification. */
const doneScript = `if (window.onAuthDone) window.onAuthDone()
else if (window.opener && window.opener.postMessage) window.opener.postMessage('authDone', '*')`

const passwordField = html`<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>`
const tokenField = html`<label for="token">Registration token</label>
<input id="token" name="token" autocomplete="off" autocapitalize="none" spellcheck="false" required>`

/** What each kind of request does, for whoever is to confirm it; by the first word of its operation. */
const purposes: Readonly<Record<string, string>> = {
  register: 'to make an account',
  password: 'to change the password',
  deactivate: 'to close the account for good',
  remove: 'to sign out devices',
  'cross-signing': 'to replace the cryptographic identity',
  login: 'to sign in another device',
}

/** The page on which one stage of a session of user-interactive authentication is completed, and the answer to its form. */
export async function answerStage(interactiveAuth: InteractiveAuth, visit: Visit): Promise<Response> {
  const pending = interactiveAuth.session(visit.session)
  if (!pending) return over()
  const stage = pending.requirement.flows.flat().find((offered) => offered === visit.stage)
  if (stage === undefined)
    return page('This cannot be done here', html`<p>Your application asks for nothing of this kind.</p>`, { status: 404 })
  const { approval } = pending.requirement
  if (stage === 'm.oauth') return approval ? new Response(null, { status: 303, headers: { location: approval.url } }) : over()
  if (pending.completed.includes(stage)) return done()
  if (visit.request.method !== 'POST') return stagePage(pending, stage)
  const failure = await interactiveAuth.attempt(visit.session, authOf(stage, await readForm(visit.request)))
  return failure === undefined ? done() : stagePage(pending, stage, failure)
}

function authOf(stage: Stage, fields: ReadonlyMap<string, string>): JsonObject {
  const [username, password, token] = [fields.get('username')?.trim(), fields.get('password'), fields.get('token')]
  return {
    type: stage,
    ...(username ? { identifier: { type: 'm.id.user', user: username } } : {}),
    ...(password === undefined ? {} : { password }),
    ...(token === undefined ? {} : { token }),
  }
}

function stagePage({ requirement: { operation, userId } }: Pending, stage: Stage, failure?: string): Response {
  const whose = userId === undefined ? html`` : html` of <strong>${userId}</strong>`
  const purpose = purposes[operation.split(' ')[0] ?? ''] ?? 'to go on'
  const note = errorNote(failure === undefined ? undefined : `${failure}.`)
  const content = html`${note}<p>An application asks you ${purpose}${whose}. Go on only if you have just begun this yourself.</p>
<form method="post">${fieldsOf(stage, userId !== undefined)}<button class="main">Go on</button></form>`
  return page('Confirm that it is you', content, { status: failure === undefined ? 200 : 403 })
}

function fieldsOf(stage: Stage, isKnownUser: boolean): Html {
  if (stage === 'm.login.password') return isKnownUser ? passwordField : credentialFields()
  return stage === 'm.login.registration_token' ? tokenField : html``
}

function done(): Response {
  return page('Done', html`<p>Go back to your application. You can close this page.</p>`, { script: doneScript })
}

function over(): Response {
  return page('This is over', html`<p>It took too long, or was done before. Go back to your application and try again.</p>`, {
    status: 404,
  })
}

/** Logs in by what the form and the page's own address say, and hands the answer to the application that shows the page. */
const loginScript = `window.matrixLogin = window.matrixLogin || { onLogin: function () {} }
const [form, note] = [document.querySelector('form'), document.querySelector('.note')]
form.addEventListener('submit', async function (event) {
  event.preventDefault()
  const [typed, given] = [new FormData(form), Object.fromEntries(new URLSearchParams(location.search))]
  if (given.refresh_token !== undefined) given.refresh_token = given.refresh_token === 'true'
  const identifier = { type: 'm.id.user', user: typed.get('username') }
  const body = JSON.stringify({ ...given, type: 'm.login.password', identifier, password: typed.get('password') })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch('/_matrix/client/v3/login', { method: 'POST', headers, body })
  const answer = await response.json()
  note.hidden = response.ok
  note.textContent = answer.error || ''
  if (response.ok) window.matrixLogin.onLogin(answer)
})`

/** The page on which a user logs in for an application that knows no way of its own. */
export function loginPage(): Response {
  const content = html`<p class="note error" role="alert" hidden></p>
<form>${credentialFields()}<button class="main">Sign in</button></form>`
  return page('Sign in', content, { script: loginScript })
}
