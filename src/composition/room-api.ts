import { delayedEventsEndpoints } from '../api/client/delayed-events.ts'
import { notificationEndpoints } from '../api/client/notifications.ts'
import { oldSyncEndpoints } from '../api/client/old-sync.ts'
import { reportEndpoints } from '../api/client/reports.ts'
import { roomCreationEndpoints } from '../api/client/room-creation.ts'
import { roomDirectoryEndpoints } from '../api/client/room-directory.ts'
import { roomHistoryEndpoints } from '../api/client/room-history.ts'
import { inheritance } from '../api/client/room-inheritance.ts'
import { roomMembershipEndpoints } from '../api/client/room-membership.ts'
import { roomRelationsEndpoints } from '../api/client/room-relations.ts'
import { roomSearchEndpoints } from '../api/client/room-search.ts'
import { roomUpgradeEndpoints } from '../api/client/room-upgrade.ts'
import { spaceEndpoints } from '../api/client/spaces.ts'
import { threadSubscriptionsEndpoints } from '../api/client/thread-subscriptions.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { Spaces } from '../rooms/spaces.ts'
import type { RoomId, ServerName } from '../spec/event.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { History } from '../sync/history.ts'
import { Notifications } from '../sync/notifications.ts'
import { OldSync } from '../sync/old-sync.ts'
import type { ClientParts } from './client-parts.ts'

/** How many servers are asked for a room that is not known here. */
const serversAsked = 3

/** Rooms: made, entered, read back, searched, found and replaced. */
export async function roomApi(parts: ClientParts): Promise<Endpoint[]> {
  const { remotes, users } = parts
  const shared = { ...parts, directory: await parts.rooms.directory(), members: parts.memberLists }
  const history = new History(shared)
  const { creator, upgrader } = await parts.roomCreation()
  const inherit = inheritance({ ...shared, ...users })
  return [
    ...roomHistoryEndpoints({ ...shared, history }),
    ...roomMembershipEndpoints({ ...shared, inherit }),
    ...roomRelationsEndpoints(shared),
    ...threadSubscriptionsEndpoints(shared),
    ...roomCreationEndpoints({ creator, inherit }),
    ...roomDirectoryEndpoints({ ...shared, remotePublicRooms: (server, request) => remotes.directory.publicRooms(server, request) }),
    ...spaceEndpoints({ ...shared, spaces: new Spaces({ ...shared, remoteRoom: (roomId, via) => remoteRoom(parts, roomId, via) }) }),
    ...roomSearchEndpoints({ ...shared, history }),
    ...notificationEndpoints({ notifications: new Notifications({ ...shared, sources: users }) }),
    ...delayedEventsEndpoints(shared),
    ...reportEndpoints(shared),
    ...roomUpgradeEndpoints({ upgrader, inherit }),
    ...oldSyncEndpoints({ ...shared, oldSync: new OldSync({ ...shared, history, sources: users }) }),
  ]
}

/** A room as the first of a few servers that answers describes it. */
async function remoteRoom({ remotes }: ClientParts, roomId: RoomId, via: readonly ServerName[]): Promise<JsonObject | undefined> {
  for (const server of via.slice(0, serversAsked)) {
    const { room } = await remotes.directory.hierarchy(server, roomId, false).catch((): JsonObject => ({}))
    if (isObject(room)) return room
  }
  return undefined
}
