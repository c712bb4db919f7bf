import { BridgeLinks } from './bridge-links.ts'
import { KeptFiles } from './kept-files.ts'
import { answerFromHomeserver, isHomeserverPath } from './matrix-requests.ts'
import { hideHomeserver, LeftRequests, type MountedClient, prepareForClient } from './mounted-client.ts'
import { withTabHost } from './navigation.ts'
import type { PortWanted, ToServiceWorker } from './protocol.ts'

declare const self: ServiceWorkerGlobalScope & {
  /** Put in by the build. */
  readonly __WB_MANIFEST: MountedClient['files']
  /** Put in by whoever serves a client of others at `/`. */
  readonly yurtClient?: MountedClient
}

const tabHost = '/tab-host.html'
/** Where our own app is when `/` is a client's. */
const ownPage = '/yurt.html'
/** Goes into a mounted client's pages. */
const hidingScript = '/yurt-hide.js'
const cacheName = 'yurt-pages'
const client = self.yurtClient
// A client mounted under a path of its own wraps this script in its service worker: its files are its own affair.
const isOfWholeOrigin = new URL(self.registration.scope).pathname === '/'
const links = new BridgeLinks(askTabHosts)
const pages = new KeptFiles(cacheName)
/** What is the client's service worker to answer. */
const left = new LeftRequests()
const windows = self.clients.matchAll.bind(self.clients, { includeUncontrolled: true, type: 'window' } as const)

if (isOfWholeOrigin) pages.keep(filesToKeep())
if (client?.hasServiceWorker) {
  prepareForClient({ cache: cacheName, frame: tabHost, answer: (request) => answerFromHomeserver({ request, clientId: '' }, links) })
  self.addEventListener('yurt-client-loaded', () => self.addEventListener('fetch', answerWhatIsLeft))
}

self.addEventListener('install', () => void self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('message', (event) => {
  const message: ToServiceWorker | undefined = event.data
  const [port] = event.ports
  if (message?.type === 'claim') event.waitUntil(self.clients.claim())
  if (message?.type === 'port' && port) links.offer(port)
})

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (url.origin !== self.location.origin || (client?.hasServiceWorker && left.take(event))) return
  const answer = isHomeserverPath(url.pathname) ? homeserverAnswer(event) : fileAnswer(event.request, url.pathname)
  if (!answer) return
  // The service worker of a mounted client comes after this one, and may want to answer as well.
  event.stopImmediatePropagation()
  event.respondWith(answer)
})

/** Comes after the client's service worker, which may have left media to the network: there is no homeserver in the network. */
function answerWhatIsLeft(event: FetchEvent): void {
  if (left.isUnanswered(event)) event.respondWith(answerFromHomeserver(event, links))
}

/** Any page can lead, and so can those of the homeserver itself. */
function homeserverAnswer(event: FetchEvent): Promise<Response> {
  const answer = answerFromHomeserver(event, links)
  return event.request.mode === 'navigate' ? answer.then((page) => withTabHost(page)) : answer
}

/** `undefined` leaves the request to the client's service worker, if there is one, and the browser. */
function fileAnswer(request: Request, path: string): Promise<Response> | undefined {
  const isPage = request.mode === 'navigate' && request.destination === 'document' && path !== tabHost
  if (request.method !== 'GET' || (!isOfWholeOrigin && !isPage)) return undefined
  if (client && path === hidingScript) return Promise.resolve(script(`(${hideHomeserver})()`))
  const file = path.endsWith('/') ? `${path}index.html` : path
  if (!client) return isPage ? kept(file, request).then((page) => withTabHost(page)) : kept(file, request)
  const found = clientFile(file, isPage)
  if (!isPage) return found === undefined ? undefined : kept(found, request)
  return kept(found ?? file, request).then((page) => withTabHost(page, file === ownPage ? undefined : hidingScript))
}

/** Where a client's file is: its pages have paths of its own making, and files are named relative to these. */
function clientFile(path: string, isPage: boolean): string | undefined {
  const candidates = [path, ...(isPage ? ['/index.html'] : [path.slice(path.lastIndexOf('/'))])]
  return candidates.find((candidate) => pages.has(candidate))
}

async function kept(file: string, request: Request): Promise<Response> {
  return (await pages.get(file)) ?? fetch(request)
}

/** Our files and the client's. */
function filesToKeep(): MountedClient['files'][number][] {
  const ours: MountedClient['files'] = self.__WB_MANIFEST
  if (!client) return [...ours]
  const own = ours.map((file) => (file.url === '/index.html' ? { ...file, url: ownPage } : file))
  return [...new Map([...own, ...client.files].map((file) => [file.url, file])).values()]
}

function script(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/javascript; charset=utf-8' } })
}

async function askTabHosts(): Promise<void> {
  const message: PortWanted = { type: 'port-wanted' }
  for (const window of await windows()) {
    if (new URL(window.url).pathname === tabHost) window.postMessage(message)
  }
}
