import { decodeBase64 } from './base64.ts'
import type { ServerName } from './event.ts'
import { isObject, type JsonObject, type JsonValue, ownValue } from './json.ts'
import { isServerName } from './server-name.ts'
import { signaturesOf, signingBytes } from './signing.ts'

/** The keys that a server publishes (Server-Server API, "Publishing Keys"): the response of `GET /_matrix/key/v2/server`, read. */
export interface ServerKeys {
  readonly serverName: ServerName
  /** When the server wants its keys fetched again, in milliseconds since the epoch. */
  readonly validUntilTs: number
  /** Raw 32-byte Ed25519 keys by key id. */
  readonly verifyKeys: ReadonlyMap<string, PublicKey>
  readonly oldVerifyKeys: ReadonlyMap<string, OldVerifyKey>
  /** The document as it came, signatures included. */
  readonly document: JsonObject
}

type PublicKey = Uint8Array<ArrayBuffer>

export interface OldVerifyKey {
  readonly key: PublicKey
  readonly expiredTs: number
}

/** When a key is asked for, and what is known about it. */
export interface KeyUse {
  /** `origin_server_ts` of the event, or now for a request. */
  readonly at: number
  /** When the document was fetched from its server or a notary. */
  readonly fetchedAt: number
  /** Room versions 1 to 4 take a key for ever. */
  readonly enforceValidity: boolean
}

/** However long a document says it is valid: it is not, longer than this after it was fetched. */
const longestValidityMs = 7 * 24 * 3600 * 1000
const maxKeys = 100
const ed25519KeyId = /^ed25519:[\x21-\x7e]{1,200}$/

/**
 * Reads a server-key document; `undefined` if it is none, or if a key in it is malformed. Keys of other algorithms than Ed25519
 * are passed over. Its signatures are not checked here: see {@link selfSignatures}.
 */
export function parseServerKeys(document: JsonValue): ServerKeys | undefined {
  if (!isObject(document) || !isObject(document.verify_keys) || !isObject(document.signatures)) return undefined
  const { server_name: serverName, valid_until_ts: validUntilTs, old_verify_keys: old = {} } = document
  if (typeof serverName !== 'string' || !isServerName(serverName)) return undefined
  if (typeof validUntilTs !== 'number' || !Number.isInteger(validUntilTs) || !isObject(old)) return undefined
  const verifyKeys = readKeys(document.verify_keys, readPublicKey)
  const oldVerifyKeys = readKeys(old, readOldKey)
  if (verifyKeys === undefined || oldVerifyKeys === undefined) return undefined
  return { serverName, validUntilTs, verifyKeys, oldVerifyKeys, document }
}

function readKeys<Key>(entries: JsonObject, read: (entry: JsonValue) => Key | undefined): Map<string, Key> | undefined {
  const keyIds = Object.keys(entries).filter((keyId) => ed25519KeyId.test(keyId))
  if (keyIds.length > maxKeys) return undefined
  const keys = new Map<string, Key>()
  for (const keyId of keyIds) {
    const key = read(ownValue(entries, keyId) ?? null)
    if (key === undefined) return undefined
    keys.set(keyId, key)
  }
  return keys
}

function readPublicKey(entry: JsonValue): PublicKey | undefined {
  const key = isObject(entry) && typeof entry.key === 'string' ? decodeBase64(entry.key) : undefined
  return key?.length === 32 ? key : undefined
}

function readOldKey(entry: JsonValue): OldVerifyKey | undefined {
  const key = readPublicKey(entry)
  const expiredTs = isObject(entry) ? entry.expired_ts : undefined
  return key !== undefined && typeof expiredTs === 'number' && Number.isInteger(expiredTs) ? { key, expiredTs } : undefined
}

/**
 * The signatures of a document by its own current keys, ready for a verifier. There must be one at least, and all must be
 * valid, before the document is believed.
 */
export function selfSignatures(keys: ServerKeys): { message: PublicKey; signature: PublicKey; publicKey: PublicKey }[] {
  const message = signingBytes(keys.document)
  return signaturesOf(keys.document, keys.serverName).flatMap(({ keyId, signature }) => {
    const publicKey = keys.verifyKeys.get(keyId)
    return publicKey === undefined ? [] : [{ message, signature, publicKey }]
  })
}

/**
 * The key `keyId` if it was valid at `use.at` (room version 5, "Signing key validity period"): a current one until the earlier
 * of `valid_until_ts` and seven days after the document was fetched, an old one until it expired.
 */
export function verifyKeyAt(keys: ServerKeys, keyId: string, use: KeyUse): PublicKey | undefined {
  const current = keys.verifyKeys.get(keyId)
  if (current !== undefined) {
    const validUntil = Math.min(keys.validUntilTs, use.fetchedAt + longestValidityMs)
    return !use.enforceValidity || use.at <= validUntil ? current : undefined
  }
  const old = keys.oldVerifyKeys.get(keyId)
  return old !== undefined && (!use.enforceValidity || use.at <= old.expiredTs) ? old.key : undefined
}
