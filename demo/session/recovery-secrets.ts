import { decodeRecoveryKey } from '../../worker/recovery-key.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What the one recovery key of a homeserver opens besides its identity. */
export interface RecoverySecrets {
  /** The password of the account that was made with the homeserver. */
  readonly password: string
  /** Opens secret storage: cross-signing keys and the backup of message keys. */
  readonly secretStorageKey: Bytes
}

/**
 * Derives the account's secrets from the recovery key, so that people have one thing to keep and the homeserver never sees
 * the key itself. `undefined` if the text is no recovery key.
 */
export async function secretsOf(recoveryKey: string): Promise<RecoverySecrets | undefined> {
  const key = decodeRecoveryKey(recoveryKey)
  if (!key) return undefined
  const material = await crypto.subtle.importKey('raw', key, 'HKDF', false, ['deriveBits'])
  const password = await derived(material, 'yurt account password')
  return {
    password: Array.from(password, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    secretStorageKey: await derived(material, 'yurt secret storage'),
  }
}

async function derived(material: CryptoKey, purpose: string): Promise<Bytes> {
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(32), info: new TextEncoder().encode(purpose) }
  return new Uint8Array(await crypto.subtle.deriveBits(derivation, material, 256))
}
