import type { Call } from '../../../http/endpoint.ts'
import { readForm } from '../../../http/form-body.ts'
import type { UserId } from '../../../spec/event.ts'
import type { Accounts } from '../../../users/accounts.ts'
import type { Devices } from '../../../users/devices.ts'
import type { CrossSigningResets } from '../../../users/oauth/cross-signing-resets.ts'
import type { Profiles } from '../../../users/profiles.ts'
import type { SingleUseSecrets } from '../../../users/single-use.ts'
import { type AccountAction, accountActions } from './account-actions.ts'
import { credentialFields, errorNote, type Html, hiddenFields, html, page } from './html.ts'
import { signIn } from './sign-in.ts'

export interface AccountPageDeps {
  readonly accounts: Accounts
  readonly devices: Devices
  readonly profiles: Profiles
  readonly resets: CrossSigningResets
  readonly singleUse: SingleUseSecrets
  readonly updateMemberProfiles: (userId: UserId) => Promise<void>
  readonly leaveRooms: (userId: UserId) => Promise<void>
}

type Fields = ReadonlyMap<string, string>

interface Visit {
  readonly userId: UserId
  readonly fields: Fields
}

/** A form that does `action`. */
type Form = (action: string, fields: Html) => Html

interface Shown extends Visit {
  readonly form: Form
}

const path = '/_matrix/oauth2/account'
const purpose = 'account page'
const visitMs = 10 * 60_000
const sections: Readonly<Record<AccountAction, (deps: AccountPageDeps, visit: Shown) => Promise<Html> | Html>> = {
  'org.matrix.profile': profileSection,
  'org.matrix.devices_list': devicesSection,
  'org.matrix.device_view': devicesSection,
  'org.matrix.device_delete': devicesSection,
  'org.matrix.cross_signing_reset': resetSection,
  'org.matrix.account_deactivate': deactivateSection,
}

/** The page on which users manage their accounts (Client-Server API, "Account management" of the OAuth 2.0 API). */
export async function answerAccount(deps: AccountPageDeps, { request }: Call<unknown, unknown>): Promise<Response> {
  if (request.method !== 'POST') return signInPage(new Map(new URL(request.url).searchParams))
  const fields = await readForm(request)
  const session = fields.get('session')
  if (session !== undefined) {
    const { userId } = (await deps.singleUse.take(purpose, session)) ?? {}
    return typeof userId === 'string' ? act(deps, { userId, fields }) : signInPage(fields, 'You have been signed out of this page.')
  }
  const signedIn = await signIn(deps.accounts, fields)
  return 'error' in signedIn ? signInPage(fields, signedIn.error) : accountPage(deps, { userId: signedIn.userId, fields })
}

function signInPage(fields: Fields, error?: string): Response {
  const kept = hiddenFields({ action: fields.get('action'), device_id: fields.get('device_id') })
  const content = html`${errorNote(error)}<form method="post" action="${path}">${kept}${credentialFields(fields.get('username'))}
<button class="main">Sign in</button></form>`
  return page('Your account', content, { status: error === undefined ? 200 : 403 })
}

async function act(deps: AccountPageDeps, visit: Visit): Promise<Response> {
  const { userId, fields } = visit
  switch (fields.get('do')) {
    case 'rename': {
      const suspended = (await deps.accounts.moderation(userId))?.suspended
      if (suspended) return accountPage(deps, visit, 'Your account is suspended.')
      const name = fields.get('display_name')?.slice(0, 255)
      if (await deps.profiles.setField(userId, 'displayname', name || undefined)) await deps.updateMemberProfiles(userId)
      return accountPage(deps, visit, 'Your name was changed.')
    }
    case 'sign-out':
      await deps.devices.remove(userId, [fields.get('device_id') ?? ''])
      return accountPage(deps, visit, 'The device was signed out.')
    case 'reset':
      await deps.resets.allow(userId)
      return page('Go back to your application', html`<p>It may replace your cryptographic identity within ten minutes.</p>`)
    case 'deactivate': {
      if (!(await deps.accounts.hasPassword(userId, fields.get('password') ?? '')))
        return accountPage(deps, visit, 'The password is wrong.')
      await deps.leaveRooms(userId)
      await deps.devices.deactivate(userId, fields.get('erase') === 'yes')
      return page('Your account is closed', html`<p>You can close this page.</p>`)
    }
    default:
      return accountPage(deps, visit)
  }
}

async function accountPage(deps: AccountPageDeps, visit: Visit, note?: string): Promise<Response> {
  const action = accountActions.find((name) => name === visit.fields.get('action'))
  const wanted = action && sections[action]
  const shown = wanted ? [wanted] : [...new Set(Object.values(sections))]
  // There are no cookies: each form of the page carries what it takes to go on, once.
  const session = await deps.singleUse.issue(purpose, { userId: visit.userId }, { lifetimeMs: visitMs })
  const form: Form = (action, fields) => html`<form method="post" action="${path}">${hiddenFields({ session, do: action })}${fields}</form>`
  const content = await Promise.all(shown.map((section) => section(deps, { ...visit, form })))
  const all = wanted ? form('', html`<button>Show everything</button>`) : html``
  const said = note === undefined ? html`` : html`<p class="note" role="status">${note}</p>`
  return page('Your account', html`<p>${visit.userId}</p>${said}${content}${all}`)
}

async function profileSection({ profiles }: AccountPageDeps, visit: Shown): Promise<Html> {
  const name = (await profiles.get(visit.userId))?.displayname
  return html`<h2>Profile</h2>${visit.form(
    'rename',
    html`<label for="name">Display name</label>
<input id="name" name="display_name" maxlength="255" value="${typeof name === 'string' ? name : ''}"><button>Save</button>`,
  )}`
}

async function devicesSection({ devices }: AccountPageDeps, visit: Shown): Promise<Html> {
  const wanted = visit.fields.get('do') === undefined ? visit.fields.get('device_id') : undefined
  const all = (await devices.list(visit.userId)).filter(({ deviceId }) => wanted === undefined || deviceId === wanted)
  const items = all.map(({ deviceId, device }) => {
    const name = device.displayName ?? deviceId
    const button = html`${hiddenFields({ device_id: deviceId })}<button aria-label="Sign out ${name}">Sign out</button>`
    const seen = new Date(device.lastSeenTs).toISOString().slice(0, 16).replace('T', ' ')
    return html`<li><strong>${name}</strong><br>${deviceId}, last seen ${seen} UTC ${visit.form('sign-out', button)}</li>`
  })
  return html`<h2>Devices</h2>${items.length === 0 ? html`<p>There is none.</p>` : html`<ul>${items}</ul>`}`
}

function resetSection(_deps: AccountPageDeps, visit: Shown): Html {
  return html`<h2>Cryptographic identity</h2><p>Resetting it makes others verify you anew. Do it only if your application asked for it, and
you have lost your other devices and your recovery key.</p>${visit.form('reset', html`<button>Allow the reset</button>`)}`
}

function deactivateSection(_deps: AccountPageDeps, visit: Shown): Html {
  return html`<h2>Close the account</h2><p>This cannot be undone: you leave all rooms, and nobody can use the name again.</p>${visit.form(
    'deactivate',
    html`<label for="closing">Password</label><input id="closing" name="password" type="password" autocomplete="current-password" required>
<label><input type="checkbox" name="erase" value="yes"> Erase my data as well</label><button>Close my account</button>`,
  )}`
}
