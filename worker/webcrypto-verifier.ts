import type { SignedMessage, Verifier } from '../src/ports/signer.ts'
import { encodeBase64 } from '../src/spec/base64.ts'
import { Lru } from '../src/storage/lru.ts'
import { isUsableKey, isUsableSignature, verifyInScript } from './ed25519-checks.ts'

const keysKept = 5000

/** How one key verifies; `undefined` for a key that none may use. */
type Check = ((signed: SignedMessage) => boolean | Promise<boolean>) | undefined

/**
 * Verifies with WebCrypto, and in script where the browser has no Ed25519. A key is checked and imported once.
 * The verdicts are the same either way, and the same as libsodium's.
 */
export function createVerifier(subtle: Pick<SubtleCrypto, 'importKey' | 'verify'> = crypto.subtle): Verifier {
  const checks = new Lru<string, Promise<Check>>(keysKept)
  const checkOf = (publicKey: Uint8Array<ArrayBuffer>): Promise<Check> => {
    const name = encodeBase64(publicKey)
    const known = checks.get(name)
    if (known) return known
    const made = createCheck(subtle, publicKey)
    checks.set(name, made)
    return made
  }
  const verifyOne = async (signed: SignedMessage): Promise<boolean> => {
    if (!isUsableSignature(signed.signature)) return false
    const check = await checkOf(signed.publicKey)
    return check ? check(signed) : false
  }
  return { verify: (batch) => Promise.all(batch.map((signed) => verifyOne(signed).catch(() => false))) }
}

async function createCheck(subtle: Pick<SubtleCrypto, 'importKey' | 'verify'>, publicKey: Uint8Array<ArrayBuffer>): Promise<Check> {
  if (!isUsableKey(publicKey)) return undefined
  try {
    const key = await subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])
    return ({ signature, message }) => subtle.verify('Ed25519', key, signature, message)
  } catch {
    return verifyInScript
  }
}
