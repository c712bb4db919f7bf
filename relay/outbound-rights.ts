import type { WireRequest } from '../src/ports/federation-transport.ts'
import { forbidden, type MatrixError } from '../src/spec/errors.ts'
import type { ServerName } from '../src/spec/event.ts'
import { type Label, labelOf } from '../src/spec/self-certifying.ts'
import type { Outbound } from './outbound.ts'
import { xMatrixOf } from './request-signature.ts'

/** What a homeserver may send through this relay: requests in its own name, to the Server-Server API. */
export interface OutboundRights {
  /** Why the homeserver `label` may not send this; `undefined` if it may. */
  refusal(label: Label, to: ServerName, request: WireRequest): Promise<MatrixError | undefined>
}

export interface OutboundRightsOptions {
  readonly outbound: Pick<Outbound, 'destinations'>
  readonly domain: string | undefined
  readonly names: Readonly<Record<ServerName, Label>>
}

const federationPath = /^\/_matrix\/(?:federation|key)\//
/** What anyone may ask of any server, unsigned. */
const unsignedPath = /^\/_matrix\/(?:key\/v2\/|federation\/v1\/version(?:\?|$))/

/** A homeserver acts for names that hold its label, that are its by configuration, or that delegate to it here. */
export function createOutboundRights({ outbound, domain, names }: OutboundRightsOptions): OutboundRights {
  const named = new Map(Object.entries(names))

  const mayActFor = async (label: Label, origin: ServerName): Promise<boolean> => {
    if (labelOf(origin) === label || named.get(origin) === label) return true
    if (domain === undefined) return false
    const destinations = await outbound.destinations(origin).catch(() => [])
    return destinations.length > 0 && destinations.every(({ certificateName }) => certificateName === `${label}.${domain}`)
  }

  return {
    refusal: async (label, to, request) => {
      if (!federationPath.test(request.uri)) return forbidden('The relay sends requests of the Server-Server API only')
      const signed = xMatrixOf(request)
      if (signed.length === 0 && !unsignedPath.test(request.uri)) return forbidden('The request is not signed')
      for (const { origin, destination } of signed) {
        if (destination !== to) return forbidden('The request is signed for another server')
        if (!(await mayActFor(label, origin))) return forbidden(`The homeserver does not act for ${origin}`)
      }
      return undefined
    },
  }
}
