import type { SignedMessage, Verifier } from '../src/ports/signer.ts'
import { encodeBase64 } from '../src/spec/base64.ts'
import { Lru } from '../src/storage/lru.ts'
import { isUsableKey, isUsableSignature, verifyInScript } from './ed25519-checks.ts'
import type { KeyCheck, SignatureThread } from './signature-thread.ts'

const keysKept = 5000
/** Signatures from which on a thread of its own is worth the way there. */
const fewestForThread = 50

/** How one key verifies: imported, in script, or not at all. */
type Check = CryptoKey | 'in script' | 'unusable'

/**
 * Verifies with WebCrypto, and in script where the browser has no Ed25519; large batches in `thread`, if there is one and while it
 * works. A key is checked and imported once. The verdicts are the same either way, and the same as libsodium's.
 */
export function createVerifier(
  subtle: Pick<SubtleCrypto, 'importKey' | 'verify'> = crypto.subtle,
  thread?: Pick<SignatureThread, 'check'>,
): Verifier {
  const checks = new Lru<string, Promise<Check>>(keysKept)
  const checkOf = (publicKey: Uint8Array<ArrayBuffer>): Promise<Check> => {
    const name = encodeBase64(publicKey)
    const known = checks.get(name)
    if (known) return known
    const made = createCheck(subtle, publicKey)
    checks.set(name, made)
    return made
  }
  const verifyHere = ({ key, signature, message }: KeyCheck) => subtle.verify('Ed25519', key, signature, message).catch(() => false)
  const verifyKeyed = async (batch: readonly KeyCheck[]): Promise<readonly boolean[]> => {
    const beside = thread && batch.length >= fewestForThread ? await thread.check(batch).catch(() => undefined) : undefined
    return beside ?? Promise.all(batch.map(verifyHere))
  }
  const verify = async (batch: readonly SignedMessage[]): Promise<boolean[]> => {
    const keys = await Promise.all(batch.map((signed) => (isUsableSignature(signed.signature) ? checkOf(signed.publicKey) : 'unusable')))
    const keyed = batch.flatMap(({ signature, message }, i) => {
      const key = keys[i]
      return key === undefined || typeof key === 'string' ? [] : [{ key, signature, message }]
    })
    const verdicts = (await verifyKeyed(keyed)).values()
    return batch.map((signed, i) => {
      const key = keys[i]
      if (key === undefined || typeof key === 'string') return key === 'in script' && isValidInScript(signed)
      return verdicts.next().value ?? false
    })
  }
  return { verify }
}

function isValidInScript(signed: SignedMessage): boolean {
  try {
    return verifyInScript(signed)
  } catch {
    return false
  }
}

async function createCheck(subtle: Pick<SubtleCrypto, 'importKey' | 'verify'>, publicKey: Uint8Array<ArrayBuffer>): Promise<Check> {
  if (!isUsableKey(publicKey)) return 'unusable'
  try {
    return await subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])
  } catch {
    return 'in script'
  }
}
