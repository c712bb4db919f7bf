import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { forbidden, notFound } from '../spec/errors.ts'
import type { EventId } from '../spec/event.ts'
import type { SentTransaction } from '../storage/tables/rooms.ts'
import { buildLocalEvent, type LocalEvent } from './local-event.ts'
import type { SignEvent } from './remote.ts'
import type { DraftEvent, RoomDraft } from './room-draft.ts'
import type { RoomQueue } from './room-queue.ts'
import type { RoomStore } from './room-store.ts'

export type { LocalEvent } from './local-event.ts'

/** Sends the events of local users. */
export class RoomSender {
  readonly #deps: {
    readonly queue: RoomQueue
    readonly store: RoomStore
    readonly clock: Clock
    readonly random: Random
    readonly signEvent: SignEvent
  }

  constructor(deps: {
    readonly queue: RoomQueue
    readonly store: RoomStore
    readonly clock: Clock
    readonly random: Random
    readonly signEvent: SignEvent
  }) {
    this.#deps = deps
  }

  /**
   * Sends one event; resolves with its id once it is durable. The same transaction of the same device is the same event.
   * Throws `M_NOT_FOUND` for a room we are not in, `M_FORBIDDEN` with the rule that forbids it, `M_TOO_LARGE` or `M_BAD_JSON`.
   */
  async send(request: LocalEvent): Promise<EventId> {
    return this.#deps.queue.enqueue(request.roomId, async (draft) => {
      const repeated = await this.#repeated(draft, request)
      return repeated ?? (await this.sendIn(draft, request)).event.eventId
    })
  }

  /** Sends an event within a decision under way. */
  async sendIn(draft: RoomDraft, request: LocalEvent): Promise<DraftEvent> {
    if (!draft.exists) throw notFound('This room is not known here')
    const event = await buildLocalEvent(draft, request, this.#deps)
    const { transaction } = request
    const placed = await draft.place(event, {
      live: true,
      isOwn: true,
      ...(transaction ? { transaction: { ...transaction, userId: request.sender } } : {}),
    })
    if (placed.status !== 'accepted') throw forbidden(placed.reason ?? 'The room does not allow it')
    draft.write(...(request.alongside?.(event.eventId) ?? []))
    return placed
  }

  async #repeated(draft: RoomDraft, { sender, transaction }: LocalEvent): Promise<EventId | undefined> {
    if (!transaction) return undefined
    const sent = { ...transaction, userId: sender }
    const waiting = draft.added.find(({ transaction: other }) => other && isSame(other, sent))
    return waiting?.event.eventId ?? (await this.#deps.store.transaction(draft.roomId, sent))
  }
}

function isSame(one: SentTransaction, other: SentTransaction): boolean {
  return one.userId === other.userId && one.deviceId === other.deviceId && one.endpoint === other.endpoint && one.id === other.id
}
