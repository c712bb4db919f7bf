import { put, type Storage } from '../ports/storage.ts'
import { unknownError } from '../spec/errors.ts'
import type { EventId, RoomEvent, RoomId, StateKey } from '../spec/event.ts'
import type { RoomVersionRules } from '../spec/room-version.ts'
import { StateTrie } from '../spec/state-trie.ts'
import { stateNodes, unfinishedJoins } from '../storage/tables/rooms.ts'
import { addOutliers, outlierOrder, stateEntries } from './import.ts'
import type { ReportJoin } from './join-progress.ts'
import { packedOf } from './packed-outliers.ts'
import type { EventVerifier, StateReader, ToldState } from './remote.ts'
import type { RoomQueue } from './room-queue.ts'
import type { RoomStore } from './room-store.ts'
import { ToldEvents } from './told-events.ts'
import { isJoinUnfinished, leftOfJoin } from './unfinished-joins.ts'

/** Events that are kept in one commit. */
const storedAtOnce = 1_000
/** Nodes of the state's snapshot that are kept in one commit. */
const nodesAtOnce = 1_000

interface JoinedRoom {
  readonly roomId: RoomId
  readonly rules: RoomVersionRules
}

interface ImportDeps {
  readonly storage: Storage
  readonly queue: RoomQueue
  readonly store: RoomStore
  readonly verifier: EventVerifier
  readonly report: ReportJoin
}

/**
 * Takes in the state of a room that is being joined, with its auth chain, while another server tells it: checks all signatures,
 * and keeps the events whose auth events are there, in bounded batches and commits, one beside the other. Nobody sees anything
 * of it before the join itself is placed.
 */
export class JoinImport implements StateReader {
  readonly #room: JoinedRoom
  readonly #deps: ImportDeps
  readonly #events: ToldEvents
  /** Which events hold the state, as the answer says that is read now. */
  #stateIds = new Set<EventId>()
  /** Checked events that are not kept yet, and the ids of those that are. */
  #ready: RoomEvent[] = []
  readonly #kept = new Set<EventId>()
  /** What the kept events hold of a state. */
  readonly #entries = new Map<EventId, StateKey>()
  #keeping: Promise<void> = Promise.resolve()
  /** Whether nothing of the room can be known yet. */
  #isNew: boolean | undefined
  #isOver = false
  #toldCount = 0
  #checkedCount = 0

