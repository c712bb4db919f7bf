import { accountEndpoints } from '../api/client/account.ts'
import { authFallbackEndpoints } from '../api/client/auth-fallback.ts'
import { devicesEndpoints } from '../api/client/devices.ts'
import { loginEndpoints } from '../api/client/login.ts'
import { moderationEndpoints } from '../api/client/moderation.ts'
import { oauthEndpoints } from '../api/client/oauth/oauth.ts'
import { profileEndpoints } from '../api/client/profile.ts'
import { pushersEndpoints } from '../api/client/pushers.ts'
import { registrationEndpoints } from '../api/client/registration.ts'
import { registrationTokensEndpoints } from '../api/client/registration-tokens.ts'
import { rendezvousEndpoints } from '../api/client/rendezvous.ts'
import { sharedSecretEndpoints } from '../api/client/shared-secret-registration.ts'
import { usersEndpoints } from '../api/client/users.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { FindableMembers } from '../rooms/findable-members.ts'
import type { UserId } from '../spec/event.ts'
import { Rendezvous } from '../users/rendezvous.ts'
import { UserDirectory } from '../users/user-directory.ts'
import type { ClientParts } from './client-parts.ts'
import { composeOAuth } from './oauth.ts'

/** Accounts: made, logged in to, looked after, found and closed. */
export function accountApi(parts: ClientParts): Endpoint[] {
  const { rooms, settings, users } = parts
  const shared = {
    ...parts,
    ...users,
    ...composeOAuth({ ...parts, ...users }),
    leaveRooms: (userId: UserId) => leaveRooms(parts, userId),
    updateMemberProfiles: (userId: UserId) => rooms.membership.updateProfile(userId),
  }
  return [
    ...loginEndpoints(shared),
    ...registrationEndpoints(shared),
    ...accountEndpoints(shared),
    ...authFallbackEndpoints(shared),
    ...devicesEndpoints(shared),
    ...profileEndpoints(shared),
    ...pushersEndpoints(shared),
    ...usersEndpoints({
      ...shared,
      userDirectory: new UserDirectory({ ...shared, source: new FindableMembers({ ...rooms, members: rooms.memberLists }) }),
    }),
    ...oauthEndpoints(shared),
    ...moderationEndpoints(shared),
    ...registrationTokensEndpoints(shared),
    ...rendezvousEndpoints({ rendezvous: new Rendezvous(parts) }),
    ...sharedSecretEndpoints({ ...shared, sharedSecret: settings.sharedSecret }),
  ]
}

async function leaveRooms({ rooms }: ClientParts, userId: UserId): Promise<void> {
  for (const [roomId, { membership }] of await rooms.store.memberships(userId)) {
    if (membership === 'join' || membership === 'invite' || membership === 'knock') {
      await rooms.membership.leave({ userId, roomId }).catch(() => undefined)
    }
  }
}
