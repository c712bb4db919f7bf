import { sha256 } from '@noble/hashes/sha2.js'
import type { Clock } from '../../ports/clock.ts'
import { put, remove, type Storage } from '../../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../../spec/base64.ts'
import { canonicalBytes } from '../../spec/canonical-json.ts'
import type { JsonObject } from '../../spec/json.ts'
import { oauthClients, refreshTokens } from '../../storage/tables/users.ts'
import { clientOf, type OAuthClient } from './client-metadata.ts'

/** More are not kept, but for those with a session. */
const clientLimit = 500
/** A client that registered has this long to log someone in. */
const graceMs = 3600_000

/** Clients that registered themselves (RFC 7591). The same metadata is the same client. */
export class OAuthClients {
  readonly #storage: Storage
  readonly #clock: Clock

  constructor(deps: { storage: Storage; clock: Clock }) {
    this.#storage = deps.storage
    this.#clock = deps.clock
  }

  /** Keeps a client's checked metadata; resolves with its id. */
  async register(metadata: JsonObject): Promise<{ clientId: string; issuedTs: number }> {
    const clientId = encodeUrlSafeBase64(sha256(canonicalBytes(metadata)).subarray(0, 18))
    const issuedTs = this.#clock.now()
    const idle = await this.#idle()
    await this.#storage.commit(
      [...idle.map((id) => remove(oauthClients, id)), put(oauthClients, clientId, { metadata, issuedTs })],
      'strict',
    )
    return { clientId, issuedTs }
  }

  async get(clientId: string): Promise<OAuthClient | undefined> {
    const stored = await this.#storage.read([oauthClients], (tx) => tx.get(oauthClients, clientId))
    return stored && clientOf(stored.metadata)
  }

  /** Clients beyond the limit, the oldest first, that have no session. */
  async #idle(): Promise<string[]> {
    const [clients, sessions] = await this.#storage.read([oauthClients, refreshTokens], async (tx) => {
      const all = await tx.range(oauthClients, {})
      return [all, all.length < clientLimit ? [] : await tx.range(refreshTokens, {})] as const
    })
    if (clients.length < clientLimit) return []
    const used = new Set(sessions.map(([, { oauthClientId }]) => oauthClientId))
    const before = this.#clock.now() - graceMs
    return clients.flatMap(([id, { issuedTs }]) => (used.has(id) || issuedTs > before ? [] : [id]))
  }
}
