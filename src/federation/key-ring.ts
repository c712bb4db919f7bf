import * as v from 'valibot'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Signer, Verifier } from '../ports/signer.ts'
import type { Storage } from '../ports/storage.ts'
import { decodeBase64 } from '../spec/base64.ts'
import type { ServerName } from '../spec/event.ts'
import type { JsonObject, JsonValue } from '../spec/json.ts'
import { labelOf, publicKeyOfLabel } from '../spec/self-certifying.ts'
import { parseServerKeys, type ServerKeys, selfSignatures } from '../spec/server-keys.ts'
import { signaturesOf, signingBytes } from '../spec/signing.ts'
import { Lru } from '../storage/lru.ts'
import type { StoredServerKey } from '../storage/tables/federation.ts'
import { anyObject, listOf } from './answers.ts'
import type { FederationClient } from './client.ts'
import { KeyStore } from './key-store.ts'
import type { OwnKeys } from './own-keys.ts'
import { Slots } from './slots.ts'

/** A key that is asked for, and when the signature it is for was made. */
export interface KeyNeed {
  readonly server: ServerName
  readonly keyId: string
  /** `origin_server_ts` of an event, or now for a request. */
  readonly at: number
  /** Whether the key must have been valid then (room version 5). */
  readonly enforceValidity: boolean
}

type PublicKey = Uint8Array<ArrayBuffer>

const fetchTimeoutMs = 10_000
const fetchesAtOnce = 64
/** How long a server is left alone after its keys were fetched, and at first after that failed. */
const pauseMs = 2_000
/** The longest pause before a server is asked for its keys again. */
const longestPauseMs = 60_000
const notaryAnswer = v.looseObject({ server_keys: listOf(anyObject, 100) })

/**
 * The verify keys of homeservers.
 *
 * A self-certifying name carries its key: it takes neither network nor notary, and a further key counts only once a document
 * signed by the label's key lists it. Keys of other servers are fetched from them, or from a notary where they are away, and
 * pinned: a key id never changes its key.
 */
