import type { Write } from '../ports/storage.ts'
import type { EventId, RoomEvent, RoomId, ServerName } from '../spec/event.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import type { GapFiller, ToldState } from './gap-filler.ts'
import { addOutliers, rejectionByAuthEvents, snapshotOf } from './import.ts'
import type { DraftEvent, RoomDraft } from './room-draft.ts'
import type { RoomQueue } from './room-queue.ts'

/** Verified events of one room that a server gave, each after those it refers to. */
export interface Arrival {
  readonly origin: ServerName
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
  readonly events: readonly RoomEvent[]
  /** New to clients; back-filled events are not. */
  readonly live: boolean
  readonly distributedBy?: 'us'
  /** Written in the commit that deals with the event. */
  readonly done?: ReadonlyMap<EventId, Write>
}

/** What is known beyond the events themselves; grows as the network answers. */
interface Prepared {
  readonly authEvents: readonly RoomEvent[]
  /** The state before events whose previous events nobody gave us; `undefined` where nobody told it either. */
  readonly told: Map<EventId, ToldState | undefined>
}

/** How far one turn came: an event whose state has to be asked for, outside the room's queue, ends it. */
interface Progress {
  readonly placed: readonly DraftEvent[]
  readonly next: number
}

/** Puts events of other servers into the graph: many in one turn and one commit, network only between the turns. */
export class EventPlacer {
  readonly #queue: RoomQueue
  readonly #gapFiller: GapFiller

  constructor(deps: { readonly queue: RoomQueue; readonly gapFiller: GapFiller }) {
    this.#queue = deps.queue
    this.#gapFiller = deps.gapFiller
  }

  /** Resolves with the decisions once all are durable; events that had their place already are left out. */
  async place(arrival: Arrival): Promise<DraftEvent[]> {
    const { origin, roomId, rules, events } = arrival
    const prepared: Prepared = { authEvents: await this.#gapFiller.authEvents(origin, events, rules), told: new Map() }
    const placed: DraftEvent[] = []
    let next = 0
    while (next < events.length) {
      const from = next
      const progress = await this.#queue.enqueue(roomId, (draft) => placeFrom(draft, { arrival, prepared, from }))
      placed.push(...progress.placed)
      next = progress.next
      const lacking = events[next]
      if (lacking) prepared.told.set(lacking.eventId, await this.#gapFiller.stateBefore(origin, lacking, rules))
    }
    return placed
  }
}

async function placeFrom(
  draft: RoomDraft,
  { arrival, prepared, from }: { readonly arrival: Arrival; readonly prepared: Prepared; readonly from: number },
): Promise<Progress> {
  const { events, done } = arrival
  await addOutliers(draft, [...prepared.authEvents, ...[...prepared.told.values()].flatMap((told) => told?.events ?? [])])
  const placed: DraftEvent[] = []
  for (let next = from; next < events.length; next++) {
    const event = events[next]
    if (!event) break
    const known = await draft.find([event.eventId, ...event.prevEvents])
    if (!known.get(event.eventId)?.placed) {
      const lacksPrevious = event.prevEvents.some((eventId) => !known.get(eventId)?.placed)
      if (lacksPrevious && !prepared.told.has(event.eventId)) return { placed, next }
      const decided = await placeOne(draft, event, { arrival, told: prepared.told.get(event.eventId), lacksPrevious })
      if (decided) placed.push(decided)
    }
    const write = done?.get(event.eventId)
    if (write) draft.write(write)
  }
  return { placed, next: events.length }
}

async function placeOne(
  draft: RoomDraft,
  event: RoomEvent,
  { arrival, told, lacksPrevious }: { readonly arrival: Arrival; readonly told: ToldState | undefined; readonly lacksPrevious: boolean },
): Promise<DraftEvent | undefined> {
  const rejection = await rejectionByAuthEvents(draft, event)
  // Without the state before it an event cannot be judged: it is kept, and placed when another event leads to it again.
  if (lacksPrevious && !told) {
    await draft.addOutlier(event, rejection)
    return undefined
  }
  return draft.place(event, {
    live: arrival.live,
    ...(arrival.distributedBy ? { distributedBy: arrival.distributedBy } : {}),
    ...(told ? { stateBefore: await snapshotOf(draft, told.state) } : {}),
    ...(rejection === undefined ? {} : { rejection }),
  })
}
