import { MatrixError } from '../../spec/errors.ts'
import type { EventId, RoomId, UserId } from '../../spec/event.ts'
import { Lru } from '../../storage/lru.ts'
import type { Position } from '../../streams/stream.ts'
import type { RoomConfig } from './room-config.ts'

/** What a connection was sent of a room. */
export interface SentRoom {
  /** Up to where, if the room changed since and was not among those wanted; otherwise up to the connection's own position. */
  readonly position?: Position
  readonly config: RoomConfig
  /** The longest timeline sent. */
  readonly timelineLimit: number
  /** Membership events sent. */
  readonly members: ReadonlyMap<UserId, EventId>
}

/** Where a response leaves its connection. */
interface Step {
  readonly position: Position
  readonly rooms: ReadonlyMap<RoomId, SentRoom>
}

/** Who syncs: `connId` is empty where a device has one connection alone. */
interface ConnectionKey {
  readonly userId: UserId
  readonly deviceId: string
  readonly connId: string
}

const mostConnections = 500

/**
 * A sequence of requests, each with the `pos` of the answer before (MSC4186, "Connections"). What was sent counts once the client
 * comes back with the `pos` of that answer; until then it may come back with the one before.
 */
class Connection {
  readonly #rooms = new Map<RoomId, SentRoom>()
  #confirmed: { readonly number: number; readonly position: Position } | undefined
  #issued: { readonly number: number; readonly step: Step } | undefined

  get position(): Position | undefined {
    return this.#confirmed?.position
  }

  get rooms(): ReadonlyMap<RoomId, SentRoom> {
    return this.#rooms
  }

  /** Goes to the point that a client names; `false` for one that is not the newest, nor the one before. */
  goTo(number: number): boolean {
    if (this.#issued?.number === number) {
      const { step } = this.#issued
      for (const [roomId, sent] of step.rooms) this.#rooms.set(roomId, sent)
      this.#confirmed = { number, position: step.position }
    }
    this.#issued = undefined
    return this.#confirmed?.number === number
  }

  issue(number: number, step: Step): void {
    this.#issued = { number, step }
  }
}

/**
 * The connections of all devices; in memory alone. A client whose connection is gone, by a restart or because there are too many, is
 * told `M_UNKNOWN_POS` and starts anew: it gets its lists again, and asks for keys again. Keeping what each was sent would cost writes
 * while it goes on, to spare that.
 */
export class Connections {
  readonly #connections = new Lru<string, Connection>(mostConnections)
  #count = 0

  /** The connection as it was at `number`, or a new one. Throws `M_UNKNOWN_POS`. */
  open(key: ConnectionKey, number: number | undefined): Connection {
    if (number === undefined) return new Connection()
    const connection = this.#connections.get(idOf(key))
    if (!connection?.goTo(number)) throw unknownPosition()
    return connection
  }

  /** Keeps what a response tells: the number of its `pos`. */
  issue(key: ConnectionKey, connection: Connection, step: Step): number {
    const number = ++this.#count
    connection.issue(number, step)
    this.#connections.set(idOf(key), connection)
    return number
  }
}

/** The client's place is not known any more: it starts anew. */
export function unknownPosition(): MatrixError {
  return new MatrixError(400, 'M_UNKNOWN_POS', { message: 'This connection has expired' })
}

function idOf({ userId, deviceId, connId }: ConnectionKey): string {
  return JSON.stringify([userId, deviceId, connId])
}
