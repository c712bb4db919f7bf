import type { Position } from './stream.ts'

/**
 * Remembers where things last changed, so that a reader who asks "anything since?" mostly needs no storage.
 *
 * Knows of everything after `start` (the stream's position when the homeserver started) and says "maybe" about what came
 * before. Bounded: when it holds too much it forgets all and knows only from there on.
 */
export class ChangeMarks {
  readonly #limit: number
  readonly #marks = new Map<string, Position>()
  #knownFrom: Position

  constructor(start: Position, limit = 10_000) {
    this.#knownFrom = start
    this.#limit = limit
  }

  /** Notes that `key` changed at `position`: to be called in the commit's `published`, before readers wake. */
  note(key: string, position: Position): void {
    if (this.#marks.size >= this.#limit && !this.#marks.has(key)) {
      this.#knownFrom = Math.max(this.#knownFrom, ...this.#marks.values())
      this.#marks.clear()
    }
    this.#marks.set(key, Math.max(position, this.#marks.get(key) ?? 0))
  }

  /** Whether `key` may have changed after `since`; `false` is certain. */
  changedAfter(key: string, since: Position): boolean {
    return since < this.#knownFrom || (this.#marks.get(key) ?? 0) > since
  }
}
