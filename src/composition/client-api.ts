import { accountEndpoints } from '../api/client/account.ts'
import { accountDataEndpoints } from '../api/client/account-data.ts'
import { delayedEventsEndpoints } from '../api/client/delayed-events.ts'
import { devicesEndpoints } from '../api/client/devices.ts'
import { discoveryEndpoints } from '../api/client/discovery.ts'
import { keyBackupEndpoints } from '../api/client/key-backup.ts'
import { keysEndpoints } from '../api/client/keys.ts'
import { loginEndpoints } from '../api/client/login.ts'
import { mediaEndpoints } from '../api/client/media.ts'
import { moderationEndpoints } from '../api/client/moderation.ts'
import { notOfferedEndpoints } from '../api/client/not-offered.ts'
import { notificationEndpoints } from '../api/client/notifications.ts'
import { oauthEndpoints } from '../api/client/oauth/oauth.ts'
import { oldSyncEndpoints } from '../api/client/old-sync.ts'
import { presenceEndpoints } from '../api/client/presence.ts'
import { profileEndpoints } from '../api/client/profile.ts'
import { pushRulesEndpoints } from '../api/client/push-rules.ts'
import { pushersEndpoints } from '../api/client/pushers.ts'
import { readingEndpoints } from '../api/client/reading.ts'
import { registrationEndpoints } from '../api/client/registration.ts'
import { registrationTokensEndpoints } from '../api/client/registration-tokens.ts'
import { rendezvousEndpoints } from '../api/client/rendezvous.ts'
import { reportEndpoints } from '../api/client/reports.ts'
import { roomCreationEndpoints } from '../api/client/room-creation.ts'
import { roomDirectoryEndpoints } from '../api/client/room-directory.ts'
import { roomHistoryEndpoints } from '../api/client/room-history.ts'
import { roomMembershipEndpoints } from '../api/client/room-membership.ts'
import { roomRelationsEndpoints } from '../api/client/room-relations.ts'
import { roomSearchEndpoints } from '../api/client/room-search.ts'
import { roomSendingEndpoints } from '../api/client/room-sending.ts'
import { roomStateEndpoints } from '../api/client/room-state.ts'
import { roomUpgradeEndpoints } from '../api/client/room-upgrade.ts'
import { sharedSecretEndpoints } from '../api/client/shared-secret-registration.ts'
import { spaceEndpoints } from '../api/client/spaces.ts'
import { syncEndpoints } from '../api/client/sync.ts'
import { userSending } from '../api/client/user-sending.ts'
import { usersEndpoints } from '../api/client/users.ts'
import { createRateLimit } from '../http/rate-limit.ts'
import { type Api, createApi } from '../http/router.ts'
import { UrlPreviews } from '../media/url-previews.ts'
import { RoomCreator } from '../rooms/create.ts'
import { DelayedEvents } from '../rooms/delayed-events.ts'
import { Directory } from '../rooms/directory.ts'
import { FindableMembers } from '../rooms/findable-members.ts'
import { Spaces } from '../rooms/spaces.ts'
import { UnfinishedRooms } from '../rooms/unfinished-rooms.ts'
import { unauthorized } from '../spec/errors.ts'
import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { History } from '../sync/history.ts'
import { Notifications } from '../sync/notifications.ts'
import { OldSync } from '../sync/old-sync.ts'
import { RoomViews } from '../sync/room-views.ts'
import { Sync } from '../sync/sync.ts'
import { Tokens } from '../sync/token.ts'
import { Rendezvous } from '../users/rendezvous.ts'
import { UserDirectory } from '../users/user-directory.ts'
import { composeOAuth } from './oauth.ts'
import type { Parts } from './parts.ts'
import { shownProfile } from './rooms.ts'

/** How many servers are asked for a room that is not known here. */
const serversAsked = 3

