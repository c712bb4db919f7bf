import { type Endpoint, open } from '../../http/endpoint.ts'

/** `GET /version` (Server-Server API, "Server implementation"). */
export function versionEndpoints(software: { readonly name: string; readonly version: string }): Endpoint[] {
  return [open({ method: 'GET', path: '/_matrix/federation/v1/version', handle: () => ({ server: { ...software } }) })]
}
