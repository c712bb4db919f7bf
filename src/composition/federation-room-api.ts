import { directoryEndpoints } from '../api/federation/directory.ts'
import { eventEndpoints } from '../api/federation/events.ts'
import { inviteEndpoints } from '../api/federation/invites.ts'
import { mediaEndpoints } from '../api/federation/media.ts'
import { membershipEndpoints } from '../api/federation/memberships.ts'
import { userEndpoints } from '../api/federation/users.ts'
import type { ServerView } from '../federation/server-view.ts'
import { SpaceView } from '../federation/space-view.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { ReceivedInvites } from '../rooms/received-invites.ts'
import type { Parts } from './parts.ts'

/** What other servers ask of us, beside sending: rooms, their events, users and media. */
export async function federationRoomApi(parts: Parts & { readonly view: ServerView }): Promise<Endpoint[]> {
  const { remotes, rooms, federation, keys, users, random } = parts
  const { serverName } = parts.signer
  const shared = { ...parts, ...keys, ...users, ...rooms, ...federation, serverName, directory: await rooms.directory() }
  return [
    ...eventEndpoints(shared),
    ...membershipEndpoints(shared),
    ...inviteEndpoints({
      ...shared,
      invites: new ReceivedInvites({ ...shared, ...remotes, blocksInvites: (userId) => users.accountData.blocksInvites(userId) }),
      verifier: remotes.verifier,
      hasUser: async (userId) => (await users.accounts.get(userId)) !== undefined,
    }),
    ...userEndpoints(shared),
    ...directoryEndpoints({ ...shared, spaces: new SpaceView({ ...shared, members: rooms.memberLists }) }),
    ...mediaEndpoints({ media: await parts.media(), random }),
  ]
}