/** The Client-Server API. */
export function composeClientApi(parts: Parts): Api & { readonly delayedEvents: DelayedEvents; readonly unfinishedRooms: UnfinishedRooms } {
  const { users, keys, rooms, remotes, media, clock, logger, settings, stream } = parts
  const { serverName } = parts.signer
  const { store, membership } = rooms
  const tokens = new Tokens(settings.incarnation, stream)
  const { memberLists: members } = rooms
  const directory = new Directory({ ...parts, ...rooms, members, remote: remotes.rooms, serverName })
  const creator = new RoomCreator({
    ...parts,
    ...rooms,
    ...remotes,
    serverName,
    directory,
    profileOf: (userId: UserId) => shownProfile(parts, userId),
  })
  const views = new RoomViews({ ...parts, ...users, store, members })
  const history = new History({ ...rooms, views, tokens })
  const spaces = new Spaces({ store, members, remoteRoom: (roomId, via) => remoteRoom(parts, roomId, via) })
  const sync = new Sync({ ...parts, views, tokens, sources: { ...users, ...keys } })
  const oldSync = new OldSync({ ...parts, views, history, tokens, directory, sources: users })
  const oauth = composeOAuth({ ...parts, ...users })
  const shared = { ...parts, ...users, ...keys, ...rooms, serverName, directory, creator, views, tokens, members: rooms.currentMembers }
  const sendAsUser = userSending({ ...shared, relations: views.relations })
  const delayedEvents = new DelayedEvents({
    ...parts,
    store,
    deliver: async ({ userId, ...event }) => {
      const suspended = (await users.accounts.get(userId))?.suspended ?? false
      return sendAsUser({ userId, suspended }, event)
    },
  })
  const upgrader = async () => new (await import('../rooms/upgrade.ts')).RoomUpgrader(shared)
  const endpoints = [
    ...accountEndpoints({ ...shared, leaveRooms: (userId) => leaveRooms(parts, userId) }),
    ...accountDataEndpoints(shared),
    ...devicesEndpoints(shared),
    ...discoveryEndpoints({ admins: () => users.accounts.admins() }),
    ...keysEndpoints({
      ...shared,
      ...oauth,
      deviceListsBetween: async (userId, from, to) => deviceLists(await sync.deviceListsBetween(userId, from, to)),
    }),
    ...keyBackupEndpoints(shared),
    ...loginEndpoints(shared),
    ...mediaEndpoints({ media, serverName, previews: new UrlPreviews({ ...parts, web: remotes.web, serverName }) }),
    ...notificationEndpoints({ notifications: new Notifications({ views, sources: users }) }),
    ...oauthEndpoints({
      ...shared,
      ...oauth,
      leaveRooms: (userId) => leaveRooms(parts, userId),
      updateMemberProfiles: (userId) => membership.updateProfile(userId),
    }),
    ...moderationEndpoints(shared),
    ...notOfferedEndpoints(),
    ...oldSyncEndpoints({ oldSync, views, tokens }),
    ...presenceEndpoints(shared),
    ...profileEndpoints({ ...shared, updateMemberProfiles: (userId) => membership.updateProfile(userId) }),
    ...pushRulesEndpoints(shared),
    ...pushersEndpoints(shared),
    ...readingEndpoints(shared),
    ...registrationEndpoints({ ...shared, tokens: users.tokens }),
    ...registrationTokensEndpoints(shared),
    ...roomCreationEndpoints(shared),
    ...rendezvousEndpoints({ rendezvous: new Rendezvous(parts) }),
    ...reportEndpoints(shared),
    ...roomDirectoryEndpoints({ ...shared, remotePublicRooms: (server, request) => remotes.directory.publicRooms(server, request) }),
    ...roomHistoryEndpoints({ ...shared, history }),
    ...roomMembershipEndpoints(shared),
    ...roomRelationsEndpoints(shared),
    ...roomSearchEndpoints({ ...shared, history }),
    ...roomSendingEndpoints({ ...shared, sendAsUser, delayedEvents }),
    ...delayedEventsEndpoints({ delayedEvents }),
    ...roomStateEndpoints(shared),
    ...roomUpgradeEndpoints({ upgrader }),
    ...sharedSecretEndpoints({ ...shared, sharedSecret: settings.sharedSecret }),
    ...spaceEndpoints({ ...shared, spaces }),
    ...syncEndpoints({ sync }),
    ...usersEndpoints({
      ...shared,
      userDirectory: new UserDirectory({ ...users, serverName, source: new FindableMembers({ store, members }) }),
    }),
  ]
  const api = createApi(endpoints, {
    authenticator: {
      user: (token, origin) => users.sessions.user(token, origin),
      server: () => Promise.reject(unauthorized('This is the Client-Server API')),
    },
    logger,
    rateLimit: createRateLimit({ clock, enabled: settings.rateLimits }),
  })
  return { ...api, delayedEvents, unfinishedRooms: new UnfinishedRooms({ ...parts, membership, upgrader }) }
}

function deviceLists({ changed, left }: { readonly changed: readonly UserId[]; readonly left: readonly UserId[] }) {
  return { changed: [...changed], left: [...left] }
}

/** A room as the first of a few servers that answers describes it. */
async function remoteRoom({ remotes }: Parts, roomId: RoomId, via: readonly ServerName[]): Promise<JsonObject | undefined> {
  for (const server of via.slice(0, serversAsked)) {
    const { room } = await remotes.directory.hierarchy(server, roomId, false).catch((): JsonObject => ({}))
    if (isObject(room)) return room
  }
  return undefined
}

async function leaveRooms({ rooms }: Parts, userId: UserId): Promise<void> {
  for (const [roomId, { membership }] of await rooms.store.memberships(userId)) {
    if (membership === 'join' || membership === 'invite' || membership === 'knock') {
      await rooms.membership.leave({ userId, roomId }).catch(() => undefined)
    }
  }
}
