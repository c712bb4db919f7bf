import { accountDataEndpoints } from '../api/client/account-data.ts'
import { discoveryEndpoints } from '../api/client/discovery.ts'
import { notOfferedEndpoints } from '../api/client/not-offered.ts'
import { presenceEndpoints } from '../api/client/presence.ts'
import { pushRulesEndpoints } from '../api/client/push-rules.ts'
import { readingEndpoints } from '../api/client/reading.ts'
import { roomSendingEndpoints } from '../api/client/room-sending.ts'
import { roomStateEndpoints } from '../api/client/room-state.ts'
import { syncEndpoints } from '../api/client/sync.ts'
import { createRateLimit } from '../http/rate-limit.ts'
import { type Api, createApi } from '../http/router.ts'
import type { DelayedEvents } from '../rooms/delayed-events.ts'
import { UnfinishedRooms } from '../rooms/unfinished-rooms.ts'
import { unauthorized } from '../spec/errors.ts'
import { composeClientParts } from './client-parts.ts'
import type { Parts } from './parts.ts'

/** The Client-Server API: what a client that is logged in syncs and sends with, and the rest when it is asked for. */
export function composeClientApi(parts: Parts): Api & { readonly delayedEvents: DelayedEvents; readonly unfinishedRooms: UnfinishedRooms } {
  const { users, rooms, clock, logger, settings } = parts
  const shared = composeClientParts(parts)
  const endpoints = [
    ...syncEndpoints(shared),
    ...roomSendingEndpoints(shared),
    ...roomStateEndpoints(shared),
    ...readingEndpoints(shared),
    ...presenceEndpoints(shared),
    ...accountDataEndpoints(shared),
    ...pushRulesEndpoints(shared),
    ...discoveryEndpoints({ admins: () => users.accounts.admins() }),
    ...notOfferedEndpoints(settings),
  ]
  const later = [
    async () => (await import('./sliding-sync-api.ts')).slidingSyncApi(shared),
    async () => (await import('./key-api.ts')).keyApi(shared),
    async () => (await import('./room-api.ts')).roomApi(shared),
    async () => (await import('./media-api.ts')).mediaApi(parts),
    async () => (await import('./account-api.ts')).accountApi(shared),
  ]
  const api = createApi(endpoints, later, {
    authenticator: {
      user: (token, origin) => users.sessions.user(token, origin),
      server: () => Promise.reject(unauthorized('This is the Client-Server API')),
    },
    logger,
    rateLimit: createRateLimit({ clock, enabled: settings.rateLimits }),
  })
  const upgrader = async () => (await shared.roomCreation()).upgrader
  const unfinishedRooms = new UnfinishedRooms({ ...parts, membership: rooms.membership, upgrader })
  return { ...api, delayedEvents: shared.delayedEvents, unfinishedRooms }
}
