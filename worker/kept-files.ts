import { PrecacheController } from 'workbox-precaching'
import type { MountedClient } from './mounted-client.ts'

declare const self: ServiceWorkerGlobalScope

type Files = MountedClient['files']

/** Where the cache keeps the list of what only pages of the build before still need. */
const listPath = '/yurt-files-of-before'

/**
 * The files that the pages start from, without network too. Of the build before, those that are named by their content stay until
 * the next one: its pages and workers may still be running, and load parts of themselves later.
 */
export class KeptFiles {
  readonly #cacheName: string
  readonly #controller: PrecacheController

  constructor(cacheName: string) {
    this.#cacheName = cacheName
    this.#controller = new PrecacheController({ cacheName })
  }

  /** Fetches the files when this service worker is installed, and lets go of others once it is active. */
  keep(files: Files): void {
    this.#controller.addToCacheList([...files])
    self.addEventListener('install', (event) => event.waitUntil(this.#controller.install(event)))
    self.addEventListener('activate', (event) => event.waitUntil(this.#tidy()))
  }

  /** Whether a file is one of this build. */
  has(path: string): boolean {
    return this.#controller.getCacheKeyForURL(path) !== undefined
  }

  async get(path: string): Promise<Response | undefined> {
    return (await this.#controller.matchPrecache(path)) ?? (await caches.open(this.#cacheName)).match(path)
  }

  async #tidy(): Promise<void> {
    const cache = await caches.open(this.#cacheName)
    const listed: string[] = (await (await cache.match(listPath))?.json()) ?? []
    const wanted = new Set([...this.#controller.getURLsToCacheKeys().values(), new URL(listPath, self.location.href).href])
    const old = (await cache.keys()).map(({ url }) => url).filter((url) => !wanted.has(url))
    const stays = (url: string) => new URL(url).search === '' && !listed.includes(url)
    for (const url of old) if (!stays(url)) await cache.delete(url)
    await cache.put(listPath, new Response(JSON.stringify(old.filter(stays))))
  }
}
