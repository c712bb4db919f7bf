import type { Homeserver } from '../src/homeserver.ts'
import type { WireResponse } from '../src/ports/federation-transport.ts'
import type { Signer } from '../src/ports/signer.ts'
import type { HomeserverEnd } from './federation-bridge.ts'
import { wholeOrStream } from './port-body.ts'

interface FederationEndOptions {
  readonly signer: Signer
  /** Requests may come before it is there. */
  readonly homeserver: Promise<Pick<Homeserver, 'handleClient' | 'handleFederation'>>
  /** Resolves while this worker leads; rejects once it must be silent. */
  readonly pass: () => Promise<void>
  readonly superseded: (incarnation: number) => void
}

/** What the homeserver worker answers to the leader's window: requests of other servers, and signatures for libp2p. */
export function createFederationEnd({ signer, homeserver, pass, superseded }: FederationEndOptions): HomeserverEnd {
  return {
    handle: async ({ surface, address, request: { method, uri, headers, body } }, signal) => {
      const { handleClient, handleFederation } = await homeserver
      const request = new Request(`https://${signer.serverName}${uri}`, { method, headers, signal, ...(body ? { body } : {}) })
      const handle = surface === 'client' ? handleClient : handleFederation
      const response = await wireResponse(await handle(request, { trusted: false, address, uri }))
      await pass()
      return response
    },
    sign: async (message) => signer.sign(message),
    superseded,
  }
}

async function wireResponse(response: Response): Promise<WireResponse> {
  const body = (await wholeOrStream(response.body)) ?? new Uint8Array()
  return { status: response.status, headers: Object.fromEntries(response.headers), body }
}
