import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { canonicalJson } from '../spec/canonical-json.ts'
import { forbidden, notFound } from '../spec/errors.ts'
import type { EventId, RoomEvent } from '../spec/event.ts'
import type { SentTransaction } from '../storage/tables/rooms.ts'
import { buildLocalEvent, type LocalEvent } from './local-event.ts'
import { mayNeedPolicyServer, type PolicyServers } from './policy-servers.ts'
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
    readonly policyServers: PolicyServers
  }

  constructor(deps: {
    readonly queue: RoomQueue
    readonly store: RoomStore
    readonly clock: Clock
    readonly random: Random
    readonly signEvent: SignEvent
    readonly policyServers: PolicyServers
  }) {
    this.#deps = deps
  }

  /**
   * Sends one event; resolves with its id once it is durable. The same transaction of the same device is the same event, and so is
   * state that its sender sets to what they set it to before (as Synapse's `handlers/message.py` has it).
   * Throws `M_NOT_FOUND` for a room we are not in, `M_FORBIDDEN` with the rule that forbids it, `M_TOO_LARGE` or `M_BAD_JSON`,
   * or the refusal of the room's policy server.
   */
  async send(request: LocalEvent): Promise<EventId> {
    const sent = await this.#deps.queue.enqueue(request.roomId, async (draft) => {
      const repeated = (await this.#repeated(draft, request)) ?? (await this.#unchanged(draft, request))
      if (repeated === undefined && mayNeedPolicyServer(draft.state, request)) return undefined
      return repeated ?? (await this.sendIn(draft, request)).event.eventId
    })
    return sent ?? this.#sendSigned(request)
  }

  /**
   * Builds an event that others must sign before it takes its place in the room: allowed by the state now, and signed by the
   * room's policy server where it has one. Throws `M_FORBIDDEN`, or that server's refusal.
   */
  async build(request: LocalEvent): Promise<RoomEvent> {
    const { queue, store, policyServers } = this.#deps
    const event = await queue.enqueue(request.roomId, async (draft) => {
      if (!draft.exists) throw notFound('This room is not known here')
      const built = await buildLocalEvent(draft, request, this.#deps)
      const verdict = await draft.judge(built, draft.state)
      if (!verdict.allowed) throw forbidden(verdict.reason)
      return built
    })
    const room = await store.room(request.roomId)
    return room ? policyServers.sign(event, room) : event
  }

  /** Sends an event within a decision under way. */
  async sendIn(draft: RoomDraft, request: LocalEvent): Promise<DraftEvent> {
    if (!draft.exists) throw notFound('This room is not known here')
    return this.#place(draft, request, await buildLocalEvent(draft, request, this.#deps))
  }

  // The policy server is asked outside the queue, where others may have sent meanwhile.
  async #sendSigned(request: LocalEvent): Promise<EventId> {
    const event = await this.build(request)
    return this.#deps.queue.enqueue(request.roomId, async (draft) => {
      const repeated = await this.#repeated(draft, request)
      return repeated ?? (await this.#place(draft, request, event)).event.eventId
    })
  }

  async #place(draft: RoomDraft, request: LocalEvent, event: RoomEvent): Promise<DraftEvent> {
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

  /** The state event of the sender that says just this, and holds. */
  async #unchanged(draft: RoomDraft, request: LocalEvent): Promise<EventId | undefined> {
    const { type, stateKey, sender } = request
    if (!draft.exists || stateKey === undefined || request.stickyMs !== undefined) return undefined
    const current = await draft.stateEvent(draft.state, type, stateKey)
    if (current?.sender !== sender) return undefined
    const event = await buildLocalEvent(draft, request, this.#deps)
    if (canonicalJson(event.content) !== canonicalJson(current.content)) return undefined
    const isRedacted = (await this.#deps.store.event(current.eventId))?.stored.redactedBy !== undefined
    if (isRedacted || !(await draft.judge(event, draft.state)).allowed) return undefined
    draft.write(...(request.alongside?.(current.eventId) ?? []))
    return current.eventId
  }
}

function isSame(one: SentTransaction, other: SentTransaction): boolean {
  return one.userId === other.userId && one.deviceId === other.deviceId && one.endpoint === other.endpoint && one.id === other.id
}
