import { TrieRouter } from 'hono/router/trie-router'
import { unrecognized } from '../spec/errors.ts'
import type { Endpoint } from './endpoint.ts'

/** Endpoints whose code is loaded with the first request that none of those before them serves. */
export type LaterEndpoints = () => Promise<readonly Endpoint[]>

/** The endpoints of an API by method and path. Most starts of a homeserver need few of them, and load no more. */
export class Routes {
  readonly #router = new TrieRouter<Endpoint>()
  readonly #anyMethod = new TrieRouter<true>()
  readonly #endpoints: Endpoint[] = []
  readonly #later: LaterEndpoints[]
  #loading: Promise<boolean> | undefined

  constructor(endpoints: readonly Endpoint[], later: readonly LaterEndpoints[] = []) {
    this.#later = [...later]
    this.#add(endpoints)
  }

  /** What serves a request, with its path parameters as they are written there. Throws `M_UNRECOGNIZED`: 404, or 405 for another method. */
  async find(method: string, path: string): Promise<readonly [Endpoint, Readonly<Record<string, string | number>>]> {
    for (;;) {
      const [matched] = this.#router.match(method, path)[0]
      if (matched) return matched
      if (!(await this.#loadNext())) throw unrecognized(this.#anyMethod.match('ANY', path)[0].length > 0 ? 405 : 404)
    }
  }

  /** All endpoints, as data. */
  async all(): Promise<readonly Endpoint[]> {
    while (await this.#loadNext());
    return this.#endpoints
  }

  #add(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints) {
      this.#endpoints.push(endpoint)
      for (const path of typeof endpoint.path === 'string' ? [endpoint.path] : endpoint.path) {
        this.#router.add(endpoint.method, path, endpoint)
        this.#anyMethod.add('ANY', path, true)
      }
    }
  }

  /** Whether there was more to load. */
  #loadNext(): Promise<boolean> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<boolean> {
    const [next] = this.#later
    if (!next) return false
    this.#add(await next())
    this.#later.shift()
    return true
  }
}
