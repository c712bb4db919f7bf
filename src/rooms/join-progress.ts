import type { RoomId } from '../spec/event.ts'

/** How far a join through another server has come, for people to see. */
export interface JoinProgress {
  readonly roomId: RoomId
  /** `asking`: the other server has not answered yet, and nothing can be counted. */
  readonly stage: 'asking' | 'checking' | 'storing'
  /** Events. */
  readonly done: number
  readonly total: number
}

/** Says how far a join has come. */
export type ReportJoin = (progress: Omit<JoinProgress, 'roomId'>) => void

/** The joins through other servers that are under way. */
export class JoinsUnderWay {
  readonly #joins = new Map<RoomId, JoinProgress>()

  all(): readonly JoinProgress[] {
    return [...this.#joins.values()]
  }

  /** Runs a join of the room, and shows what it reports until it has ended. */
  async follow<T>(roomId: RoomId, join: (report: ReportJoin) => Promise<T>): Promise<T> {
    const report: ReportJoin = (progress) => this.#joins.set(roomId, { roomId, ...progress })
    report({ stage: 'asking', done: 0, total: 0 })
    try {
      return await join(report)
    } finally {
      this.#joins.delete(roomId)
    }
  }
}
