import { Lru } from '../src/storage/lru.ts'
import type { BridgeRequest } from './protocol.ts'

const pagesKept = 500

/**
 * Lets a page's `<img>`, `<video>` and `<audio>` load authenticated media: they cannot send a header, so they go by the page's
 * last request that was authenticated. The homeserver then treats them as that device's in every respect.
 */
export class Vouching {
  readonly #authorizations = new Lru<string, string>(pagesKept)

  /** The headers of `request`, completed where the service worker vouches for it. */
  headersFor({ vouched, clientId, headers }: BridgeRequest): Headers {
    const complete = new Headers(headers.map(([name, value]): [string, string] => [name, value]))
    const authorization = vouched ? this.#authorizations.get(clientId) : undefined
    if (authorization !== undefined) complete.set('authorization', authorization)
    return complete
  }

  /** Remembers whom the page speaks for, or forgets it when the token turned out to be dead. */
  note({ vouched, clientId, headers }: BridgeRequest, status: number): void {
    const authorization = headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1]
    if (vouched || clientId === '' || authorization === undefined) return
    if (status !== 401) this.#authorizations.set(clientId, authorization)
    else if (this.#authorizations.get(clientId) === authorization) this.#authorizations.delete(clientId)
  }
}
