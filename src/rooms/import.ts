import { checkAuthEvents } from '../spec/auth-rules-auth-events.ts'
import type { EventId, RoomEvent } from '../spec/event.ts'
import { stateKeyOf } from '../spec/event.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { RoomDraft } from './room-draft.ts'

/**
 * Why the auth events that `event` names forbid it, or `undefined`. They must have been fetched: one that is still unknown
 * forbids it too (Server-Server API, "Checks performed on receipt of a PDU", 4).
 */
export async function rejectionByAuthEvents(draft: RoomDraft, event: RoomEvent): Promise<string | undefined> {
  if (event.type === 'm.room.create') return undefined
  const createId = `$${event.roomId.slice(1)}`
  const found = await draft.find([...event.authEvents, createId])
  const cited = event.authEvents.flatMap((eventId) => found.get(eventId) ?? [])
  if (cited.length < event.authEvents.length) return 'auth_events has an event that nobody could give us'
  const verdict = checkAuthEvents(draft.rules, event, cited, found.get(createId))
  if (!verdict.allowed) return verdict.reason
  const state = new Map(cited.map(({ event: { type, stateKey, eventId } }) => [stateKeyOf(type, stateKey ?? ''), eventId]))
  if (found.has(createId)) state.set(stateKeyOf('m.room.create', ''), createId)
  const allowed = await draft.judge(event, state)
  return allowed.allowed ? undefined : allowed.reason
}

/** Takes verified events that stand outside the graph into the draft, each after its auth events, rejected where those forbid it. */
export async function addOutliers(draft: RoomDraft, events: readonly RoomEvent[]): Promise<void> {
  const known = await draft.find(events.map(({ eventId }) => eventId))
  // An auth chain and a state share events.
  const fresh = new Map(events.filter(({ eventId }) => !known.has(eventId)).map((event) => [event.eventId, event]))
  for (const event of inAuthOrder([...fresh.values()])) await draft.addOutlier(event, await rejectionByAuthEvents(draft, event))
}

/** The snapshot of the state events `eventIds`, all known to the draft; rejected ones have no place in a state. */
export async function snapshotOf(draft: RoomDraft, eventIds: readonly EventId[]): Promise<StateTrie> {
  const found = await draft.find(eventIds)
  const entries = eventIds.flatMap((eventId) => {
    const known = found.get(eventId)
    return known && !known.rejected && known.event.stateKey !== undefined
      ? [[stateKeyOf(known.event.type, known.event.stateKey), eventId] as const]
      : []
  })
  return StateTrie.from(entries)
}

/** Events so that each comes after those of its auth events that are in the list; cycles cannot be, as ids are hashes. */
function inAuthOrder(events: readonly RoomEvent[]): RoomEvent[] {
  const listed = new Set(events.map(({ eventId }) => eventId))
  const citedBy = new Map<EventId, RoomEvent[]>()
  const waitsFor = new Map<EventId, number>()
  for (const event of events) {
    const cited = event.authEvents.filter((eventId) => listed.has(eventId))
    waitsFor.set(event.eventId, cited.length)
    for (const eventId of cited) appendTo(citedBy, eventId, event)
  }
  const first = events.filter(({ eventId }) => waitsFor.get(eventId) === 0)
  // All others build on the create event; from room version 12 on, without citing it.
  const ordered = first.sort((left, right) => Number(right.type === 'm.room.create') - Number(left.type === 'm.room.create'))
  for (const event of ordered) {
    for (const next of citedBy.get(event.eventId) ?? []) {
      const left = (waitsFor.get(next.eventId) ?? 0) - 1
      waitsFor.set(next.eventId, left)
      if (left === 0) ordered.push(next)
    }
  }
  return ordered
}

function appendTo<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}
