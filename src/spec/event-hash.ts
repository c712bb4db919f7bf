import { sha256 } from '@noble/hashes/sha2.js'
import { decodeBase64, encodeBase64, encodeUrlSafeBase64 } from './base64.ts'
import { canonicalBytesWithout } from './canonical-json.ts'
import type { EventId, Pdu, RoomId } from './event.ts'
import { isObject } from './json.ts'
import { redact } from './redaction.ts'
import type { RoomVersionRules } from './room-version.ts'

const outsideContentHash: ReadonlySet<string> = new Set(['unsigned', 'signatures', 'hashes'])
const outsideReferenceHash: ReadonlySet<string> = new Set(['unsigned', 'signatures'])

/** The hash of all of an event, unredacted, for its `hashes` (Server-Server API, "Calculating the content hash"). */
export function contentHash(pdu: Pdu): string {
  return encodeBase64(sha256(canonicalBytesWithout(pdu, outsideContentHash)))
}

/** Whether the event carries its own content hash; if not, it is to be taken for a redacted copy. */
export function hasValidContentHash(pdu: Pdu): boolean {
  const claimed = isObject(pdu.hashes) ? pdu.hashes.sha256 : undefined
  if (typeof claimed !== 'string') return false
  const bytes = decodeBase64(claimed)
  return bytes !== undefined && encodeBase64(bytes) === contentHash(pdu)
}

/** The hash of what redaction leaves of an event (Server-Server API, "Calculating the reference hash"). */
export function referenceHash(pdu: Pdu, rules: RoomVersionRules): Uint8Array {
  return sha256(canonicalBytesWithout(redact(pdu, rules), outsideReferenceHash))
}

/** The id of an event; in versions 1 and 2 the one it names itself, `undefined` where that is missing. */
export function eventIdOf(pdu: Pdu, rules: RoomVersionRules): EventId | undefined {
  switch (rules.eventId) {
    case 'chosen':
      return typeof pdu.event_id === 'string' ? pdu.event_id : undefined
    case 'hash':
      return `$${encodeBase64(referenceHash(pdu, rules))}`
    case 'url-safe-hash':
      return `$${encodeUrlSafeBase64(referenceHash(pdu, rules))}`
  }
}

/** The id of the room that a create event makes: from version 12 on its own id with another sigil. */
export function roomIdOfCreate(create: Pdu, rules: RoomVersionRules): RoomId | undefined {
  if (rules.roomId === 'create-event-hash') return eventIdOf(create, rules)?.replace('$', '!')
  return typeof create.room_id === 'string' ? create.room_id : undefined
}
