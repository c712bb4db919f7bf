import { createPublicKey, verify } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { incarnationBytes, type Overtaken } from '../src/http/relay-protocol.ts'
import { decodeBase64, encodeUrlSafeBase64 } from '../src/spec/base64.ts'
import { type Label, publicKeyOfLabel } from '../src/spec/self-certifying.ts'

/** The homeservers that this relay has served, awake or not. */
export interface Homeservers {
  /** Whether `label` was ever admitted. */
  isKnown(label: Label): boolean
  /**
   * Notes that `label` came with this incarnation, which it must have signed. Answers the proof of a higher one where there
   * is one, and `false` where the signature is wrong.
   */
  came(label: Label, shown: Overtaken): Overtaken | boolean
  /** Keeps the last server-key document that `label` published, to answer with while it sleeps. */
  keepKeys(label: Label, document: string): void
  keys(label: Label): string | undefined
}

export function createHomeservers(database: DatabaseSync, now: () => number): Homeservers {
  const find = database.prepare('SELECT incarnation, signature, key_document FROM homeserver WHERE label = ?')
  const put = database.prepare(
    `INSERT INTO homeserver (label, incarnation, signature, seen) VALUES (?, ?, ?, ?)
     ON CONFLICT (label) DO UPDATE SET incarnation = excluded.incarnation, signature = excluded.signature, seen = excluded.seen`,
  )
  const putKeys = database.prepare('UPDATE homeserver SET key_document = ? WHERE label = ?')

  return {
    isKnown: (label) => find.get(label) !== undefined,
    came: (label, shown) => {
      if (!isSigned(label, shown)) return false
      const row = find.get(label)
      if (row !== undefined && Number(row.incarnation) > shown.incarnation)
        return { incarnation: Number(row.incarnation), signature: String(row.signature) }
      put.run(label, shown.incarnation, shown.signature, now())
      return true
    },
    keepKeys: (label, document) => {
      putKeys.run(document, label)
    },
    keys: (label) => {
      const document = find.get(label)?.key_document
      return typeof document === 'string' ? document : undefined
    },
  }
}

function isSigned(label: Label, { incarnation, signature }: Overtaken): boolean {
  const bytes = decodeBase64(signature)
  return bytes !== undefined && verifiesWithLabel(label, incarnationBytes(label, incarnation), bytes)
}

/** Whether `signature` is one of `message` by the key that `label` holds. */
export function verifiesWithLabel(label: Label, message: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeyOfLabel(label)
  return key !== undefined && verifies(key, message, signature)
}

/** Whether `signature` is an Ed25519 signature of `message` by this raw public key. Nonsense is `false`. */
export function verifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: encodeUrlSafeBase64(publicKey) }, format: 'jwk' })
    return verify(null, message, key, signature)
  } catch {
    return false
  }
}
