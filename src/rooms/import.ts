import { checkAuthEvents } from '../spec/auth-rules-auth-events.ts'
import { inCausalOrder } from '../spec/causal-order.ts'
import { type EventId, type RoomEvent, type StateKey, stateKeyOf } from '../spec/event.ts'
import { StateTrie } from '../spec/state-trie.ts'
import type { RoomDraft } from './room-draft.ts'

/** What the auth events that an event names say of it: `unknown` where one of them could not be had, so that nobody can say. */
export type AuthFinding = { readonly kind: 'allowed' | 'unknown' } | { readonly kind: 'rejected'; readonly reason: string }

/**
 * Judges an event by the auth events that it names (Server-Server API, "Checks performed on receipt of a PDU", 4). They must
 * have been fetched, as far as anybody gives them.
 */
export async function judgeByAuthEvents(draft: RoomDraft, event: RoomEvent): Promise<AuthFinding> {
  if (event.type === 'm.room.create') return { kind: 'allowed' }
  // From room version 12 on nothing cites the create event, whose hash the room's id is.
  const createId = draft.rules.roomId === 'create-event-hash' ? `$${event.roomId.slice(1)}` : undefined
  const found = await draft.findAnywhere([...event.authEvents, ...(createId === undefined ? [] : [createId])])
  const create = createId === undefined ? undefined : found.get(createId)
  const cited = event.authEvents.flatMap((eventId) => found.get(eventId) ?? [])
  if (cited.length < event.authEvents.length) return { kind: 'unknown' }
  const verdict = checkAuthEvents(draft.rules, event, cited, create)
  if (!verdict.allowed) return { kind: 'rejected', reason: verdict.reason }
  const state = new Map(cited.map(({ event: { type, stateKey, eventId } }) => [stateKeyOf(type, stateKey ?? ''), eventId]))
  if (create) state.set(stateKeyOf('m.room.create', ''), create.event.eventId)
  const allowed = await draft.judge(event, state)
  return allowed.allowed ? { kind: 'allowed' } : { kind: 'rejected', reason: allowed.reason }
}

/**
 * Takes verified events that stand outside the graph into the draft, each after its auth events, rejected where those forbid it.
 * One that cannot be judged, since its auth events are missing, is left out.
 */
export async function addOutliers(
  draft: RoomDraft,
  events: readonly RoomEvent[],
  { areNew = false }: { /** None of them is known, as the caller knows: a look in vain is dear. */ readonly areNew?: boolean } = {},
): Promise<void> {
  const known = areNew ? new Map() : await draft.find(events.map(({ eventId }) => eventId))
  // An auth chain and a state share events.
  const fresh = events.filter(({ eventId }) => !known.has(eventId))
  for (const event of outlierOrder(fresh)) {
    if (await draft.isImpostor(event)) continue
    const finding = await judgeByAuthEvents(draft, event)
    if (finding.kind !== 'unknown') await draft.addOutlier(event, finding.kind === 'rejected' ? finding.reason : undefined)
  }
}

/** Events so that each comes after its auth events. */
export function outlierOrder(events: readonly RoomEvent[]): RoomEvent[] {
  // All others build on the create event; from room version 12 on, without citing it.
  return inCausalOrder(events, ({ roomId, authEvents }) => [`$${roomId.slice(1)}`, ...authEvents])
}

/** The snapshot of the state events `eventIds`, all known to the draft; rejected ones have no place in a state. */
export async function snapshotOf(draft: RoomDraft, eventIds: readonly EventId[]): Promise<StateTrie> {
  return StateTrie.from(await stateEntries(draft, eventIds))
}

/** What state events, all known to the draft, hold; rejected ones have no place in a state. */
export async function stateEntries(draft: RoomDraft, eventIds: readonly EventId[]): Promise<(readonly [StateKey, EventId])[]> {
  const found = await draft.find(eventIds)
  return eventIds.flatMap((eventId) => {
    const known = found.get(eventId)
    return known && !known.rejected && known.event.stateKey !== undefined
      ? [[stateKeyOf(known.event.type, known.event.stateKey), eventId] as const]
      : []
  })
}
