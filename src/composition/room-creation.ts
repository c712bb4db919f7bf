import { RoomCreator } from '../rooms/create.ts'
import { RoomUpgrader } from '../rooms/upgrade.ts'
import type { UserId } from '../spec/event.ts'
import type { Parts } from './parts.ts'
import { shownProfile } from './rooms.ts'

/** Making rooms and replacing them. */
export async function composeRoomCreation(parts: Parts) {
  const { rooms, remotes, signer } = parts
  const { serverName } = signer
  const shared = { ...parts, ...rooms, serverName, signEvent: remotes.signEvent, directory: await rooms.directory() }
  const creator = new RoomCreator({ ...shared, profileOf: (userId: UserId) => shownProfile(parts, userId) })
  return { creator, upgrader: new RoomUpgrader({ ...shared, creator }) }
}
