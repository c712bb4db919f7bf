import type { TimelinePoint } from '../rooms/room-store.ts'
import { invalidParam } from '../spec/errors.ts'
import type { Position } from '../streams/stream.ts'

/** Where a client's `/sync` stands. */
export interface SyncToken {
  readonly position: Position
  /** Up to where to-device messages were given, where not all that waited fitted into the response. */
  readonly toDevice?: Position
  /** Up to where sticky events were given, likewise. */
  readonly sticky?: Position
  /** The answer of a sliding sync that gave this token, as its `pos`. */
  readonly connection?: number
}

/** A place in a room's history: in topological order (`t` tokens), or in the stream (`s` tokens, as `/sync` gives them). */
export type PageToken = { readonly point: TimelinePoint } | { readonly position: Position }

const syncPattern = /^s(\d{1,16})_(\d{1,16})(?:_d(\d{1,16}))?(?:_k(\d{1,16}))?(?:_c(\d{1,16}))?$/
const pointPattern = /^t(\d{1,20})_(\d{1,16})$/

/** Writes and reads tokens. They carry the incarnation: what a homeserver gave out before it was restored means nothing after. */
export class Tokens {
  readonly #incarnation: number
  readonly #stream: { readonly current: Position }

  constructor(incarnation: number, stream: { readonly current: Position }) {
    this.#incarnation = incarnation
    this.#stream = stream
  }

  /** The newest position that a token may carry. */
  get newest(): Position {
    return this.#stream.current
  }

  /** A `next_batch` of `/sync`, or a `pos`. */
  sync({ position, toDevice, sticky, connection }: SyncToken): string {
    return `s${position}_${this.#incarnation}${suffix('d', toDevice)}${suffix('k', sticky)}${suffix('c', connection)}`
  }

  /** Reads a `since`. Throws `M_INVALID_PARAM` for what this homeserver, in this incarnation, did not give out. */
  parseSync(token: string): SyncToken {
    const match = syncPattern.exec(token)
    const position = Number(match?.[1])
    if (match === null || Number(match[2]) !== this.#incarnation || position > this.#stream.current) {
      throw invalidParam('This is not a sync token of this homeserver')
    }
    return {
      position,
      ...(match[3] === undefined ? {} : { toDevice: Number(match[3]) }),
      ...(match[4] === undefined ? {} : { sticky: Number(match[4]) }),
      ...(match[5] === undefined ? {} : { connection: Number(match[5]) }),
    }
  }

  /** A token for `/messages`: the place right before the event at `point`. */
  page({ depth, position }: TimelinePoint): string {
    return `t${depth}_${position}`
  }

  /** Reads a token for `/messages` and its like, sync tokens included. Throws `M_INVALID_PARAM`. */
  parsePage(token: string): PageToken {
    const match = pointPattern.exec(token)
    return match ? { point: { depth: Number(match[1]), position: Number(match[2]) } } : { position: this.parseSync(token).position }
  }
}

function suffix(letter: string, value: number | undefined): string {
  return value === undefined ? '' : `_${letter}${value}`
}
