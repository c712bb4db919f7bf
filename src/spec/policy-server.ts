import { decodeBase64, decodeUrlSafeBase64 } from './base64.ts'
import { type RoomEvent, type ServerName, stateKeyOf } from './event.ts'
import { isObject } from './json.ts'
import { isServerName } from './server-name.ts'

/** The id of the key by which policy servers sign; the key itself is in the room's state, and no verify key of the server. */
export const policyServerKeyId = 'ed25519:policy_server'
/** Where a room's state names its policy server. */
export const policyServerKey = stateKeyOf('m.room.policy', '')

/** A server that must sign a room's events before they are shown to anyone (Server-Server API, "Policy Servers"). */
export interface PolicyServer {
  readonly name: ServerName
  /** Raw Ed25519 key; one of a wrong length verifies nothing. */
  readonly publicKey: Uint8Array<ArrayBuffer>
}

/** The policy server that the content of an `m.room.policy` names; `undefined` where it is not valid, and there is none. */
export function policyServerOf(content: RoomEvent['content']): PolicyServer | undefined {
  const { via, public_keys: keys } = content
  if (typeof via !== 'string' || !isServerName(via) || !isObject(keys) || typeof keys.ed25519 !== 'string') return undefined
  const publicKey = decodeBase64(keys.ed25519) ?? decodeUrlSafeBase64(keys.ed25519) ?? new Uint8Array()
  return { name: via, publicKey }
}

/** Whether a policy server has no say in an event: in the one that names it, so that a room can always do without it. */
export function isExemptFromPolicy({ type, stateKey }: Pick<RoomEvent, 'type'> & { readonly stateKey?: string | undefined }): boolean {
  return type === 'm.room.policy' && stateKey === ''
}
