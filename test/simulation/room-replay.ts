import type { EventRecord } from '../../src/rooms/room-store.ts'
import type { EventId, RoomEvent } from '../../src/spec/event.ts'
import { StateTrie } from '../../src/spec/state-trie.ts'
import type { RoomModel } from './room-model.ts'
import { comesBack, isPlaced, type RoomView } from './room-view.ts'

/** What the rules make of a room for a server to which the events came in this order. */
export interface Replayed {
  readonly softFailed: ReadonlySet<EventId>
  readonly extremities: ReadonlySet<EventId>
  readonly state: StateTrie
}

/**
 * Replays the order in which events found their places on one server (Server-Server API, "Checks performed on receipt of a
 * PDU" and "Soft failure"): which of them the state of the room at that time forbids, and what the room became.
 */
export function replay(model: RoomModel, view: RoomView): Replayed {
  const softFailed = new Set<EventId>()
  const referenced = new Set<EventId>()
  let extremities = new Set<EventId>()
  let state = StateTrie.empty
  for (const record of view.records.filter(isPlaced)) {
    const { event, stored } = record
    const judgement = model.judged.get(event.eventId)
    if (!judgement || judgement.rejected) continue
    if (comesBack(record)) extremities = remaining(extremities, record, model)
    const isNew = stored.live || stored.status === 'soft-failed'
    // The server that let us in told us the state there, which is as good as an end of the graph.
    const current = comesBack(record) ? model.stateAfter([...extremities], judgement.stateBefore) : state
    const isForbiddenNow = isNew && extremities.size > 0 && !model.isAllowed(event, current)
    if (isForbiddenNow) {
      softFailed.add(event.eventId)
      continue
    }
    const isReferenced = referenced.has(event.eventId)
    const before = superseded(event, (eventId) => softFailed.has(eventId) || model.judged.get(eventId)?.rejected === true, model)
    for (const eventId of before) referenced.add(eventId)
    if (!isNew) continue
    const others = [...extremities].filter((eventId) => !before.has(eventId))
    if (isReferenced && others.length === extremities.size) continue
    extremities = new Set(isReferenced ? others : [...others, event.eventId])
    state = model.stateAfter([...extremities])
  }
  return { softFailed, extremities, state }
}

/**
 * What stays an end of the graph beside a join through another server: what does not come before it. A server that was away for
 * so long that nobody can tell keeps none.
 */
function remaining(extremities: ReadonlySet<EventId>, { event, stored }: EventRecord, model: RoomModel): Set<EventId> {
  const before = model.reaches([event.eventId])
  const beside = [...extremities].filter((eventId) => !before.has(eventId))
  const merged = model.stateAfter([...beside, event.eventId])
  return new Set((stored.roomAfter ?? stored.stateAfter) === merged.root ? beside : [])
}

/** The events before one, directly or through those that can be no extremities. */
function superseded(event: RoomEvent, isAside: (eventId: EventId) => boolean, model: RoomModel): Set<EventId> {
  const before = new Set(event.prevEvents)
  for (const eventId of before) {
    if (isAside(eventId)) for (const further of model.judged.get(eventId)?.event.prevEvents ?? []) before.add(further)
  }
  return before
}
