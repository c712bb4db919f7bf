import { type EventId, type StateKey, stateKeyOf } from '../../src/spec/event.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/spec/json.ts'

/** What one `/sync` showed of a room. */
interface ShownTimeline {
  readonly eventIds: readonly EventId[]
  /** The whole state came with it: the user has come to the room, or come back, and it stands apart from what was shown before. */
  readonly startsAfresh: boolean
}

/** What one client was shown of a room by `/sync`. */
export class ShownRoom {
  /** The timelines, in the order in which they came. */
  readonly timelines: ShownTimeline[] = []
  /** Where limited timelines said that `/messages` goes on. */
  readonly gaps: string[] = []
  /** The user's own memberships among what the `leave` section told: that of an invitation's end may be all that a server has. */
  readonly ends = new Set<EventId>()
  /** The room's state as the client knows it. */
  readonly state = new Map<StateKey, EventId>()

  joined(room: JsonObject): void {
    const state = eventsOf(room.state_after)
    for (const { type, state_key: stateKey, event_id: eventId } of state) {
      if (typeof type === 'string' && typeof stateKey === 'string') this.state.set(stateKeyOf(type, stateKey), String(eventId))
    }
    this.#take(room)
  }

  /** The user left, maybe after coming back unseen: what happens from now on is not told. */
  left(room: JsonObject, userId: string): void {
    const told = isObject(room.timeline) ? eventsOf(room.timeline) : []
    for (const { state_key: stateKey, event_id: eventId } of told) if (stateKey === userId) this.ends.add(String(eventId))
    this.#take(room)
    this.state.clear()
  }

  #take({ timeline, state_after: stateAfter }: JsonObject): void {
    if (!isObject(timeline)) return
    const startsAfresh = eventsOf(stateAfter).some(({ type }) => type === 'm.room.create')
    const limited = timeline.limited === true
    if (limited && typeof timeline.prev_batch === 'string') this.gaps.push(timeline.prev_batch)
    const eventIds = eventsOf(timeline).map(({ event_id: eventId }) => String(eventId))
    this.timelines.push({ eventIds, startsAfresh })
  }
}

function eventsOf(section: JsonValue | undefined): JsonObject[] {
  const events = isObject(section) ? section.events : undefined
  return Array.isArray(events) ? events.filter(isObject) : []
}
