import type { SignedMessage, Verifier } from '../ports/signer.ts'
import { decodeBase64 } from '../spec/base64.ts'
import { canonicalJsonWithout } from '../spec/canonical-json.ts'
import type { UserId } from '../spec/event.ts'
import { isObject, type JsonObject, ownValue } from '../spec/json.ts'
import { signaturesOf, signingBytes } from '../spec/signing.ts'

/** A signature beside the key it is on: who made it, with what key. */
export interface KeySignature {
  readonly signer: UserId
  /** `algorithm:id`. */
  readonly keyId: string
  /** Unpadded base64. */
  readonly signature: string
}

/** A key that may have signed: its owner, its id and its public part in base64. */
export interface SigningKey {
  readonly userId: UserId
  readonly keyId: string
  readonly publicKey: string
}

const unsigned: ReadonlySet<string> = new Set(['signatures', 'unsigned'])

/** `key` with more signatures beside its own. */
export function withSignatures(key: JsonObject, added: readonly KeySignature[]): JsonObject {
  if (added.length === 0) return key
  const signatures = new Map(Object.entries(isObject(key.signatures) ? key.signatures : {}))
  for (const { signer, keyId, signature } of added) {
    const known = signatures.get(signer)
    signatures.set(signer, Object.fromEntries([...Object.entries(isObject(known) ? known : {}), [keyId, signature]]))
  }
  return { ...key, signatures: Object.fromEntries(signatures) }
}

/** The signatures that `key` carries of one user. */
export function signaturesBy(key: JsonObject, signer: UserId): KeySignature[] {
  const of = isObject(key.signatures) ? ownValue(key.signatures, signer) : undefined
  if (!isObject(of)) return []
  return Object.entries(of).flatMap(([keyId, signature]) => (typeof signature === 'string' ? [{ signer, keyId, signature }] : []))
}

/** Only those signatures of `key` whose signer is in `visible`. */
export function withSignaturesOf(key: JsonObject, visible: readonly UserId[]): JsonObject {
  if (!isObject(key.signatures)) return key
  return { ...key, signatures: Object.fromEntries(Object.entries(key.signatures).filter(([signer]) => visible.includes(signer))) }
}

/** Whether two keys say the same, signatures apart. */
export function isSameKey(a: JsonObject, b: JsonObject): boolean {
  return canonicalJsonWithout(a, unsigned) === canonicalJsonWithout(b, unsigned)
}

/** Whether `key` carries a valid Ed25519 signature by `by`. */
export async function isSignedBy(verifier: Verifier, key: JsonObject, by: SigningKey): Promise<boolean> {
  const signed = signaturesOf(key, by.userId).find(({ keyId }) => keyId === by.keyId)
  const publicKey = decodeBase64(by.publicKey)
  if (!signed || publicKey?.length !== 32) return false
  const message: SignedMessage = { message: signingBytes(key), signature: signed.signature, publicKey }
  const [valid] = await verifier.verify([message])
  return valid === true
}

/** The one Ed25519 key of a cross-signing key object, `undefined` if it has none, or several. */
export function publicKeyOf(key: JsonObject): string | undefined {
  const keys = Object.entries(isObject(key.keys) ? key.keys : {})
  const [entry] = keys
  if (keys.length !== 1 || !entry) return undefined
  const [keyId, publicKey] = entry
  if (typeof publicKey !== 'string' || keyId !== `ed25519:${publicKey}`) return undefined
  return decodeBase64(publicKey)?.length === 32 ? publicKey : undefined
}
