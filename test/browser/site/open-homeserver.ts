import type { HostStatus } from '../../../worker/control-api.ts'
import type { RecoveryFile } from '../../../worker/identity.ts'
import type { ToServiceWorker } from '../../../worker/protocol.ts'
import type { StoredSettings } from '../../../worker/stored-settings.ts'

/** What the user chose at the first start. Neither a relay nor a name: the label alone. */
export interface IdentityChoice {
  readonly relay_domain?: string
  readonly server_name?: string
  /** Begin anew where an identity was lost: what is left of it is removed. */
  readonly abandon_former?: boolean
}

/** What is known once, at creation: the recovery key is to be shown now, and cannot be had again. */
export interface CreatedIdentity {
  readonly server_name: string
  readonly recovery_key: string
  readonly recovery_file: RecoveryFile
}

/** The control API, for pages of the homeserver's own origin. Everything rejects with the error's text when it is refused. */
export interface HomeserverControls {
  status(): Promise<HostStatus>
  createIdentity(choice: IdentityChoice): Promise<CreatedIdentity>
  recoveryFile(): Promise<RecoveryFile>
  restoreIdentity(file: unknown, recoveryKey: string): Promise<{ readonly server_name: string; readonly incarnation: number }>
  settings(): Promise<StoredSettings>
  /** Replaces the settings; they are in effect when this resolves. */
  saveSettings(settings: StoredSettings): Promise<void>
}

/**
 * Makes the homeserver reachable from this page: once this resolves, `fetch('/_matrix/…')` is answered by it. Call it before
 * the first Matrix request.
 */
export async function openHomeserver(): Promise<HomeserverControls> {
  await navigator.serviceWorker.register('/sw.js', { scope: '/' })
  await beControlled()
  // The service worker puts the frame into pages that it served; the first page was served without it.
  if (!document.querySelector('iframe[data-yurt]')) document.body.append(tabHostFrame())
  return {
    status: () => control('GET', 'status'),
    createIdentity: (choice) => control('POST', 'identity', choice),
    recoveryFile: () => control('GET', 'recovery'),
    restoreIdentity: (file, recoveryKey) => control('POST', 'restore', { file, recovery_key: recoveryKey }),
    settings: () => control('GET', 'settings'),
    saveSettings: async (settings) => {
      await control('PUT', 'settings', settings)
    },
  }
}

/** A first load has no service worker, and neither has a page that was reloaded past it: it has to be claimed. */
async function beControlled(): Promise<void> {
  const { active } = await navigator.serviceWorker.ready
  if (navigator.serviceWorker.controller) return
  const claimed = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
  const message: ToServiceWorker = { type: 'claim' }
  active?.postMessage(message)
  await claimed
}

function tabHostFrame(): HTMLIFrameElement {
  const frame = document.createElement('iframe')
  frame.src = '/tab-host.html'
  frame.dataset.yurt = ''
  frame.hidden = true
  frame.title = 'Homeserver'
  return frame
}

async function control<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`/_yurt/${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error)
  return answer
}
