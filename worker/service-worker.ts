import { cleanupOutdatedCaches, matchPrecache, precache } from 'workbox-precaching'
import { BridgeLinks } from './bridge-links.ts'
import { answerFromHomeserver, isHomeserverPath } from './matrix-requests.ts'
import { withTabHost } from './navigation.ts'
import type { PortWanted, ToServiceWorker } from './protocol.ts'

declare const self: ServiceWorkerGlobalScope & {
  /** Put in by the build. */
  readonly __WB_MANIFEST: { readonly url: string; readonly revision: string | null }[]
}

const tabHost = '/tab-host.html'
// A client mounted under a path of its own wraps this script in its service worker: its files are its own affair.
const isOfWholeOrigin = new URL(self.registration.scope).pathname === '/'
const links = new BridgeLinks(askTabHosts)

if (isOfWholeOrigin) {
  precache(self.__WB_MANIFEST)
  cleanupOutdatedCaches()
}

self.addEventListener('install', () => void self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('message', (event) => {
  const message: ToServiceWorker = event.data
  const [port] = event.ports
  if (message.type === 'claim') event.waitUntil(self.clients.claim())
  if (message.type === 'port' && port) links.offer(port)
})

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (url.origin !== self.location.origin) return
  const answer = isHomeserverPath(url.pathname) ? homeserverAnswer(event) : fileAnswer(event.request, url.pathname)
  if (!answer) return
  // The service worker of a mounted client may come after this one, and wants to answer media itself.
  event.stopImmediatePropagation()
  event.respondWith(answer)
})

/** Any page can lead, and so can those of the homeserver itself. */
function homeserverAnswer(event: FetchEvent): Promise<Response> {
  const answer = answerFromHomeserver(event, links)
  return event.request.mode === 'navigate' ? answer.then(withTabHost) : answer
}

/** `undefined` leaves the request to the browser. */
function fileAnswer(request: Request, path: string): Promise<Response> | undefined {
  const isPage = request.mode === 'navigate' && request.destination === 'document' && path !== tabHost
  if (request.method !== 'GET' || (!isOfWholeOrigin && !isPage)) return undefined
  const file = stored(request, path)
  return isPage ? file.then(withTabHost) : file
}

async function stored(request: Request, path: string): Promise<Response> {
  return (await matchPrecache(path.endsWith('/') ? `${path}index.html` : path)) ?? fetch(request)
}

async function askTabHosts(): Promise<void> {
  const message: PortWanted = { type: 'port-wanted' }
  for (const client of await self.clients.matchAll({ includeUncontrolled: true, type: 'window' })) {
    if (new URL(client.url).pathname === tabHost) client.postMessage(message)
  }
}