export class KeyRing {
  readonly #deps: {
    readonly signer: Signer
    readonly ownKeys: OwnKeys
    readonly client: FederationClient
    readonly verifier: Verifier
    readonly clock: Clock
    readonly logger: Logger
    readonly notaries: readonly ServerName[]
  }
  readonly #store: KeyStore
  readonly #fetches = new Map<ServerName, Promise<boolean>>()
  readonly #attempts = new Lru<ServerName, { readonly failures: number; readonly notBefore: number }>(10_000)
  readonly #slots = new Slots(fetchesAtOnce)
  /** A key out of a name takes big numbers to read: once for a name is enough. */
  readonly #labelKeys = new Lru<ServerName, { readonly key: PublicKey | undefined }>(20_000)

  constructor(deps: {
    readonly storage: Storage
    readonly signer: Signer
    readonly ownKeys: OwnKeys
    readonly client: FederationClient
    readonly verifier: Verifier
    readonly clock: Clock
    readonly logger: Logger
    /** Servers asked for the keys of servers that do not answer themselves. */
    readonly notaries: readonly ServerName[]
  }) {
    this.#deps = deps
    this.#store = new KeyStore(deps)
  }

  /** For each need the key, or `undefined` where there is none that may be used. Fetches what is missing, in bounded time. */
  async find(needs: readonly KeyNeed[]): Promise<(PublicKey | undefined)[]> {
    const known = await Promise.all(needs.map((need) => this.#known(need)))
    const servers = new Set(needs.flatMap(({ server }, i) => (known[i] === undefined && this.#isRemote(server) ? [server] : [])))
    if (servers.size === 0) return known
    await Promise.all([...servers].map((server) => this.refresh(server)))
    return Promise.all(needs.map((need, i) => known[i] ?? this.#known(need)))
  }

  /** Whether a document lists this key: for a self-certifying name, whether it is a further key beside the label's. */
  async isListed(server: ServerName, keyId: string): Promise<boolean> {
    return (await this.#store.key(server, keyId)) !== undefined
  }

  /** Fetches the server's key document, unless that was done or failed just now. Never rejects; says whether there is a new one. */
  async refresh(server: ServerName): Promise<boolean> {
    const running = this.#fetches.get(server)
    if (running) return running
    if (!this.#isRemote(server) || this.#deps.clock.now() < (this.#attempts.get(server)?.notBefore ?? 0)) return false
    const fetching = this.#slots.run(() => this.#fetch(server)).finally(() => this.#fetches.delete(server))
    this.#fetches.set(server, fetching)
    return fetching
  }

  /** For a notary: the newest document of the server, fetched anew if it is about to expire; `undefined` if there is none. */
  async document(server: ServerName, minimumValidUntilTs: number): Promise<JsonObject | undefined> {
    if (!this.#isRemote(server)) return this.#deps.ownKeys.document()
    const stored = await this.#store.document(server)
    const now = this.#deps.clock.now()
    if (stored && stored.validUntilTs >= minimumValidUntilTs && now < (stored.fetchedTs + stored.validUntilTs) / 2) return stored.document
    await this.refresh(server)
    return (await this.#store.document(server))?.document
  }

  /**
   * Takes a key document, wherever it came from, if its signatures are valid and it contradicts nothing that is pinned.
   * Says whether it was taken.
   */
  async learn(server: ServerName, document: JsonValue): Promise<boolean> {
    const keys = parseServerKeys(document)
    if (keys === undefined || keys.serverName !== server || !(await this.#isSelfSigned(keys))) return false
    const conflict = await this.#store.add(keys)
    if (conflict === undefined) return true
    this.#deps.logger.log('warn', 'a server presents another key under a known id: refused', { server, keyId: conflict })
    return false
  }

  #isRemote(server: ServerName): boolean {
    return server !== this.#deps.signer.serverName
  }

  async #known({ server, keyId, at, enforceValidity }: KeyNeed): Promise<PublicKey | undefined> {
    const { signer } = this.#deps
    if (server === signer.serverName && keyId === signer.keyId) return signer.publicKey
    const stored = await this.#store.key(server, keyId)
    if (stored) return !enforceValidity || at <= lastValid(stored) ? decodeBase64(stored.key) : undefined
    return this.#labelKey(server)
  }

  async #fetch(server: ServerName): Promise<boolean> {
    const learnt = await this.#fetchFrom(server)
    const failures = learnt ? 0 : (this.#attempts.get(server)?.failures ?? 0) + 1
    this.#attempts.set(server, {
      failures,
      notBefore: this.#deps.clock.now() + Math.min(pauseMs * 2 ** Math.max(0, failures - 1), longestPauseMs),
    })
    return learnt
  }

  async #fetchFrom(server: ServerName): Promise<boolean> {
    const { client, logger } = this.#deps
    const notaries = this.#deps.notaries.filter((notary) => notary !== server && this.#isRemote(notary)).slice(0, 3)
    const timeoutMs = fetchTimeoutMs / (1 + notaries.length)
    try {
      const document = await client.json(server, { method: 'GET', path: ['key', 'v2', 'server'], unsigned: true, timeoutMs })
      if (await this.learn(server, document)) return true
      logger.log('warn', 'a server-key document is not valid', { server })
    } catch (failure) {
      logger.log('info', 'server keys cannot be fetched', { server, reason: String(failure) })
    }
    for (const notary of notaries) if (await this.#askNotary(notary, server, timeoutMs)) return true
    return false
  }

  async #askNotary(notary: ServerName, server: ServerName, timeoutMs: number): Promise<boolean> {
    try {
      const answer = await this.#deps.client.json(notary, {
        method: 'POST',
        path: ['key', 'v2', 'query'],
        body: { server_keys: { [server]: {} } },
        unsigned: true,
        timeoutMs,
      })
      if (!v.is(notaryAnswer, answer)) return false
      for (const document of answer.server_keys) {
        if (document.server_name === server && (await this.#isSignedBy(notary, document)) && (await this.learn(server, document)))
          return true
      }
    } catch (failure) {
      this.#deps.logger.log('info', 'a notary cannot be asked', { notary, reason: String(failure) })
    }
    return false
  }

  async #isSignedBy(notary: ServerName, document: JsonObject): Promise<boolean> {
    const at = this.#deps.clock.now()
    const signatures = signaturesOf(document, notary).slice(0, 5)
    const keys = await this.find(signatures.map(({ keyId }) => ({ server: notary, keyId, at, enforceValidity: true })))
    const message = signingBytes(document)
    const batch = signatures.flatMap(({ signature }, i) => (keys[i] ? [{ message, signature, publicKey: keys[i] }] : []))
    return (await this.#deps.verifier.verify(batch)).some(Boolean)
  }

  /** Signed by a key of its own; a self-certifying server's document by the key of its label. */
  async #isSelfSigned(keys: ServerKeys): Promise<boolean> {
    const own = selfSignatures(keys)
    const labelKey = this.#labelKey(keys.serverName)
    const message = signingBytes(keys.document)
    const byLabel = labelKey
      ? signaturesOf(keys.document, keys.serverName).map(({ signature }) => ({ message, signature, publicKey: labelKey }))
      : []
    const verdicts = await this.#deps.verifier.verify([...own, ...byLabel])
    const isSigned = own.length > 0 && verdicts.slice(0, own.length).every(Boolean)
    return isSigned && (labelKey === undefined || verdicts.slice(own.length).some(Boolean))
  }

  #labelKey(server: ServerName): PublicKey | undefined {
    const known = this.#labelKeys.get(server)
    if (known) return known.key
    const label = labelOf(server)
    const key = label === undefined ? undefined : publicKeyOfLabel(label)
    this.#labelKeys.set(server, { key })
    return key
  }
}

function lastValid({ validUntilTs, expiredTs }: StoredServerKey): number {
  return expiredTs ?? validUntilTs
}
