import type { EventId, UserId } from '../spec/event.ts'
import type { JsonObject } from '../spec/json.ts'
import type { EventAudience } from './client-event.ts'
import type { RoomViews } from './room-views.ts'

/** Sticky events in one answer; the next has those that follow. */
export const stickyLimit = 100

/**
 * Sticky events as clients read them: whoever is in the room gets them, whatever its history visibility says. Those that are `shown`
 * in the timeline are left out.
 */
export async function writeSticky(
  views: RoomViews,
  audience: EventAudience,
  told: { readonly eventIds: readonly EventId[]; readonly shown: ReadonlySet<EventId>; readonly ignored: ReadonlySet<UserId> },
): Promise<JsonObject[]> {
  if (told.eventIds.length === 0) return []
  const records = await views.store.events(told.eventIds)
  const written = [...records.values()].filter(
    ({ event, stored }) => stored.redactedBy === undefined && !told.shown.has(event.eventId) && !told.ignored.has(event.sender),
  )
  return views.events.write(
    written.sort((a, b) => a.position - b.position),
    audience,
  )
}
