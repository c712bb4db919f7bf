import type { Homeserver } from '../src/homeserver.ts'
import type { WireResponse } from '../src/ports/federation-transport.ts'
import type { Signer } from '../src/ports/signer.ts'
import type { ServerName } from '../src/spec/event.ts'
import { isServerName } from '../src/spec/server-name.ts'
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
      const base = surface === 'client' ? clientBase(headers, signer.serverName) : `https://${signer.serverName}`
      // A request cannot be made of a GET with a body, which some clients send all the same: it means nothing.
      const content = body && method !== 'GET' && method !== 'HEAD' ? { body } : {}
      const request = new Request(base + uri, { method, headers, signal, ...content })
      const handle = surface === 'client' ? handleClient : handleFederation
      const response = await wireResponse(await handle(request, { trusted: false, address, uri }))
      await pass()
      return response
    },
    sign: async (message) => signer.sign(message),
    superseded,
  }
}

/** Where a client reached us: what it is told of further addresses begins with that. */
function clientBase({ host = '', 'x-forwarded-proto': protocol }: Readonly<Record<string, string>>, serverName: ServerName): string {
  return isServerName(host) ? `${protocol === 'http' ? 'http' : 'https'}://${host}` : `https://${serverName}`
}

async function wireResponse(response: Response): Promise<WireResponse> {
  const body = (await wholeOrStream(response.body)) ?? new Uint8Array()
  return { status: response.status, headers: Object.fromEntries(response.headers), body }
}
