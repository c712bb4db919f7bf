import type { Ed25519PublicKey } from '@libp2p/interface'
import { type Hello, incarnationBytes, type Overtaken } from '../src/http/relay-protocol.ts'
import { decodeBase64, encodeBase64 } from '../src/spec/base64.ts'
import { type Label, labelOfPublicKey } from '../src/spec/self-certifying.ts'
import type { HomeserverLink } from './federation-bridge.ts'
import type { NodeIdentity } from './protocol.ts'

/** What a homeserver tells a relay about itself: its incarnation, signed once. */
export function createHello(
  { publicKey, incarnation }: NodeIdentity,
  { sign }: Pick<HomeserverLink, 'sign'>,
): () => Promise<Omit<Hello, 'token'>> {
  let hello: Promise<Omit<Hello, 'token'>> | undefined
  return () => {
    hello ??= sign(incarnationBytes(labelOfPublicKey(publicKey), incarnation)).then((signature) => ({
      incarnation,
      signature: encodeBase64(signature),
    }))
    hello.catch(() => {
      hello = undefined
    })
    return hello
  }
}

/** Whether `proof` shows that the homeserver with this key runs with a higher incarnation than ours. A relay alone proves nothing. */
export async function isOvertaken(
  proof: Overtaken,
  own: { readonly key: Ed25519PublicKey; readonly label: Label; readonly incarnation: number },
): Promise<boolean> {
  const signature = decodeBase64(proof.signature)
  if (signature?.length !== 64 || proof.incarnation <= own.incarnation) return false
  return own.key.verify(incarnationBytes(own.label, proof.incarnation), signature)
}
