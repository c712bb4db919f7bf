import type { Clock } from '../ports/clock.ts'
import type { Write } from '../ports/storage.ts'
import type { EventId, RoomEvent, RoomId, ServerName } from '../spec/event.ts'

/** A PDU that was answered for, and is staged until it has been dealt with. */
export interface StagedEvent {
  readonly origin: ServerName
  readonly event: RoomEvent
  /** Takes it out of the staging table. */
  readonly done: Write
  /** How often it could not be judged. */
  readonly attempts: number
}

interface Waiting extends StagedEvent {
  /** Not tried again before, on our clock, unless what it refers to has come. */
  readonly notBefore: number
}

/** Events of a room that wait for what they refer to. */
const mostOfRoom = 100
/** How often such an event is tried. */
const mostAttempts = 8
const firstPauseMs = 30_000

/**
 * Events that nobody can judge yet, since nobody gave us what they refer to. They stay staged, and are tried again when that
 * has come, or after a while when anything else came to the room; only so many for each room, and only so often. Where there
 * are too many, the server that sent most of them gives way.
 */
export class WaitingEvents {
  readonly #clock: Clock
  readonly #ofRoom = new Map<RoomId, readonly Waiting[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Remembers events of one room, and answers those that are given up for it. */
  add(staged: readonly StagedEvent[]): StagedEvent[] {
    const roomId = staged[0]?.event.roomId
    if (roomId === undefined) return []
    const now = this.#clock.now()
    const kept = staged
      .filter(({ attempts }) => attempts + 1 < mostAttempts)
      .map((each) => ({ ...each, attempts: each.attempts + 1, notBefore: now + firstPauseMs * 2 ** each.attempts }))
    const waiting = [...(this.#ofRoom.get(roomId) ?? []), ...kept]
    const surplus: StagedEvent[] = []
    while (waiting.length > mostOfRoom) surplus.push(...waiting.splice(oldestOfBusiest(waiting), 1))
    this.#ofRoom.set(roomId, waiting)
    return [...staged.filter(({ attempts }) => attempts + 1 >= mostAttempts), ...surplus]
  }

  /** Those of the room that are worth another try after `placed` have come; they may be among these. */
  take(roomId: RoomId, placed: readonly EventId[]): StagedEvent[] {
    const waiting = this.#ofRoom.get(roomId)
    if (!waiting || placed.length === 0) return []
    const come = new Set(placed)
    const now = this.#clock.now()
    const isReady = ({ event, notBefore }: Waiting) =>
      notBefore <= now || [event.eventId, ...event.prevEvents, ...event.authEvents].some((eventId) => come.has(eventId))
    const left = waiting.filter((each) => !isReady(each))
    if (left.length === 0) this.#ofRoom.delete(roomId)
    else this.#ofRoom.set(roomId, left)
    return waiting.filter(isReady)
  }
}

/** Where the oldest event of the server stands that most of them are of. */
function oldestOfBusiest(waiting: readonly StagedEvent[]): number {
  const counts = new Map([...Map.groupBy(waiting, ({ origin }) => origin)].map(([origin, { length }]) => [origin, length]))
  const most = Math.max(...counts.values())
  return waiting.findIndex(({ origin }) => counts.get(origin) === most)
}
