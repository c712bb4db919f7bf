import type { EventRecord, RoomStore } from '../rooms/room-store.ts'
import { authChain as walkAuthChain } from '../spec/auth-chain.ts'
import type { EventId, RoomId } from '../spec/event.ts'
import { rulesOf } from '../spec/room-version.ts'

/** Bounds what one request can make us read. */
const mostVisited = 50_000

/**
 * The auth events of the given ones, and theirs, recursively; the given ones only where they are among those. The create event,
 * which from room version 12 on no event cites, is among them.
 */
export async function authChain(store: RoomStore, eventIds: Iterable<EventId>): Promise<EventRecord[]> {
  const starts = [...(await store.events(eventIds)).values()]
  const creates = new Set(starts.filter(citesNoCreate).map(({ event }) => event.roomId.replace('!', '$')))
  const walk = walkAuthChain(starts.map(({ event }) => event))
  let step = walk.next()
  while (!step.done) {
    const found = await store.events(step.value)
    step = walk.next(new Map([...found].map(([eventId, { event }]) => [eventId, event])))
  }
  return [...(await store.events(new Set([...step.value.keys(), ...creates]))).values()]
}

function citesNoCreate({ stored }: EventRecord): boolean {
  return rulesOf(stored.version)?.roomId === 'create-event-hash'
}

/**
 * The newest `limit` events of the room at and before `from`: walks back through `prev_events`, deepest first. Rejected events
 * and outliers are walked through, but not among the answer.
 */
export async function eventsBefore(
  store: RoomStore,
  at: { readonly roomId: RoomId; readonly from: readonly EventId[]; readonly limit: number },
): Promise<EventRecord[]> {
  const seen = new Set<EventId>(at.from)
  const found: EventRecord[] = []
  const frontier = await inRoom(store, at.roomId, at.from)
  while (frontier.length > 0 && found.length < at.limit && seen.size < mostVisited) {
    frontier.sort((a, b) => b.event.depth - a.event.depth || b.position - a.position)
    const [deepest] = frontier.splice(0, 1)
    if (!deepest) break
    if (isShared(deepest)) found.push(deepest)
    const before = deepest.event.prevEvents.filter((eventId) => !seen.has(eventId))
    for (const eventId of before) seen.add(eventId)
    frontier.push(...(await inRoom(store, at.roomId, before)))
  }
  return found
}

/**
 * The events between `earliest` and `latest`, both left out: breadth first from the latest, at most `limit`, in the order
 * oldest first.
 */
export async function eventsBetween(
  store: RoomStore,
  gap: {
    readonly roomId: RoomId
    readonly earliest: readonly EventId[]
    readonly latest: readonly EventId[]
    readonly limit: number
    readonly minDepth: number
  },
): Promise<EventRecord[]> {
  const seen = new Set<EventId>([...gap.earliest, ...gap.latest])
  const found: EventRecord[] = []
  let frontier = await inRoom(store, gap.roomId, gap.latest)
  while (frontier.length > 0 && found.length < gap.limit && seen.size < mostVisited) {
    const before = [...new Set(frontier.flatMap(({ event }) => event.prevEvents))].filter((eventId) => !seen.has(eventId))
    for (const eventId of before) seen.add(eventId)
    frontier = (await inRoom(store, gap.roomId, before)).filter(({ event }) => event.depth >= gap.minDepth)
    found.push(...frontier.filter(isShared))
  }
  return found.slice(0, gap.limit).sort((a, b) => a.event.depth - b.event.depth || a.position - b.position)
}

async function inRoom(store: RoomStore, roomId: RoomId, eventIds: readonly EventId[]): Promise<EventRecord[]> {
  const records = await store.events(eventIds)
  return [...records.values()].filter(({ event }) => event.roomId === roomId)
}

/** Whether it is part of the graph that servers share: soft-failed events are, since others may build on them. */
function isShared({ stored }: EventRecord): boolean {
  return stored.status === 'accepted' || stored.status === 'soft-failed'
}
