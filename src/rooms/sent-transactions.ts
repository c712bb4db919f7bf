import { put, remove, type Storage } from '../ports/storage.ts'
import type { EventId, RoomId, UserId } from '../spec/event.ts'
import { Lru } from '../storage/lru.ts'
import { events, type PackedTransactions, type SentTransaction, type StoredEvent, transactions } from '../storage/tables/rooms.ts'
import { meta } from '../storage/tables/streams.ts'

/** How long a client may take to repeat a request it got no answer to. */
const keptMs = 24 * 3600_000
/** How far the log may run ahead of the packed transactions. */
const packEvery = 1000
const markKey = 'packed-transactions'

type Device = readonly [UserId, string]

interface Sent {
  readonly device: Device
  readonly key: string
  readonly eventId: EventId
  readonly ts: number
}

/**
 * Which event each transaction of a device became. The event itself says by which transaction it was sent, so that a message
 * costs no row more. Now and then what is new is packed, a row for each device, and a mark says how far in the log that goes:
 * a start reads the log from there. A device's rows are read once, at its first request: from then on a new transaction is
 * known to be new without a look into storage.
 */
export class SentTransactions {
  readonly #storage: Storage
  readonly #devices = new Lru<string, Promise<Map<string, EventId>>>(1000)
  /** What was sent after the mark in this life. */
  readonly #unpacked: Sent[] = []
  #earlier: Promise<readonly Sent[]> | undefined
  #mark = 0
  #isPacking = false

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async find(roomId: RoomId, { userId, deviceId, ...transaction }: SentTransaction): Promise<EventId | undefined> {
    const device = JSON.stringify([userId, deviceId])
    const loading = this.#devices.get(device) ?? this.#load([userId, deviceId])
    this.#devices.set(device, loading)
    return (await loading).get(keyOf(roomId, transaction))
  }

  /** Takes an event, whoever sent it, after the commit that made it durable. */
  add(position: number, stored: StoredEvent): void {
    const sent = sentWith(stored)
    if (sent) {
      this.#unpacked.push(sent)
      // A device that was not asked about yet will find its row.
      void this.#devices.get(JSON.stringify(sent.device))?.then((known) => known.set(sent.key, sent.eventId))
    }
    if (this.#isPacking || position - this.#mark < packEvery) return
    this.#isPacking = true
    // What is not packed is still in the log: nothing is lost by a failure.
    this.#pack(position)
      .catch(() => undefined)
      .finally(() => {
        this.#isPacking = false
      })
  }

  async #load([userId, deviceId]: Device): Promise<Map<string, EventId>> {
    // Before the rows are read: what is packed meanwhile is in the one or in the other.
    const recent = [...(await this.#sinceMark()), ...this.#unpacked]
    const range = { from: [userId, deviceId, 0], to: [userId, deviceId, Number.MAX_SAFE_INTEGER] } as const
    const rows = await this.#storage.read([transactions], (tx) => tx.range(transactions, range))
    const newest = rows.at(-1)?.[1].ts ?? 0
    const isOld = ({ ts }: PackedTransactions) => ts < newest - keptMs
    const old = rows.filter(([, row]) => isOld(row)).map(([key]) => remove(transactions, key))
    if (old.length > 0) await this.#storage.commit(old, 'relaxed')
    const own = recent.filter(({ device }) => device[0] === userId && device[1] === deviceId)
    return new Map([...rows.flatMap(([, row]) => (isOld(row) ? [] : row.sent)), ...own.map(({ key, eventId }) => [key, eventId] as const)])
  }

  /** What lives before this one sent, and did not pack. */
  #sinceMark(): Promise<readonly Sent[]> {
    this.#earlier ??= this.#storage.read([events, meta], async (tx) => {
      const rows = await tx.range(events, { after: (await tx.get(meta, markKey)) ?? 0 })
      return rows.flatMap(([, stored]) => sentWith(stored) ?? [])
    })
    return this.#earlier
  }

  async #pack(mark: number): Promise<void> {
    const earlier = await this.#sinceMark()
    const fresh = [...this.#unpacked]
    const packed = [...earlier, ...fresh]
    const byDevice = Map.groupBy(packed, ({ device }) => JSON.stringify(device))
    await this.#storage.commit([...[...byDevice.values()].flatMap((sent) => rowOf(sent, mark)), put(meta, markKey, mark)], 'relaxed')
    this.#mark = mark
    this.#earlier = Promise.resolve([])
    this.#unpacked.splice(0, fresh.length)
  }
}

function rowOf(sent: readonly Sent[], mark: number) {
  const [first] = sent
  if (!first) return []
  const row = { sent: sent.map(({ key, eventId }) => [key, eventId] as const), ts: Math.max(...sent.map(({ ts }) => ts)) }
  return [put(transactions, [...first.device, mark], row)]
}

function sentWith({ roomId, eventId, receivedTs, transaction }: StoredEvent): Sent | undefined {
  if (!transaction) return undefined
  const { userId, deviceId } = transaction
  return { device: [userId, deviceId], key: keyOf(roomId, transaction), eventId, ts: receivedTs }
}

function keyOf(roomId: RoomId, { endpoint = '', id }: Pick<SentTransaction, 'endpoint' | 'id'>): string {
  return `${roomId} ${endpoint} ${id}`
}
