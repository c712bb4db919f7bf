import type { Clock } from '../ports/clock.ts'
import { put, type Storage } from '../ports/storage.ts'
import { encodeBase64 } from '../spec/base64.ts'
import type { ServerName } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { parseServerKeys, type ServerKeys } from '../spec/server-keys.ts'
import { Lru } from '../storage/lru.ts'
import { type StoredServerKey, serverKeyDocuments, serverKeys } from '../storage/tables/federation.ts'

/** However long a document says it is valid: it is not, longer than this after it was fetched. */
const longestValidityMs = 7 * 24 * 3600 * 1000

/** The keys of other servers in storage, the ones in use in memory. */
export class KeyStore {
  readonly #deps: { readonly storage: Storage; readonly clock: Clock }
  readonly #keys = new Lru<string, Promise<StoredServerKey | undefined>>(20_000)

  constructor(deps: { readonly storage: Storage; readonly clock: Clock }) {
    this.#deps = deps
  }

  key(server: ServerName, keyId: string): Promise<StoredServerKey | undefined> {
    const name = `${server} ${keyId}`
    const known = this.#keys.get(name)
    if (known) return known
    const loading = this.#deps.storage.read([serverKeys], (tx) => tx.get(serverKeys, [server, keyId]))
    this.#keys.set(name, loading)
    loading.catch(() => this.#keys.delete(name))
    return loading
  }

  async document(server: ServerName): Promise<{ document: JsonObject; fetchedTs: number; validUntilTs: number } | undefined> {
    const stored = await this.#deps.storage.read([serverKeyDocuments], (tx) => tx.get(serverKeyDocuments, server))
    const keys = stored && parseServerKeys(stored.document)
    return keys && { ...stored, validUntilTs: keys.validUntilTs }
  }

  /** Adds the keys of a document whose signatures are valid. Answers the id of a key that contradicts a pinned one: nothing is added then. */
  async add(keys: ServerKeys): Promise<string | undefined> {
    const { serverName: server } = keys
    const fetchedTs = this.#deps.clock.now()
    const validUntilTs = Math.min(keys.validUntilTs, fetchedTs + longestValidityMs)
    const offered = [
      ...[...keys.verifyKeys].map(([keyId, key]) => ({ keyId, row: { key: encodeBase64(key), validUntilTs } })),
      ...[...keys.oldVerifyKeys].map(([keyId, { key, expiredTs }]) => ({
        keyId,
        row: { key: encodeBase64(key), validUntilTs, expiredTs },
      })),
    ]
    const pinned = await Promise.all(offered.map(({ keyId }) => this.key(server, keyId)))
    const conflict = offered.find(({ row }, i) => pinned[i] !== undefined && pinned[i].key !== row.key)
    if (conflict) return conflict.keyId
    const rows = offered.map(({ keyId, row }, i) => ({ keyId, row: merged(pinned[i], row) }))
    const newest = await this.document(server)
    await this.#deps.storage.commit(
      [
        ...rows.map(({ keyId, row }) => put(serverKeys, [server, keyId], row)),
        ...(newest && newest.validUntilTs > keys.validUntilTs
          ? []
          : [put(serverKeyDocuments, server, { document: keys.document, fetchedTs })]),
      ],
      'strict',
    )
    for (const { keyId, row } of rows) this.#keys.set(`${server} ${keyId}`, Promise.resolve(row))
    return undefined
  }
}

/** An older document, as a notary may give one, takes nothing back: an expired key stays expired. */
function merged(before: StoredServerKey | undefined, now: StoredServerKey): StoredServerKey {
  const expiries = [before?.expiredTs, now.expiredTs].filter((ts) => ts !== undefined)
  return {
    key: now.key,
    validUntilTs: Math.max(before?.validUntilTs ?? 0, now.validUntilTs),
    ...(expiries.length > 0 ? { expiredTs: Math.min(...expiries) } : {}),
  }
}
