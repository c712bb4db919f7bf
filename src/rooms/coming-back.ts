import type { EventId, RoomEvent } from '../spec/event.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import type { GapFiller } from './gap-filler.ts'
import { headsBeside } from './graph-ends.ts'
import type { RoomDraft } from './room-draft.ts'
import type { RoomStore } from './room-store.ts'

/** What happened in a room between our leaving it and the join that brings us back. */
export interface Absence {
  /** The join, and what is known to come before it. */
  readonly events: readonly RoomEvent[]
  /** They lead back to what we had: nothing else comes before the join. */
  readonly isWhole: boolean
}

/**
 * Asks `via` and others for what came before our join, as far back as we know the room, within bounds: the server that let us in
 * may not have heard yet that we had left. Nothing is asked for a room that is new here.
 */
export async function absenceBefore(
  join: RoomEvent,
  { via, rules }: { readonly via: string; readonly rules: RoomVersionRules },
  { store, gapFiller }: { readonly store: RoomStore; readonly gapFiller: GapFiller },
): Promise<Absence> {
  const { roomId } = join
  const { forwardExtremities = [] } = (await store.room(roomId)) ?? {}
  const isNext = forwardExtremities.every((eventId) => join.prevEvents.includes(eventId))
  if (isNext) return { events: [join], isWhole: true }
  const gap = await gapFiller.open(via, { roomId, rules })
  const events = [join, ...(await gapFiller.missingEvents(gap, [join]))]
  return { events, isWhole: await gapFiller.isWhole(roomId, events) }
}

/**
 * The ends of the graph that stay ends beside the join: those that do not come before it. Where nobody can tell, since the room
 * went on for long without us, none does, unless users of ours were in it all the time (`isResident`).
 */
export async function remainingEnds(draft: RoomDraft, { events, isWhole }: Absence, isResident: boolean): Promise<ReadonlySet<EventId>> {
  let ends = draft.forwardExtremities
  for (const event of events) ends = new Set(await headsBeside(event, ends, draft))
  return isWhole || isResident ? ends : new Set()
}
