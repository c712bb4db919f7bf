import * as v from 'valibot'
import type { KeyRing } from '../../federation/key-ring.ts'
import type { OwnKeys } from '../../federation/own-keys.ts'
import { signJson } from '../../federation/sign.ts'
import { type Endpoint, open } from '../../http/endpoint.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Signer } from '../../ports/signer.ts'
import { badJson, invalidParam } from '../../spec/errors.ts'
import type { ServerName } from '../../spec/event.ts'
import { isObject, type JsonObject } from '../../spec/json.ts'
import { isServerName } from '../../spec/server-name.ts'
import { anyObject, integerText } from './inputs.ts'

export interface KeyDeps {
  readonly ownKeys: OwnKeys
  readonly keyRing: KeyRing
  readonly signer: Signer
  readonly clock: Clock
}

/** Servers whose keys one request may ask us for as a notary. */
const mostServers = 50

/** Our keys, and those of others as a notary passes them on (Server-Server API, "Retrieving server keys"). */
export function keyEndpoints(deps: KeyDeps): Endpoint[] {
  return [
    open({ method: 'GET', path: '/_matrix/key/v2/server', handle: () => deps.ownKeys.document() }),
    open({
      method: 'GET',
      path: '/_matrix/key/v2/query/:serverName',
      query: v.looseObject({ minimum_valid_until_ts: v.optional(integerText) }),
      handle: async ({ params: { serverName = '' }, query }) => {
        if (!isServerName(serverName)) throw invalidParam('The server name is malformed')
        const { minimum_valid_until_ts: minimum } = query
        return notarised(new Map([[serverName, minimum === undefined ? undefined : Number(minimum)]]), deps)
      },
    }),
    open({
      method: 'POST',
      path: '/_matrix/key/v2/query',
      body: v.looseObject({ server_keys: anyObject }),
      handle: ({ body }) => {
        const servers = Object.entries(body.server_keys)
        if (servers.length > mostServers) throw badJson(`More than ${mostServers} servers are asked for`)
        if (servers.some(([name]) => !isServerName(name))) throw badJson('A server name is malformed')
        return notarised(new Map(servers.map(([name, criteria]) => [name, minimumOf(criteria)])), deps)
      },
    }),
  ]
}

/** The documents that are to be had, each signed by us beside its own server. */
async function notarised(servers: ReadonlyMap<ServerName, number | undefined>, deps: KeyDeps): Promise<JsonObject> {
  const documents = await Promise.all([...servers].map(([server, minimum]) => deps.keyRing.document(server, minimum ?? deps.clock.now())))
  const signed = documents.filter((document) => document !== undefined).map((document) => signJson(document, deps.signer))
  return { server_keys: await Promise.all(signed) }
}

/** The greatest `minimum_valid_until_ts` over the key ids that are asked for. */
function minimumOf(criteria: unknown): number | undefined {
  const minima = (isObject(criteria) ? Object.values(criteria) : []).flatMap((criterion) => {
    const minimum = isObject(criterion) ? criterion.minimum_valid_until_ts : undefined
    return typeof minimum === 'number' ? [minimum] : []
  })
  return minima.length > 0 ? Math.max(...minima) : undefined
}
