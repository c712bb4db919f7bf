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

/** The requests that clients leave to their service worker, which knows the access token that they lack. */
export class LeftRequests {
  readonly #unanswered = new WeakSet<FetchEvent>()

  /** Whether an event of this origin is left to the client's service worker; if so, its answer is noticed. */
  take(event: FetchEvent): boolean {
    const { method, url, headers } = event.request
    const isLeft = method === 'GET' && !headers.has('authorization') && mediaPaths.test(new URL(url).pathname)
    if (!isLeft) return false
    this.#unanswered.add(event)
    const respondWith = event.respondWith.bind(event)
    event.respondWith = (answer) => {
      this.#unanswered.delete(event)
      respondWith(answer)
    }
    return true
  }

  /** Whether an event was left, and has no answer yet: some service workers forget the token when the browser stops them. */
  isUnanswered(event: FetchEvent): boolean {
    return this.#unanswered.delete(event)
  }
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
  // Offline, what is installed is the newest that can be had. Element Web shows no media where it is told of a failure here.
  const { update } = ServiceWorkerRegistration.prototype
  ServiceWorkerRegistration.prototype.update = function updateIfReachable() {
    return update.call(this).catch((failure: unknown) => {
      if (!this.active) throw failure
      return this
    })
  }
  const cacheNames = caches.keys.bind(caches)
  caches.keys = async () => (await cacheNames()).filter((name) => !isOurs(name))
  Storage.prototype.clear = function clear() {
    for (const key of Object.keys(this)) if (!isOurs(key)) this.removeItem(key)
  }
}
