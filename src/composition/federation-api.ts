import { keyEndpoints } from '../api/federation/keys.ts'
import { transactionEndpoints } from '../api/federation/transactions.ts'
import { versionEndpoints } from '../api/federation/version.ts'
import { ReceivedTransactions } from '../federation/received-transactions.ts'
import { createServerAuthentication } from '../federation/request-authentication.ts'
import { ServerView } from '../federation/server-view.ts'
import { createRateLimit } from '../http/rate-limit.ts'
import { type Api, createApi } from '../http/router.ts'
import { Withdrawals } from '../rooms/withdrawals.ts'
import { unauthorized } from '../spec/errors.ts'
import type { Parts } from './parts.ts'
import { software } from './software.ts'

/** The Server-Server API: what other servers send, and the rest when it is asked for. */
export function composeFederationApi(parts: Parts): Api {
  const { remotes, rooms, federation, clock, logger } = parts
  const { serverName } = parts.signer
  const view = new ServerView({ ...rooms, ...federation, serverName })
  const shared = { ...parts, ...rooms, serverName, view }
  const endpoints = [
    ...transactionEndpoints({
      ...shared,
      withdrawals: new Withdrawals({ ...shared, verifier: remotes.verifier }),
      transactions: new ReceivedTransactions(parts),
      eduHandlers: eduHandlers(parts),
    }),
    ...keyEndpoints({ ...shared, ...remotes }),
    ...versionEndpoints(software),
  ]
  const server = createServerAuthentication({ serverName, checker: remotes.checker, clock, heard: federation.sender.heard })
  return createApi(endpoints, [async () => (await import('./federation-room-api.ts')).federationRoomApi({ ...parts, view })], {
    authenticator: { server, user: () => Promise.reject(unauthorized('This is the Server-Server API')) },
    logger,
    rateLimit: createRateLimit({ clock, enabled: parts.settings.rateLimits }),
  })
}

function eduHandlers({ users, keys }: Parts) {
  return {
    'm.typing': users.typing.receive,
    'm.presence': users.presence.receive,
    'm.receipt': users.receipts.receive,
    'm.direct_to_device': keys.toDevice.receive,
    'm.device_list_update': keys.remoteDeviceLists.receiveDeviceList,
    'm.signing_key_update': keys.remoteDeviceLists.receiveSigningKeys,
  }
}
