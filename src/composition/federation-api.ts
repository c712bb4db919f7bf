import { directoryEndpoints } from '../api/federation/directory.ts'
import { eventEndpoints } from '../api/federation/events.ts'
import { inviteEndpoints } from '../api/federation/invites.ts'
import { keyEndpoints } from '../api/federation/keys.ts'
import { mediaEndpoints } from '../api/federation/media.ts'
import { membershipEndpoints } from '../api/federation/memberships.ts'
import { transactionEndpoints } from '../api/federation/transactions.ts'
import { userEndpoints } from '../api/federation/users.ts'
import { versionEndpoints } from '../api/federation/version.ts'
import { ReceivedTransactions } from '../federation/received-transactions.ts'
import { createServerAuthentication } from '../federation/request-authentication.ts'
import { ServerView } from '../federation/server-view.ts'
import { SpaceView } from '../federation/space-view.ts'
import { createRateLimit } from '../http/rate-limit.ts'
import { type Api, createApi } from '../http/router.ts'
import { Directory } from '../rooms/directory.ts'
import { MemberLists } from '../rooms/member-lists.ts'
import { Withdrawals } from '../rooms/withdrawals.ts'
import { unauthorized } from '../spec/errors.ts'
import type { Parts } from './parts.ts'
import { software } from './software.ts'

/** The Server-Server API. */
export function composeFederationApi(parts: Parts): Api {
  const { remotes, rooms, federation, keys, users, media, clock, logger } = parts
  const { serverName } = parts.signer
  const view = new ServerView({ store: rooms.store, roomServers: federation.roomServers, serverName })
  const shared = { ...parts, ...keys, ...users, ...rooms, ...federation, serverName, view, media }
  const members = new MemberLists(rooms.store)
  const endpoints = [
    ...directoryEndpoints({
      ...shared,
      directory: new Directory({ ...shared, ...rooms, members, remote: remotes.rooms }),
      spaces: new SpaceView({ ...shared, members }),
    }),
    ...eventEndpoints(shared),
    ...inviteEndpoints({
      ...shared,
      verifier: remotes.verifier,
      hasUser: async (userId) => (await users.accounts.get(userId)) !== undefined,
    }),
    ...keyEndpoints({ ...shared, ...remotes }),
    ...mediaEndpoints(shared),
    ...membershipEndpoints({ ...shared, memberLists: members }),
    ...transactionEndpoints({
      ...shared,
      withdrawals: new Withdrawals({ ...shared, verifier: remotes.verifier }),
      transactions: new ReceivedTransactions(parts),
      eduHandlers: eduHandlers(parts),
    }),
    ...userEndpoints(shared),
    ...versionEndpoints(software),
  ]
  const server = createServerAuthentication({ serverName, checker: remotes.checker, clock, heard: federation.sender.heard })
  return createApi(endpoints, {
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
