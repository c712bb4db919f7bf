import { userSending } from '../api/client/user-sending.ts'
import { DelayedEvents } from '../rooms/delayed-events.ts'
import { lazily } from '../streams/lazily.ts'
import { RoomViews } from '../sync/room-views.ts'
import { Sync } from '../sync/sync.ts'
import { Tokens } from '../sync/token.ts'
import type { Parts } from './parts.ts'

/** What the endpoints of the Client-Server API stand on: those that are there from the start, and those that are loaded later. */
export function composeClientParts(parts: Parts) {
  const { users, keys, rooms, settings, stream } = parts
  const { serverName } = parts.signer
  const tokens = new Tokens(settings.incarnation, stream)
  const views = new RoomViews({ ...parts, ...users, store: rooms.store, members: rooms.memberLists })
  const sync = new Sync({ ...parts, ...rooms, views, tokens, sources: { ...users, ...keys } })
  const sendAsUser = userSending({
    ...rooms,
    relations: views.relations,
    checkCanonical: async (roomId, content) => (await rooms.directory()).checkCanonical(roomId, content),
  })
  const delayedEvents = new DelayedEvents({
    ...parts,
    store: rooms.store,
    deliver: async ({ userId, ...event }) => {
      const suspended = (await users.accounts.get(userId))?.suspended ?? false
      return sendAsUser({ userId, suspended }, event)
    },
  })
  const roomCreation = lazily(async () => (await import('./room-creation.ts')).composeRoomCreation(parts))
  return { ...parts, ...users, ...keys, ...rooms, serverName, tokens, views, sync, sendAsUser, delayedEvents, roomCreation }
}

export type ClientParts = ReturnType<typeof composeClientParts>
