import type { EventVerifier, SignatureFault } from '../rooms/remote.ts'
import type { RoomEvent } from '../spec/event.ts'
import { policyServerKeyId } from '../spec/policy-server.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { eventSigningBytes, requiredSigners, signaturesOf } from '../spec/signing.ts'
import type { SignatureChecker, SignatureClaim, SignatureFinding } from './signature-checker.ts'

/** Signatures of one server on an event that are tried. */
const mostSignaturesOfServer = 5

/**
 * Verifies that events are signed by every server that must have signed them (Server-Server API, "Validating hashes and
 * signatures on received events"): all signatures of known keys must be valid, and there must be one at least.
 */
export function createEventVerifier(checker: SignatureChecker): EventVerifier {
  return {
    async verify(events, rules) {
      const perEvent = events.map((event) => claimsOf(event, rules))
      const claims = perEvent.flatMap((signers) => signers.flatMap((signer) => signer.claims))
      const findings = new Map<SignatureClaim, SignatureFinding>()
      for (const [i, finding] of (await checker.check(claims)).entries()) {
        const claim = claims[i]
        if (claim) findings.set(claim, finding)
      }
      return perEvent.map((signers) => firstFault(signers, findings))
    },
  }
}

interface SignerClaims {
  readonly server: string
  readonly claims: readonly SignatureClaim[]
}

function claimsOf(event: RoomEvent, rules: RoomVersionRules): SignerClaims[] {
  const message = eventSigningBytes(event.pdu, rules)
  return requiredSigners(event, rules).map((server) => ({
    server,
    claims: signaturesOf(event.pdu, server)
      .filter(({ keyId }) => keyId !== policyServerKeyId)
      .slice(0, mostSignaturesOfServer)
      .map(({ keyId, signature }) => ({
        server,
        keyId,
        signature,
        message,
        at: event.originServerTs,
        enforceValidity: rules.enforceKeyValidity,
      })),
  }))
}

function firstFault(signers: readonly SignerClaims[], findings: ReadonlyMap<SignatureClaim, SignatureFinding>): SignatureFault | undefined {
  let missing: SignatureFault | undefined
  for (const { server, claims } of signers) {
    if (claims.length === 0) return { reason: `it is not signed by ${server}`, isKeyMissing: false }
    const found = claims.map((claim) => findings.get(claim))
    if (found.includes('invalid')) return { reason: `its signature by ${server} is not valid`, isKeyMissing: false }
    if (!found.includes('valid')) missing ??= { reason: `no key of ${server} is known that signed it`, isKeyMissing: true }
  }
  return missing
}
