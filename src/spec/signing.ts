import { decodeBase64, encodeBase64 } from './base64.ts'
import { canonicalBytesWithout } from './canonical-json.ts'
import type { Pdu, RoomEvent, ServerName } from './event.ts'
import { parseUserId, serverNameOf } from './identifiers.ts'
import { isObject, type JsonObject, ownValue } from './json.ts'
import { redact } from './redaction.ts'
import type { RoomVersionRules } from './room-version.ts'

/** An Ed25519 signature as an object carries it. */
export interface KeyedSignature {
  /** `ed25519:` and the version of the key. */
  readonly keyId: string
  /** 64 bytes. */
  readonly signature: Uint8Array<ArrayBuffer>
}

const unsignedKeys: ReadonlySet<string> = new Set(['signatures', 'unsigned'])

/** The bytes that a signature of `object` covers: all but `signatures` and `unsigned` (Appendices, "Signing JSON"). */
export function signingBytes(object: JsonObject): Uint8Array<ArrayBuffer> {
  return canonicalBytesWithout(object, unsignedKeys)
}

/** The bytes that a signature of an event covers: what redaction leaves of it (Server-Server API, "Signing Events"). */
export function eventSigningBytes(pdu: Pdu, rules: RoomVersionRules): Uint8Array<ArrayBuffer> {
  return signingBytes(redact(pdu, rules))
}

/** A copy of `object` with one more signature beside those it has; one by the same key is replaced. */
export function withSignature(object: JsonObject, serverName: ServerName, { keyId, signature }: KeyedSignature): JsonObject {
  const signatures = isObject(object.signatures) ? object.signatures : {}
  const own = ownValue(signatures, serverName)
  const ofServer = { ...(isObject(own) ? own : {}), [keyId]: encodeBase64(signature) }
  return { ...object, signatures: { ...signatures, [serverName]: ofServer } }
}

/** The Ed25519 signatures that `object` carries of one server; malformed ones and other algorithms are left out. */
export function signaturesOf(object: JsonObject, serverName: ServerName): KeyedSignature[] {
  const signatures = isObject(object.signatures) ? ownValue(object.signatures, serverName) : undefined
  if (!isObject(signatures)) return []
  return Object.entries(signatures).flatMap(([keyId, text]) => {
    const signature = keyId.startsWith('ed25519:') && typeof text === 'string' ? decodeBase64(text) : undefined
    return signature?.length === 64 ? [{ keyId, signature }] : []
  })
}

/**
 * The servers that must have signed `event` (Server-Server API, "Validating hashes and signatures on received events"): the
 * sender's, unless it is a third-party invite, which another server may send; in versions 1 and 2 that of the event id; and
 * from version 8 on that of the user who authorised a restricted join. Where `join_authorised_via_users_server` is no user
 * id there is nobody to ask: the authorisation rules refuse such an event.
 */
export function requiredSigners(event: RoomEvent, rules: RoomVersionRules): ServerName[] {
  const signers = new Set<ServerName>()
  const senderServer = serverNameOf(event.sender)
  if (senderServer !== undefined && !isThirdPartyInvite(event)) signers.add(senderServer)
  const eventServer = rules.eventId === 'chosen' ? serverNameOf(event.eventId) : undefined
  if (eventServer !== undefined) signers.add(eventServer)
  const authorisingServer = rules.auth.restricted ? authorisingServerOf(event) : undefined
  if (authorisingServer !== undefined) signers.add(authorisingServer)
  return [...signers]
}

function isThirdPartyInvite(event: RoomEvent): boolean {
  const { membership, third_party_invite } = event.content
  return event.type === 'm.room.member' && membership === 'invite' && isObject(third_party_invite)
}

function authorisingServerOf(event: RoomEvent): ServerName | undefined {
  const authoriser = event.content.join_authorised_via_users_server
  if (event.type !== 'm.room.member' || typeof authoriser !== 'string') return undefined
  return parseUserId(authoriser)?.serverName
}
