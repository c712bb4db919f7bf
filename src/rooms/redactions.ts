import { put, type Write } from '../ports/storage.ts'
import type { EventId, RoomEvent, ServerName, StateMap } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import { powerLevelsOf } from '../spec/power-levels.ts'
import { eventPositions, events, pendingRedactions } from '../storage/tables/rooms.ts'
import type { RoomDraft } from './room-draft.ts'
import type { EventRecord, RoomStore } from './room-store.ts'

/** What the redactions in a draft, and those that waited for its events, change. */
export interface RedactionChange {
  /** Events of the draft itself that are redacted, with the redaction. */
  readonly ofDraft: ReadonlyMap<EventId, EventId>
  /** Stored events that are redacted now. */
  readonly records: readonly EventRecord[]
  readonly writes: readonly Write[]
}

/**
 * Applies redactions (room versions, "Handling redactions"): one that comes before its target waits for it; one whose sender
 * lacks the power changes nothing. Events of `serverName` are new when they are placed: no redaction can be waiting for them.
 */
export async function appliedRedactions(draft: RoomDraft, store: RoomStore, serverName: ServerName): Promise<RedactionChange> {
  const ofDraft = new Map<EventId, EventId>()
  const records: EventRecord[] = []
  const writes: Write[] = []
  for (const { event, stateBefore, status } of draft.added) {
    if (event.type !== 'm.room.redaction' || event.redacts === undefined || status !== 'accepted' || !stateBefore) continue
    const target = (await draft.find([event.redacts])).get(event.redacts)
    if (!target) writes.push(put(pendingRedactions, [event.redacts, event.eventId], true))
    else if (await mayRedact(draft, { event, stateBefore }, target.event)) {
      const stored = draft.added.some((added) => added.event.eventId === event.redacts) ? undefined : await store.event(event.redacts)
      if (!stored) ofDraft.set(event.redacts, event.eventId)
      else if (stored.stored.redactedBy === undefined) {
        const record = { ...stored, stored: { ...stored.stored, redactedBy: event.eventId } }
        records.push(record)
        // A packed event leaves its pack for that.
        writes.push(put(events, record.position, record.stored), put(eventPositions, event.redacts, record.position))
      }
    }
  }
  const fromOthers = new Map(
    draft.added.flatMap(({ event }) => (serverNameOf(event.sender) !== serverName ? [[event.eventId, event]] : [])),
  )
  const waiting = fromOthers.size > 0 ? await store.pendingRedactions([...fromOthers.keys()]) : new Map<EventId, EventId[]>()
  for (const [eventId, redactionIds] of waiting) {
    const target = fromOthers.get(eventId)
    const redactedBy = target ? await waitingRedaction(draft, { target, redactionIds }, store) : undefined
    if (redactedBy !== undefined) ofDraft.set(eventId, redactedBy)
  }
  return { ofDraft, records, writes }
}

async function waitingRedaction(
  draft: RoomDraft,
  { target, redactionIds }: { readonly target: RoomEvent; readonly redactionIds: readonly EventId[] },
  store: RoomStore,
): Promise<EventId | undefined> {
  for (const redactionId of redactionIds) {
    const record = await store.event(redactionId)
    if (!record) continue
    const redaction = { event: record.event, stateBefore: await store.stateBefore(record) }
    if (await mayRedact(draft, redaction, target)) return redactionId
  }
  return undefined
}

async function mayRedact(
  draft: RoomDraft,
  redaction: { readonly event: RoomEvent; readonly stateBefore: StateMap },
  target: RoomEvent,
): Promise<boolean> {
  if (redaction.event.roomId !== target.roomId || target.type === 'm.room.create') return false
  if (serverNameOf(redaction.event.sender) === serverNameOf(target.sender)) return true
  const create = await draft.stateEvent(redaction.stateBefore, 'm.room.create', '')
  const levels = powerLevelsOf(draft.rules, create, await draft.stateEvent(redaction.stateBefore, 'm.room.power_levels', ''))
  return levels.user(redaction.event.sender) >= levels.redact
}
