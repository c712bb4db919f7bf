import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { type Label, labelOfPublicKey, publicKeyOfLabel } from '../src/spec/self-certifying.ts'

/** The peer id that `label` stands for. Throws if it is no label. */
export function peerIdOf(label: Label): PeerId {
  const key = publicKeyOfLabel(label)
  if (key === undefined) throw new Error(`${label} holds no key`)
  return peerIdFromPublicKey(publicKeyFromRaw(key))
}

/** The label of a peer; `undefined` for one with another kind of key, which can be no homeserver. */
export function labelOfPeer(peer: PeerId): Label | undefined {
  return peer.type === 'Ed25519' ? labelOfPublicKey(peer.publicKey.raw) : undefined
}
