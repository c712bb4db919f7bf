import { guestAccessForbidden, userLocked, userSuspended } from '../spec/errors.ts'
import type { AccountStanding, Endpoint } from './endpoint.ts'

function operations(lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.map((line) => line.replace(' /', ' /_matrix/client/')))
}

const whileLocked = operations(['POST /v3/logout', 'POST /v3/logout/all'])

const whileNotSuspended = operations([
  'POST /v3/createRoom',
  'POST /v3/join/:roomIdOrAlias',
  'POST /v3/knock/:roomIdOrAlias',
  'POST /v3/rooms/:roomId/join',
  'POST /v3/rooms/:roomId/invite',
  'POST /v3/rooms/:roomId/kick',
  'POST /v3/rooms/:roomId/ban',
  'POST /v3/rooms/:roomId/unban',
  'POST /v3/rooms/:roomId/upgrade',
  'PUT /v3/rooms/:roomId/state/:eventType/:stateKey',
  'PUT /v3/profile/:userId/:field',
  'DELETE /v3/profile/:userId/:field',
])

/** Client-Server API, "Guest access"; beside its list, what asks for the same in another way, and leaving. */
const forGuests = operations([
  'GET /v3/account/whoami',
  'GET /v3/capabilities',
  'GET /v3/devices',
  'GET /v3/devices/:deviceId',
  'GET /v3/events',
  'GET /v3/rooms/:roomId/context/:eventId',
  'GET /v3/rooms/:roomId/event/:eventId',
  'GET /v3/rooms/:roomId/initialSync',
  'GET /v3/rooms/:roomId/members',
  'GET /v3/rooms/:roomId/messages',
  'GET /v3/rooms/:roomId/state',
  'GET /v3/rooms/:roomId/state/:eventType/:stateKey',
  'GET /v3/sync',
  'GET /v1/media/config',
  'GET /v1/media/download/:serverName/:mediaId',
  'GET /v1/media/thumbnail/:serverName/:mediaId',
  'POST /v3/join/:roomIdOrAlias',
  'POST /v3/keys/claim',
  'POST /v3/keys/query',
  'POST /v3/keys/upload',
  'POST /v3/logout',
  'POST /v3/logout/all',
  'POST /v3/rooms/:roomId/join',
  'POST /v3/rooms/:roomId/leave',
  'PUT /v3/devices/:deviceId',
  'PUT /v3/profile/:userId/:field',
  'DELETE /v3/profile/:userId/:field',
  'PUT /v3/rooms/:roomId/send/:eventType/:txnId',
  'PUT /v3/rooms/:roomId/state/:eventType/:stateKey',
  'PUT /v3/sendToDevice/:eventType/:txnId',
])

/**
 * Refuses what an account may not do as it stands (Client-Server API, "Account moderation", "Guest access"). Endpoints that
 * refuse only some of their requests to it do so themselves. Throws `M_USER_LOCKED`, `M_USER_SUSPENDED`, `M_GUEST_ACCESS_FORBIDDEN`.
 */
export function assertStanding({ method, path, access }: Endpoint, { locked, suspended, guest }: AccountStanding): void {
  const operation = `${method} ${typeof path === 'string' ? path : path[0]}`
  if (locked && !whileLocked.has(operation)) throw userLocked()
  if (suspended && whileNotSuspended.has(operation)) throw userSuspended()
  // What needs no account at all is for guests as well.
  if (guest && access === 'user' && !forGuests.has(operation)) throw guestAccessForbidden()
}
