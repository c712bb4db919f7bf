import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { put, remove, type Storage, StorageLost, type Write } from '../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import { forbidden, limitExceeded, notFound } from '../spec/errors.ts'
import { type EventId, type RoomId, stateKeyOf, type UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import { delayedEvents, type StoredDelayedEvent } from '../storage/tables/rooms.ts'
import type { LocalEvent } from './local-event.ts'
import type { EventRecord, RoomStore } from './room-store.ts'

/** What a delayed event may be: advertised to clients. */
export const delayLimits = { maxDelayMs: 24 * 3600_000, maxScheduled: 100 }

const idBytes = 24

interface Deps {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly store: RoomStore
  /** Sends an event as its user would. */
  readonly deliver: (event: Omit<LocalEvent, 'sender'> & { readonly userId: UserId }) => Promise<unknown>
}

/**
 * Events that are sent once a delay is over, unless their client goes on restarting it: how a call learns that someone is gone
 * (MSC4140, as Synapse's synapse/handlers/delayed_events.py serves it). Whoever knows a delay id may act on it. One that became
 * due while the homeserver was down is sent at the next start; the commit that sends it removes it.
 */
export class DelayedEvents {
  readonly #deps: Deps
  readonly #pending = new Map<string, StoredDelayedEvent>()
  readonly #stopped = new AbortController()
  #unsubscribe = (): void => undefined
  #pause = new AbortController()
  #running: Promise<void> | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Takes up what an earlier run left. To be called once. */
  async start(): Promise<void> {
    const { storage, store } = this.#deps
    for (const [id, event] of await storage.read([delayedEvents], (tx) => tx.range(delayedEvents, {}))) this.#pending.set(id, event)
    this.#unsubscribe = store.onPublish(({ records }) => {
      for (const record of records ?? []) this.#giveWayTo(record)
    })
    for (const [id, event] of [...this.#pending]) if (await this.#isOvertaken(event)) await this.#drop(id)
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#unsubscribe()
    this.#stopped.abort()
    this.#pause.abort()
    await this.#running
  }

  /**
   * Schedules an event; resolves with its delay id once that is durable. Throws `M_FORBIDDEN` for a delay that is too long or a
   * user who is not in the room, `M_LIMIT_EXCEEDED` where too many of the user's events wait.
   */
  async add(
    { userId }: { readonly userId: UserId },
    { roomId, type, stateKey, content, stickyMs, transaction }: Omit<LocalEvent, 'sender'>,
    { delayMs, keep = () => [] }: { readonly delayMs: number; readonly keep?: (answer: JsonObject) => readonly Write[] },
  ): Promise<string> {
    const { clock, random, storage, store } = this.#deps
    if (delayMs > delayLimits.maxDelayMs) throw forbidden(`An event waits ${delayLimits.maxDelayMs} ms at most`)
    if ((await store.memberships(userId)).get(roomId)?.membership !== 'join') throw forbidden('You are not in this room')
    const own = this.#of(userId)
    const repeated = transaction && own.find(([, { transaction: other }]) => isSame(other, transaction))
    if (repeated) return repeated[0]
    const now = clock.now()
    const [first] = own
    if (own.length >= delayLimits.maxScheduled && first) throw limitExceeded(Math.max(1, dueTs(first[1]) - now))
    const id = encodeUrlSafeBase64(random.bytes(idBytes))
    const event: StoredDelayedEvent = {
      ...{ userId, roomId, type, content, delayMs, runningSince: now, createdTs: now },
      ...(stateKey === undefined ? {} : { stateKey }),
      ...(stickyMs === undefined ? {} : { stickyMs }),
      ...(transaction ? { transaction } : {}),
    }
    this.#pending.set(id, event)
    try {
      await storage.commit([put(delayedEvents, id, event), ...keep({ delay_id: id })], 'strict')
    } catch (failure) {
      this.#pending.delete(id)
      throw failure
    }
    this.#pause.abort()
    return id
  }

  /** A user's delayed events, the next one first. */
  list(userId: UserId): JsonObject[] {
    return this.#of(userId).map(([id, { roomId, type, stateKey, delayMs, runningSince, content }]) => ({
      delay_id: id,
      room_id: roomId,
      type,
      ...(stateKey === undefined ? {} : { state_key: stateKey }),
      delay: delayMs,
      running_since: runningSince,
      content,
    }))
  }

  /** Begins an event's delay anew. Throws `M_NOT_FOUND`. */
  async restart(id: string): Promise<void> {
    const event = { ...this.#get(id), runningSince: this.#deps.clock.now() }
    this.#pending.set(id, event)
    await this.#deps.storage.commit([put(delayedEvents, id, event)], 'strict')
  }

  /** Throws `M_NOT_FOUND`. */
  async cancel(id: string): Promise<void> {
    this.#get(id)
    await this.#drop(id)
  }

  /** Sends an event at once. Throws `M_NOT_FOUND`, or why it may not be sent. */
  async send(id: string): Promise<void> {
    await this.#send(id, this.#get(id))
  }

  #of(userId: UserId): [string, StoredDelayedEvent][] {
    return [...this.#pending].filter(([, event]) => event.userId === userId).sort(([, a], [, b]) => dueTs(a) - dueTs(b))
  }

  #get(id: string): StoredDelayedEvent {
    const event = this.#pending.get(id)
    if (!event) throw notFound('There is no such delayed event')
    return event
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#deps
    while (!this.#stopped.signal.aborted) {
      this.#pause = new AbortController()
      const [next] = [...this.#pending].sort(([, a], [, b]) => dueTs(a) - dueTs(b))
      const waitMs = next ? dueTs(next[1]) - clock.now() : delayLimits.maxDelayMs
      if (!next || waitMs > 0) {
        await clock.sleep(waitMs, this.#pause.signal)
        continue
      }
      try {
        await this.#send(...next)
      } catch (failure) {
        if (failure instanceof StorageLost) return
        logger.log('info', 'a delayed event could not be sent', { roomId: next[1].roomId, reason: String(failure) })
      }
    }
  }

  async #send(id: string, event: StoredDelayedEvent): Promise<void> {
    // From here on nobody can act on it any more.
    this.#pending.delete(id)
    const { userId, roomId, type, stateKey, content, stickyMs } = event
    try {
      await this.#deps.deliver({
        ...{ userId, roomId, type, content },
        ...(stateKey === undefined ? {} : { stateKey }),
        ...(stickyMs === undefined ? {} : { stickyMs }),
        alongside: () => [remove(delayedEvents, id)],
      })
    } catch (failure) {
      if (!(failure instanceof StorageLost)) await this.#drop(id)
      throw failure
    }
  }

  async #drop(id: string): Promise<void> {
    this.#pending.delete(id)
    await this.#deps.storage.commit([remove(delayedEvents, id)], 'strict')
  }

  /** What somebody else says of a piece of state takes the place of what was to be said of it. */
  #giveWayTo({ event, stored }: EventRecord): void {
    if (event.stateKey === undefined || !stored.live || stored.status !== 'accepted') return
    for (const [id, delayed] of this.#pending) {
      if (isOf(delayed, event) && delayed.userId !== event.sender) void this.#drop(id).catch(() => undefined)
    }
  }

  async #isOvertaken({ userId, roomId, type, stateKey, createdTs }: StoredDelayedEvent): Promise<boolean> {
    if (stateKey === undefined) return false
    const { store } = this.#deps
    const eventId: EventId | undefined = (await store.room(roomId))?.state.get(stateKeyOf(type, stateKey))
    const current = eventId === undefined ? undefined : await store.event(eventId)
    return current !== undefined && current.event.sender !== userId && current.stored.receivedTs > createdTs
  }
}

function dueTs({ runningSince, delayMs }: StoredDelayedEvent): number {
  return runningSince + delayMs
}

function isOf(delayed: StoredDelayedEvent, event: { readonly roomId: RoomId; readonly type: string; readonly stateKey?: string }): boolean {
  return delayed.roomId === event.roomId && delayed.type === event.type && delayed.stateKey === event.stateKey
}

function isSame(one: StoredDelayedEvent['transaction'], other: NonNullable<StoredDelayedEvent['transaction']>): boolean {
  return one?.deviceId === other.deviceId && one.endpoint === other.endpoint && one.id === other.id
}
