import type { Write } from '../ports/storage.ts'
import { inCausalOrder } from '../spec/causal-order.ts'
import type { EventId, RoomEvent } from '../spec/event.ts'
import type { Gap, GapFiller, ToldState } from './gap-filler.ts'
import { addOutliers, judgeByAuthEvents, snapshotOf } from './import.ts'
import type { DraftEvent, RoomDraft } from './room-draft.ts'
import type { RoomQueue } from './room-queue.ts'

/** Verified events of one room that a server gave. */
export interface Arrival {
  /** Whom to ask for what they refer to. */
  readonly gap: Gap
  readonly events: readonly RoomEvent[]
  /** New to clients; back-filled events are not. */
  readonly live: boolean
  readonly distributedBy?: 'us'
  /** Why events must not be shown though the rules allow them. */
  readonly softFailures?: ReadonlyMap<EventId, string>
  /** Written in the commit that deals with the event. */
  readonly done?: ReadonlyMap<EventId, Write>
}

/** What became of an arrival. Events that had their place already are in neither list. */
export interface Outcome {
  readonly placed: readonly DraftEvent[]
  /** Those that nobody can judge yet: what they refer to is missing. */
  readonly waiting: readonly RoomEvent[]
}

/** What is known beyond the events themselves; grows as the network answers. */
interface Prepared {
  readonly authEvents: readonly RoomEvent[]
  /** The state before events whose previous events nobody gave us; `undefined` where nobody told it either. */
  readonly told: Map<EventId, ToldState | undefined>
}

/** How far one turn came: an event whose state has to be asked for, outside the room's queue, ends it. */
interface Progress extends Outcome {
  readonly next: number
  readonly lacking?: RoomEvent
}

/** Events decided in one turn and one commit. */
const turnLimit = 100
/** For how many events of one arrival others are asked for the state before them. */
const statesAsked = 5

/** Puts events of other servers into the graph: many in one turn and one commit, network only between the turns. */
export class EventPlacer {
  readonly #queue: RoomQueue
  readonly #gapFiller: GapFiller

  constructor(deps: { readonly queue: RoomQueue; readonly gapFiller: GapFiller }) {
    this.#queue = deps.queue
    this.#gapFiller = deps.gapFiller
  }

  /** Resolves with the decisions once all are durable. */
  async place(arrival: Arrival): Promise<Outcome> {
    const { gap } = arrival
    const events = inCausalOrder(arrival.events, ({ prevEvents }) => prevEvents)
    const prepared: Prepared = { authEvents: await this.#gapFiller.authEvents(gap, events), told: new Map() }
    const placed: DraftEvent[] = []
    const waiting: RoomEvent[] = []
    for (let next = 0; next < events.length; ) {
      const from = next
      const progress = await this.#queue.enqueue(gap.roomId, (draft) => placeFrom(draft, { arrival, events, prepared, from }))
      placed.push(...progress.placed)
      waiting.push(...progress.waiting)
      next = progress.next
      const { lacking } = progress
      if (lacking) prepared.told.set(lacking.eventId, await this.#stateBefore(lacking, gap, prepared))
    }
    return { placed, waiting }
  }

  /**
   * Judges events by the auth events that they name, before anything is done to find what came before them. Resolves with those
   * that pass; the others are kept, rejected, without a place.
   */
  async sift(gap: Gap, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const authEvents = await this.#gapFiller.authEvents(gap, events)
    return this.#queue.enqueue(gap.roomId, async (draft) => {
      await addOutliers(draft, authEvents)
      const passed: RoomEvent[] = []
      for (const event of events) {
        const finding = await judgeByAuthEvents(draft, event)
        if (finding.kind !== 'rejected') passed.push(event)
        else if (!(await draft.findAnywhere([event.eventId])).has(event.eventId)) await draft.addOutlier(event, finding.reason)
      }
      return passed
    })
  }

  async #stateBefore(event: RoomEvent, gap: Gap, { told }: Prepared): Promise<ToldState | undefined> {
    return told.size < statesAsked ? this.#gapFiller.stateBefore(gap, event) : undefined
  }
}

async function placeFrom(
  draft: RoomDraft,
  at: { readonly arrival: Arrival; readonly events: readonly RoomEvent[]; readonly prepared: Prepared; readonly from: number },
): Promise<Progress> {
  const { events, prepared, from } = at
  const { live, done, distributedBy, softFailures } = at.arrival
  await addOutliers(draft, [...prepared.authEvents, ...[...prepared.told.values()].flatMap((told) => told?.events ?? [])])
  const placed: DraftEvent[] = []
  const waiting: RoomEvent[] = []
  for (const [i, event] of events.slice(from, from + turnLimit).entries()) {
    const known = await draft.find([event.eventId, ...event.prevEvents])
    if (!known.get(event.eventId)?.placed && !(await draft.isImpostor(event))) {
      const lacksPrevious = event.prevEvents.some((eventId) => !known.get(eventId)?.placed)
      if (lacksPrevious && !prepared.told.has(event.eventId)) return { placed, waiting, next: from + i, lacking: event }
      const told = prepared.told.get(event.eventId)
      const decided =
        lacksPrevious && !told
          ? undefined
          : await placeOne(draft, event, { live, distributedBy, told, softFailure: softFailures?.get(event.eventId) })
      if (decided) placed.push(decided)
      else waiting.push(event)
      if (!decided) continue
    }
    const write = done?.get(event.eventId)
    if (write) draft.write(write)
  }
  return { placed, waiting, next: Math.min(events.length, from + turnLimit) }
}

/** Without its auth events an event cannot be judged: nothing is decided then. */
async function placeOne(
  draft: RoomDraft,
  event: RoomEvent,
  at: {
    readonly live: boolean
    readonly distributedBy: 'us' | undefined
    readonly told: ToldState | undefined
    readonly softFailure: string | undefined
  },
): Promise<DraftEvent | undefined> {
  const finding = await judgeByAuthEvents(draft, event)
  if (finding.kind === 'unknown') return undefined
  const { live, distributedBy, told, softFailure } = at
  return draft.place(event, {
    live,
    ...(distributedBy ? { distributedBy } : {}),
    ...(told ? { stateBefore: await snapshotOf(draft, told.state) } : {}),
    ...(softFailure === undefined ? {} : { softFailure }),
    ...(finding.kind === 'rejected' ? { rejection: finding.reason } : {}),
  })
}
