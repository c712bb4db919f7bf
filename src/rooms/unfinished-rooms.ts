import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import { remove, type Storage, type Write } from '../ports/storage.ts'
import { MatrixError } from '../spec/errors.ts'
import type { RoomId, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { unclosedRooms, unsentInvites } from '../storage/tables/rooms.ts'
import type { RoomMembership } from './membership.ts'
import type { RoomUpgrader } from './upgrade.ts'

/** Pauses before a server that could not be reached is asked again to take an invitation. */
const pausesMs: readonly number[] = [10_000, 60_000, 600_000, 3600_000]

interface Deps {
  readonly storage: Storage
  readonly clock: Clock
  readonly logger: Logger
  readonly membership: RoomMembership
  readonly upgrader: () => Promise<RoomUpgrader>
}

/** Does at a start what a crash left undone of making rooms: closes those that were replaced, and sends invitations. */
export class UnfinishedRooms {
  readonly #deps: Deps
  readonly #stopped = new AbortController()
  #inviting: Promise<unknown> = Promise.resolve()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Resolves once replaced rooms are closed; invitations, which other servers must take, go on. To be called once. */
  async start(): Promise<void> {
    const [closings, invites] = await this.#deps.storage.read([unclosedRooms, unsentInvites], (tx) =>
      Promise.all([tx.range(unclosedRooms, {}), tx.range(unsentInvites, {})]),
    )
    for (const [[roomId, replacement], userId] of closings) {
      const close = async () => (await this.#deps.upgrader()).close(roomId, replacement, userId)
      await this.#attempt(roomId, close, remove(unclosedRooms, [roomId, replacement]))
    }
    this.#inviting = Promise.all(invites.map(([[roomId, target], invite]) => this.#invite(roomId, { ...invite, target })))
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#inviting
  }

  async #invite(roomId: RoomId, invite: { readonly sender: UserId; readonly target: UserId; readonly content: JsonObject }): Promise<void> {
    const row = remove(unsentInvites, [roomId, invite.target])
    await this.#attempt(roomId, () => this.#persist({ ...invite, roomId, alongside: () => [row] }), row)
  }

  async #persist(invite: Parameters<RoomMembership['invite']>[0]): Promise<void> {
    for (const pauseMs of [...pausesMs, 0]) {
      try {
        return await this.#deps.membership.invite(invite)
      } catch (failure) {
        if (pauseMs === 0 || !(failure instanceof MatrixError && failure.status >= 500)) throw failure
      }
      await this.#deps.clock.sleep(pauseMs, this.#stopped.signal)
      if (this.#stopped.signal.aborted) return
    }
  }

  /** What the room or a server refuses is not wanted any more. */
  async #attempt(roomId: RoomId, finish: () => Promise<void>, row: Write): Promise<void> {
    try {
      await finish()
    } catch (failure) {
      if (!(failure instanceof MatrixError)) return
      this.#deps.logger.log('info', 'a room could not be finished', { roomId, reason: failure.message })
      await this.#deps.storage.commit([row], 'strict').catch(() => undefined)
    }
  }
}
