import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'

type Bytes = Uint8Array<ArrayBuffer>

/** libp2p's private key, without the key: it signs through `sign`, wherever the key is. `raw` throws. */
export function remotePrivateKey(publicKey: Bytes, sign: (message: Bytes) => Promise<Bytes>): Ed25519PrivateKey {
  const key = publicKeyFromRaw(publicKey)
  if (key.type !== 'Ed25519') throw new Error('The identity is an Ed25519 key')
  const privateKey: Ed25519PrivateKey = {
    type: 'Ed25519',
    publicKey: key,
    get raw(): Uint8Array {
      throw new Error('The private key is kept elsewhere')
    },
    equals: (other) => other === privateKey,
    // A copy: what arrives may be a view of a larger buffer, or a list of pieces.
    sign: (data) => sign(data instanceof Uint8Array ? Uint8Array.from(data) : Uint8Array.from(data.subarray())),
  }
  return privateKey
}
