import type { Random } from '../ports/random.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import type { PduFields } from '../spec/build-pdu.ts'
import type { EventId, UserId } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'

/**
 * What a new event of room versions 1 and 2 needs beside its fields: an id that its server chooses, and the hashes of the
 * events it refers to. Nothing in later versions, whose ids are hashes themselves.
 */
export function chosenFields(
  rules: RoomVersionRules,
  about: { readonly sender: UserId; readonly random: Random; readonly hashOf: (cited: EventId) => Uint8Array | undefined },
): Pick<PduFields, 'chosen'> {
  if (rules.eventId !== 'chosen') return {}
  const eventId = `$${encodeUrlSafeBase64(about.random.bytes(18))}:${serverNameOf(about.sender)}`
  const referenceHash = (cited: EventId) => {
    const hash = about.hashOf(cited)
    if (!hash) throw new Error(`the reference hash of ${cited} is not known`)
    return hash
  }
  return { chosen: { eventId, referenceHash } }
}
