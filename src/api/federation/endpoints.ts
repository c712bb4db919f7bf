import type { Endpoint } from '../../http/endpoint.ts'
import { type EventDeps, eventEndpoints } from './events.ts'
import { type InviteDeps, inviteEndpoints } from './invites.ts'
import { type KeyDeps, keyEndpoints } from './keys.ts'
import { type MediaDeps, mediaEndpoints } from './media.ts'
import { type MembershipDeps, membershipEndpoints } from './memberships.ts'
import { type TransactionDeps, transactionEndpoints } from './transactions.ts'
import { type UserDeps, userEndpoints } from './users.ts'
import { versionEndpoints } from './version.ts'

export type FederationApiDeps = EventDeps &
  InviteDeps &
  KeyDeps &
  MediaDeps &
  MembershipDeps &
  TransactionDeps &
  UserDeps & { readonly software: { readonly name: string; readonly version: string } }

/** The whole Server-Server API. What is not in it the router answers with `M_UNRECOGNIZED`. */
export function federationEndpoints(deps: FederationApiDeps): Endpoint[] {
  return [
    ...versionEndpoints(deps.software),
    ...keyEndpoints(deps),
    ...transactionEndpoints(deps),
    ...membershipEndpoints(deps),
    ...inviteEndpoints(deps),
    ...eventEndpoints(deps),
    ...userEndpoints(deps),
    ...mediaEndpoints(deps),
  ]
}
