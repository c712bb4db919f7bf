import type { Signer } from '../ports/signer.ts'
import type { SignEvent } from '../rooms/remote.ts'
import type { Pdu } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { eventSigningBytes, signingBytes, withSignature } from '../spec/signing.ts'

/** A copy of `object` with our signature beside those it has (Appendices, "Signing JSON"). */
export async function signJson(object: JsonObject, signer: Signer): Promise<JsonObject> {
  const signature = await signer.sign(signingBytes(object))
  return withSignature(object, signer.serverName, { keyId: signer.keyId, signature })
}

/** Signs events with our key (Server-Server API, "Signing Events"). */
export function createSignEvent(signer: Signer): SignEvent {
  return async (pdu: Pdu, rules: RoomVersionRules): Promise<Pdu> => {
    const signature = await signer.sign(eventSigningBytes(pdu, rules))
    return withSignature(pdu, signer.serverName, { keyId: signer.keyId, signature })
  }
}
