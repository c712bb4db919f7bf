import { put } from '../ports/storage.ts'
import { unknownError } from '../spec/errors.ts'
import type { EventId, Pdu, RoomEvent, RoomId, StateKey } from '../spec/event.ts'
import { serverNameOf } from '../spec/identifiers.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { StateTrie } from '../spec/state-trie.ts'
import { stateNodes, unfinishedJoins } from '../storage/tables/rooms.ts'
import { addOutliers, outlierOrder, stateEntries } from './import.ts'
import { receivePdus } from './incoming.ts'
import type { ReportJoin } from './join-progress.ts'
import { packedOf } from './packed-outliers.ts'
import type { EventVerifier, SendJoinResult } from './remote.ts'
import type { RoomQueue } from './room-queue.ts'
import type { RoomStore } from './room-store.ts'

/** Events whose signatures are checked at once. */
const checkedAtOnce = 2_000
/** Events that are kept in one commit. */
const storedAtOnce = 500
/** Nodes of the state's snapshot that are kept in one commit. */
const nodesAtOnce = 1_000

interface JoinedRoom {
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
}

interface ImportDeps {
  readonly queue: RoomQueue
  readonly store: RoomStore
  readonly verifier: EventVerifier
  readonly report: ReportJoin
}

/**
 * Takes in the state of a room that is being joined, with its auth chain: checks all signatures, then keeps the events, in
 * bounded batches and commits. Nobody sees anything of it before the join itself is placed; what an interrupted join leaves
 * behind goes with the next start ({@link discardUnfinishedJoins}). Resolves with the snapshot.
 */
export async function importRoom(
  told: Pick<SendJoinResult, 'state' | 'authChain'>,
  room: JoinedRoom,
  deps: ImportDeps,
): Promise<StateTrie> {
  const { events, stateIds } = await checked(told, room, deps)
  const ordered = outlierOrder([...events.values()])
  const entries: (readonly [StateKey, EventId])[] = []
  for (let from = 0; from < ordered.length; from += storedAtOnce) {
    deps.report({ stage: 'storing', done: from, total: ordered.length })
    const batch = ordered.slice(from, from + storedAtOnce)
    const ofState = batch.flatMap(({ eventId }) => (stateIds.has(eventId) ? [eventId] : []))
    entries.push(...(await keepEvents(batch, ofState, { room, queue: deps.queue })))
  }
  const snapshot = StateTrie.from(entries)
  await keepSnapshot(snapshot, room.roomId, deps)
  return snapshot
}

/** The events that are what they say. */
async function checked(told: Pick<SendJoinResult, 'state' | 'authChain'>, room: JoinedRoom, { verifier, report }: ImportDeps) {
  const given = [...told.state.map((pdu) => ({ pdu, isState: true })), ...told.authChain.map((pdu) => ({ pdu, isState: false }))]
  // Server by server, so that a server whose key cannot be had is waited for once.
  const byServer = [...Map.groupBy(given, ({ pdu }) => senderServer(pdu)).values()].flat()
  const events = new Map<EventId, RoomEvent>()
  const stateIds = new Set<EventId>()
  for (let from = 0; from < byServer.length; from += checkedAtOnce) {
    report({ stage: 'checking', done: from, total: byServer.length })
    const batch = byServer.slice(from, from + checkedAtOnce)
    const received = await receivePdus(
      batch.map(({ pdu }) => pdu),
      room,
      verifier,
    )
    for (const [i, result] of received.entries()) {
      if ('error' in result) continue
      events.set(result.event.eventId, result.event)
      if (batch[i]?.isState) stateIds.add(result.event.eventId)
    }
  }
  return { events, stateIds }
}

/** Keeps a batch in one commit; answers what its events are of the room's state. */
function keepEvents(
  batch: readonly RoomEvent[],
  ofState: readonly EventId[],
  { room, queue }: { readonly room: JoinedRoom; readonly queue: RoomQueue },
): Promise<(readonly [StateKey, EventId])[]> {
  return queue.enqueue(room.roomId, async (draft) => {
    if (!draft.exists) draft.begin(room.rules)
    if (draft.rules !== room.rules) throw unknownError(`The room is not of version ${room.rules.version}`, 502)
    const before = draft.added.length
    await addOutliers(draft, batch)
    const added = draft.added.slice(before)
    const packed = new Set(packedOf(draft))
    const single = added.filter((each) => !packed.has(each)).map(({ event }) => event.eventId)
    if (!draft.before && added[0]) draft.write(put(unfinishedJoins, [room.roomId, added[0].event.eventId], single))
    return stateEntries(draft, ofState)
  })
}

/** Keeps the nodes of a snapshot before anything refers to it. They are named by their content: nobody sees, nothing contradicts them. */
async function keepSnapshot(snapshot: StateTrie, roomId: RoomId, { queue, store }: Pick<ImportDeps, 'queue' | 'store'>): Promise<void> {
  const nodes = [...snapshot.newNodes((hash) => store.hasNode(hash))]
  for (let from = 0; from < nodes.length; from += nodesAtOnce) {
    const batch = nodes.slice(from, from + nodesAtOnce)
    await queue.enqueue(roomId, async (draft) => draft.write(...batch.map(([hash, node]) => put(stateNodes, hash, node))))
  }
  store.publish({ nodes: nodes.map(([hash]) => hash) })
}

function senderServer({ sender }: Pdu): string | undefined {
  return typeof sender === 'string' ? serverNameOf(sender) : undefined
}
