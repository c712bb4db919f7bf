import { isHomeserverPath } from './matrix-requests.ts'

declare const self: ServiceWorkerGlobalScope

/** What whoever serves a client of others at `/` says of it, before this service worker is loaded. */
export interface MountedClient {
  readonly files: readonly { readonly url: string; readonly revision: string | null }[]
  /** Whether a service worker of the client's own is loaded after this one. */
  readonly hasServiceWorker: boolean
}

interface Own {
  /** The cache that the client must not find. */
  readonly cache: string
  /** The path of the frames that the client must not find. */
  readonly frame: string
  /** Answers a request for a path of the homeserver. */
  readonly answer: (request: Request) => Promise<Response>
}

const mediaPaths = /^\/_matrix\/(client\/v1\/media|media\/[^/]+)\/(download|thumbnail)\//

/** Whether a request is one that clients leave to their service worker, which knows the access token that it lacks. */
export function lacksToken({ method, url, headers }: Request): boolean {
  return method === 'GET' && !headers.has('authorization') && mediaPaths.test(new URL(url).pathname)
}

/**
 * Prepares the global scope for the client's own service worker, which is loaded next: what it fetches of the homeserver is
 * answered, though a service worker's requests come by no `fetch` event; and it neither finds our cache, which some clear,
 * nor the tab hosts, which would never answer its messages.
 */
export function prepareForClient({ cache, frame, answer }: Own): void {
  const [fetchPlainly, cacheNames, matchAll] = [self.fetch.bind(self), caches.keys.bind(caches), self.clients.matchAll.bind(self.clients)]
  self.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, self.location.href)
    const isOurs = url.origin === self.location.origin && isHomeserverPath(url.pathname)
    return isOurs ? answer(new Request(input, init)) : fetchPlainly(input, init)
  }
  caches.keys = async () => (await cacheNames()).filter((name) => name !== cache)
  self.clients.matchAll = async <T extends ClientQueryOptions>(options?: T) => {
    const found = await matchAll<T>(options)
    return found.filter(({ url }) => new URL(url).pathname !== frame)
  }
}

/**
 * Runs in the client's pages before all else, as text: some clients clear what they find in their origin when their user logs
 * out. They do not find the homeserver. It is no defence against a client that means harm, which no client of this origin may.
 */
export function hideHomeserver(): void {
  const isOurs = (name: string | undefined) => /^yurt/.test(name ?? '')
  const [databases, deleteDatabase] = [indexedDB.databases.bind(indexedDB), indexedDB.deleteDatabase.bind(indexedDB)]
  indexedDB.databases = async () => (await databases()).filter(({ name }) => !isOurs(name))
  indexedDB.deleteDatabase = (name) => {
    if (isOurs(name)) throw new DOMException('This database is the homeserver’s', 'InvalidAccessError')
    return deleteDatabase(name)
  }
  const cacheNames = caches.keys.bind(caches)
  caches.keys = async () => (await cacheNames()).filter((name) => !isOurs(name))
  Storage.prototype.clear = function clear() {
    for (const key of Object.keys(this)) if (!isOurs(key)) this.removeItem(key)
  }
}