  constructor(room: JoinedRoom, deps: ImportDeps) {
    this.#room = room
    this.#deps = deps
    this.#events = new ToldEvents({
      room,
      verifier: deps.verifier,
      take: (events) => this.#takeChecked(events),
      checked: (count) => {
        this.#checkedCount += count
      },
    })
  }

  begin(): void {
    this.#stateIds = new Set()
  }

  async take({ state, authChain }: ToldState): Promise<void> {
    if (this.#isOver) throw new Error('the join has been given up')
    const stateIds = this.#stateIds
    this.#toldCount += state.length + authChain.length
    await this.#events.add([
      ...state.map((pdu) => ({ pdu, sound: (eventId: EventId) => void stateIds.add(eventId) })),
      ...authChain.map((pdu) => ({ pdu, sound: () => undefined })),
    ])
  }

  /** Resolves with the snapshot once all that was told is kept, but for what is not sound. */
  async end(): Promise<StateTrie> {
    await this.#events.end()
    this.#keep(0)
    await this.#keeping
    // What is left cites what nobody told, or what is left as well.
    const last = outlierOrder(this.#ready.splice(0))
    for (let from = 0; from < last.length; from += storedAtOnce) await this.#keepBatch(last.slice(from, from + storedAtOnce))
    const { report } = this.#deps
    report({ stage: 'storing', done: this.#kept.size, total: this.#kept.size })
    const snapshot = StateTrie.from(
      [...this.#stateIds].flatMap((eventId): (readonly [StateKey, EventId])[] => {
        const key = this.#entries.get(eventId)
        return key === undefined ? [] : [[key, eventId]]
      }),
    )
    await this.#keepSnapshot(snapshot)
    return snapshot
  }

  /** Takes away what was kept, of a join that came to nothing. */
  async discard(): Promise<void> {
    this.#isOver = true
    await this.#events.end().catch(() => undefined)
    await this.#keeping.catch(() => undefined)
    if (this.#kept.size === 0) return
    const { queue, storage, store } = this.#deps
    const { roomId } = this.#room
    const left = await queue.enqueue(roomId, async (draft) => {
      if (draft.before) return undefined
      const found = await leftOfJoin(storage, roomId)
      draft.write(...found.writes)
      return found
    })
    if (left) store.forget([...this.#kept], left.runs)
  }

  #takeChecked(events: readonly RoomEvent[]): void {
    this.#ready.push(...events)
    this.#deps.report({ stage: 'checking', done: this.#checkedCount, total: this.#toldCount })
    if (this.#ready.length >= storedAtOnce) this.#keep(storedAtOnce)
  }

  /** Keeps what can be judged, once nothing else is being kept, if that is so many at least. */
  #keep(fewest: number): void {
    this.#keeping = this.#keeping.then(async () => {
      const batch = this.#takeJudgeable()
      if (batch.length < fewest) this.#ready.push(...batch)
      else for (let from = 0; from < batch.length; from += storedAtOnce) await this.#keepBatch(batch.slice(from, from + storedAtOnce))
    })
    // Whoever ends the import hears of it.
    this.#keeping.catch(() => undefined)
  }

  /** Those of the checked events whose auth events are kept already, or among them: each after its own. */
  #takeJudgeable(): RoomEvent[] {
    const { roomId, rules } = this.#room
    const createId = rules.roomId === 'create-event-hash' ? `$${roomId.slice(1)}` : undefined
    const batch: RoomEvent[] = []
    const inBatch = new Set<EventId>()
    const left: RoomEvent[] = []
    const isThere = (eventId: EventId) => inBatch.has(eventId) || this.#kept.has(eventId)
    for (const event of outlierOrder(this.#ready)) {
      const isJudgeable = event.authEvents.every(isThere) && (createId === undefined || event.eventId === createId || isThere(createId))
      if (isJudgeable) inBatch.add(event.eventId)
      const into = isJudgeable ? batch : left
      into.push(event)
    }
    this.#ready = left
    return batch
  }

  /** In one commit. */
  async #keepBatch(batch: readonly RoomEvent[]): Promise<void> {
    if (batch.length === 0) return
    const { queue, storage } = this.#deps
    const { roomId, rules } = this.#room
    const isNew = this.#isNew ?? !(await isJoinUnfinished(storage, roomId))
    this.#isNew = isNew
    const entries = await queue.enqueue(roomId, async (draft) => {
      if (!draft.exists) draft.begin(rules)
      if (draft.rules !== rules) throw unknownError(`The room is not of version ${rules.version}`, 502)
      const before = draft.added.length
      await addOutliers(draft, batch, { areNew: isNew && !draft.before && rules.eventId !== 'chosen' })
      const added = draft.added.slice(before)
      const packed = new Set(packedOf(draft))
      const single = added.filter((each) => !packed.has(each)).map(({ event }) => event.eventId)
      if (!draft.before && added[0]) draft.write(put(unfinishedJoins, [roomId, added[0].event.eventId], single))
      return stateEntries(
        draft,
        batch.map(({ eventId }) => eventId),
      )
    })
    for (const { eventId } of batch) this.#kept.add(eventId)
    for (const [key, eventId] of entries) this.#entries.set(eventId, key)
  }

  /** Keeps the nodes of a snapshot before anything refers to it. They are named by their content: nobody sees, nothing contradicts them. */
  async #keepSnapshot(snapshot: StateTrie): Promise<void> {
    const { queue, store } = this.#deps
    const nodes = [...snapshot.newNodes((hash) => store.hasNode(hash))]
    for (let from = 0; from < nodes.length; from += nodesAtOnce) {
      const batch = nodes.slice(from, from + nodesAtOnce)
      await queue.enqueue(this.#room.roomId, async (draft) => draft.write(...batch.map(([hash, node]) => put(stateNodes, hash, node))))
    }
    store.publish({ nodes: nodes.map(([hash]) => hash) })
  }
}
