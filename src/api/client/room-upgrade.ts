import * as v from 'valibot'
import { type Endpoint, forUser } from '../../http/endpoint.ts'
import type { RoomUpgrader } from '../../rooms/upgrade.ts'
import { roomIdOf, userIdText } from './room-fields.ts'
import type { Inherit } from './room-inheritance.ts'

interface RoomUpgradeDeps {
  readonly upgrader: RoomUpgrader
  readonly inherit: Inherit
}

/** Replacing a room by one of another version (Client-Server API, "Room Upgrades"). */
export function roomUpgradeEndpoints({ upgrader, inherit }: RoomUpgradeDeps): Endpoint[] {
  return [
    forUser({
      method: 'POST',
      path: '/_matrix/client/v3/rooms/:roomId/upgrade',
      body: v.object({
        new_version: v.pipe(v.string(), v.maxLength(255)),
        additional_creators: v.optional(v.pipe(v.array(userIdText), v.maxLength(100))),
      }),
      handle: async ({ session, params, body, keep }) => {
        const replacementRoom = await upgrader.upgrade({
          userId: session.userId,
          roomId: roomIdOf(params),
          version: body.new_version,
          additionalCreators: body.additional_creators ?? [],
          alongside: (replacement) => keep({ replacement_room: replacement }),
        })
        await inherit(session.userId, replacementRoom)
        return { replacement_room: replacementRoom }
      },
    }),
  ]
}
