import type { Logger } from '../ports/logger.ts'
import type { Verifier } from '../ports/signer.ts'
import { forbidden } from '../spec/errors.ts'
import type { EventId, RoomEvent, ServerName } from '../spec/event.ts'
import { isExemptFromPolicy, type PolicyServer, policyServerKeyId } from '../spec/policy-server.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { eventSigningBytes, type KeyedSignature, signaturesOf, withSignature } from '../spec/signing.ts'
import type { RemoteServers } from './remote.ts'

export interface PolicySignatureDeps {
  readonly remote: Pick<RemoteServers, 'policySignature'>
  /** Of signatures alone: the key is in the room's state. */
  readonly signatures: Verifier
  readonly logger: Logger
  readonly serverName: ServerName
}

interface Policy {
  readonly server: PolicyServer
  readonly rules: RoomVersionRules
}

/** What a policy server thinks of events that came from others. */
export interface PolicyVerdicts {
  /** The events, with the signatures that it gave. */
  readonly events: readonly RoomEvent[]
  /** Why events are to be soft-failed. */
  readonly softFailures: ReadonlyMap<EventId, string>
}

const askedAtOnce = 10
/** For how many events of one arrival a policy server is asked. */
const mostAsked = 500

/**
 * An event of ours with the policy server's signature (Server-Server API, "Asking for a Policy Server signature on an event").
 * Throws the error with which that server refuses it, or `M_FORBIDDEN` where what it answers is no signature.
 */
export async function signedByPolicyServer(event: RoomEvent, policy: Policy, deps: PolicySignatureDeps): Promise<RoomEvent> {
  const { server } = policy
  if (server.name === deps.serverName) throw forbidden('This homeserver is named as the policy server of the room, and is none')
  const signature = await deps.remote.policySignature(server.name, event.pdu)
  const [isValid] = signature ? await verify([{ event, signature }], policy, deps) : [false]
  if (!signature || !isValid) throw forbidden(`The policy server ${server.name} did not sign the event`)
  return { ...event, pdu: withSignature(event.pdu, server.name, signature) }
}

/**
 * Checks events of other servers: one without a valid signature of the policy server is shown to it, and soft-failed if that
 * does not sign it either, or does not answer (Server-Server API, "Validating Policy Server signatures").
 */
export async function checkPolicy(events: readonly RoomEvent[], policy: Policy, deps: PolicySignatureDeps): Promise<PolicyVerdicts> {
  const unsigned = await unsignedAmong(events, policy, deps)
  const verdicts = new Map<EventId, RoomEvent>()
  const softFailures = new Map<EventId, string>()
  const ask = async (event: RoomEvent) => {
    try {
      verdicts.set(event.eventId, await signedByPolicyServer(event, policy, deps))
    } catch (failure) {
      softFailures.set(event.eventId, `the policy server ${policy.server.name} did not sign it`)
      deps.logger.log('info', 'a policy server did not sign an event', { eventId: event.eventId, reason: String(failure) })
    }
  }
  for (const event of unsigned.slice(mostAsked)) softFailures.set(event.eventId, 'too many events came without a policy server')
  const asked = unsigned.slice(0, mostAsked)
  while (asked.length > 0) await Promise.all(asked.splice(0, askedAtOnce).map(ask))
  return { events: events.map((event) => verdicts.get(event.eventId) ?? event), softFailures }
}

async function unsignedAmong(events: readonly RoomEvent[], policy: Policy, deps: PolicySignatureDeps): Promise<RoomEvent[]> {
  const subject = events.filter((event) => !isExemptFromPolicy(event))
  const signed = subject.flatMap((event) => {
    const signature = signaturesOf(event.pdu, policy.server.name).find(({ keyId }) => keyId === policyServerKeyId)
    return signature ? [{ event, signature }] : []
  })
  const verdicts = await verify(signed, policy, deps)
  const valid = new Set(signed.flatMap(({ event }, i) => (verdicts[i] ? [event] : [])))
  return subject.filter((event) => !valid.has(event))
}

async function verify(
  signed: readonly { readonly event: RoomEvent; readonly signature: KeyedSignature }[],
  { server, rules }: Policy,
  { signatures }: PolicySignatureDeps,
): Promise<readonly boolean[]> {
  return signatures.verify(
    signed.map(({ event, signature }) => ({
      message: eventSigningBytes(event.pdu, rules),
      signature: signature.signature,
      publicKey: server.publicKey,
    })),
  )
}
