import { hashes, verify } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import { decodeBase64 } from './base64.ts'
import { isObject, type JsonObject } from './json.ts'
import { signaturesOf, signingBytes } from './signing.ts'

hashes.sha512 = sha512

/** How many signatures and keys are tried: an honest invite has one of each. */
const mostTried = 4

/**
 * Whether any signature in `signed` of a third-party invite is valid by any of `publicKeys` (base64; padded or not): rule 5.4.1.7
 * of rooms/v12, "Authorisation rules". The rules ask for it in the midst of a resolution, so it is synchronous; such invites are rare.
 */
export function thirdPartySigned(signed: JsonObject, publicKeys: readonly string[]): boolean {
  const servers = isObject(signed.signatures) ? Object.keys(signed.signatures) : []
  const signatures = servers.slice(0, mostTried).flatMap((server) => signaturesOf(signed, server).slice(0, mostTried))
  const keys = publicKeys.slice(0, mostTried).flatMap((key) => decodeBase64(key) ?? [])
  const message = signingBytes(signed)
  return signatures.some(({ signature }) => keys.some((key) => isValid(signature, message, key)))
}

function isValid(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  try {
    return verify(signature, message, key, { zip215: false })
  } catch {
    // The library throws for what is no point of the curve.
    return false
  }
}
