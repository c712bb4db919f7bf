import type { RoomId } from '../spec/event.ts'
import type { RoomCommitter } from './commit.ts'
import { RoomDraft } from './room-draft.ts'
import type { RoomStore } from './room-store.ts'

/** Events of a room that are decided and committed together. */
const batchLimit = 50

interface Turn {
  /** Decides in the draft, and answers what is to happen once that is durable; nothing if it failed and was undone. */
  readonly run: (draft: RoomDraft) => Promise<(() => void) | undefined>
  readonly reject: (reason: unknown) => void
}

/**
 * Serialises the writes to each room. Decisions that wait for a room are taken together: one after the other in the same draft,
 * then one commit for all; one that throws is undone alone. No decision may wait for the network.
 */
export class RoomQueue {
  readonly #store: RoomStore
  readonly #committer: RoomCommitter
  readonly #waiting = new Map<RoomId, Turn[]>()

  constructor(store: RoomStore, committer: RoomCommitter) {
    this.#store = store
    this.#committer = committer
  }

  /** Runs `decide` in its turn; resolves with what it answered once its changes are durable. */
  enqueue<T>(roomId: RoomId, decide: (draft: RoomDraft) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = async (draft: RoomDraft) => {
        const undo = draft.savepoint()
        try {
          const value = await decide(draft)
          return () => resolve(value)
        } catch (error) {
          undo()
          reject(error)
          return undefined
        }
      }
      const waiting = this.#waiting.get(roomId)
      if (waiting) waiting.push({ run, reject })
      else {
        this.#waiting.set(roomId, [{ run, reject }])
        void this.#drain(roomId)
      }
    })
  }

  async #drain(roomId: RoomId): Promise<void> {
    for (;;) {
      const turns = this.#waiting.get(roomId)?.splice(0, batchLimit) ?? []
      if (turns.length === 0) break
      await this.#take(roomId, turns)
    }
    this.#waiting.delete(roomId)
  }

  async #take(roomId: RoomId, turns: readonly Turn[]): Promise<void> {
    try {
      const draft = new RoomDraft(roomId, await this.#store.room(roomId), this.#store)
      const outcomes: (() => void)[] = []
      for (const turn of turns) {
        const done = await turn.run(draft)
        if (done) outcomes.push(done)
      }
      await this.#committer.commit(draft)
      for (const done of outcomes) done()
    } catch (error) {
      for (const { reject } of turns) reject(error)
    }
  }
}
