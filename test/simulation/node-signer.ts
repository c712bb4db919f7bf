import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { SignedMessage, Signer, Verifier } from '../../src/ports/signer.ts'

const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

const identities = new Map<string, Pick<Signer, 'publicKey' | 'sign'>>()

/** An Ed25519 identity that a string decides, with synchronous signatures. */
export function nodeSigner(serverName: string, secret: string = serverName): Signer {
  const identity = identities.get(secret) ?? identityOf(secret)
  identities.set(secret, identity)
  return { serverName, keyId: 'ed25519:1', ...identity }
}

function identityOf(secret: string): Pick<Signer, 'publicKey' | 'sign'> {
  const seed = createHash('sha256').update(secret).digest()
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))
  return { publicKey, sign: (message) => Uint8Array.from(sign(null, message, key)) }
}

/** Synchronous verification by Node, remembered: a simulation sees the same signature on every server. */
export function nodeVerifier(): Verifier {
  const keys = new Map<string, KeyObject>()
  const verdicts = new Map<string, boolean>()
  const check = ({ message, signature, publicKey }: SignedMessage): boolean => {
    const hex = Buffer.from(publicKey).toString('hex')
    const key = keys.get(hex) ?? createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' })
    keys.set(hex, key)
    return verify(null, message, key, signature)
  }
  return {
    verify: (batch) =>
      batch.map((signed) => {
        const name = createHash('sha256').update(signed.message).update(signed.signature).update(signed.publicKey).digest('base64')
        const verdict = verdicts.get(name) ?? check(signed)
        verdicts.set(name, verdict)
        return verdict
      }),
  }
}
