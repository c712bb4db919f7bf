import type { Logger } from '../ports/logger.ts'
import type { RoomId, ServerName, UserId } from '../spec/event.ts'
import { localMembers } from './membership-rules.ts'
import type { Publication, Room, RoomStore } from './room-store.ts'

interface GuestAccessDeps {
  readonly store: RoomStore
  readonly membership: { leave(change: { readonly userId: UserId; readonly roomId: RoomId }): Promise<void> }
  readonly isGuest: (userId: UserId) => Promise<boolean>
  readonly serverName: ServerName
  readonly logger: Logger
}

/** Whether guests may join a room (Client-Server API, "Guest access"). */
export async function admitsGuests({ state }: Pick<Room, 'state'>, store: RoomStore): Promise<boolean> {
  return (await store.stateEvent(state, 'm.room.guest_access', ''))?.content.guest_access === 'can_join'
}

/** Has our guests leave a room that no longer lets guests in. */
export class GuestAccess {
  readonly #deps: GuestAccessDeps
  readonly #working = new Set<Promise<void>>()

  constructor(deps: GuestAccessDeps) {
    this.#deps = deps
    deps.store.onPublish((change) => this.#follow(change))
  }

  /** Resolves once everything published so far was followed. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working)
  }

  #follow({ records = [] }: Publication): void {
    const changed = records.filter(({ event }) => event.type === 'm.room.guest_access' && event.stateKey === '')
    for (const { event } of changed) {
      const work = this.#clear(event.roomId)
        .catch((failure: unknown) => this.#deps.logger.log('warn', 'cannot follow guest access', { reason: String(failure) }))
        .finally(() => this.#working.delete(work))
      this.#working.add(work)
    }
  }

  async #clear(roomId: RoomId): Promise<void> {
    const { store, membership, isGuest } = this.#deps
    const room = await store.room(roomId)
    if (!room || (await admitsGuests(room, store))) return
    for (const userId of await localMembers(room, this.#deps)) {
      if (await isGuest(userId)) await membership.leave({ userId, roomId })
    }
  }
}
