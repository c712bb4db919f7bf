import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { last, put, removeRange, type Storage, type Write } from '../ports/storage.ts'
import { encodeUrlSafeBase64 } from '../spec/base64.ts'
import type { Edu } from '../spec/edu.ts'
import type { ServerName, UserId } from '../spec/event.ts'
import { fitsBytes, parseUserId, serverNameOf } from '../spec/identifiers.ts'
import { isObject, type JsonObject } from '../spec/json.ts'
import { Lru } from '../storage/lru.ts'
import { outgoingEdus } from '../storage/tables/federation.ts'
import { receivedToDevice, toDeviceInbox, toDeviceTransactions } from '../storage/tables/keys.ts'
import { devices } from '../storage/tables/users.ts'
import { ChangeMarks } from '../streams/change-marks.ts'
import type { EduHandler } from '../streams/edu.ts'
import type { Position, Stream } from '../streams/stream.ts'
import { Turns } from '../streams/turns.ts'
import { ExpiringRows } from './expiring-rows.ts'

/** User → device, or `*` for all → content. */
export type ToDeviceMessages = Readonly<Record<UserId, Readonly<Record<string, JsonObject>>>>

export interface ToDeviceRequest {
  readonly sender: UserId
  readonly deviceId: string
  readonly type: string
  readonly transactionId: string
  readonly messages: ToDeviceMessages
}

type Inbox = readonly [UserId, string]

/** How long the transaction of a message to devices is remembered. */
const transactionLifetimeMs = 24 * 60 * 60 * 1000
/** Mail of a server may wait this long with whoever carries it. */
const receivedLifetimeMs = 60 * 24 * 60 * 60 * 1000
const pruneEvery = 500

/** Messages to devices, delivered once to each (Client-Server API, "Send-to-Device messaging"). */
export class ToDevice {
  readonly #storage: Storage
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #random: Random
  readonly #serverName: ServerName
  readonly #wake: (servers: Iterable<ServerName>) => void
  readonly #marks: ChangeMarks
  readonly #turns = new Turns()
  /** Inbox → up to where it is known to be empty. */
  readonly #emptyUpTo = new Lru<string, Position>(10_000)
  readonly #sentIds: ExpiringRows<readonly [UserId, string, string]>
  readonly #receivedIds: ExpiringRows<readonly [ServerName, string]>
  #written = 0

  constructor(deps: {
    storage: Storage
    stream: Stream
    clock: Clock
    random: Random
    serverName: ServerName
    /** Told of servers for whom EDUs were committed. */
    wake: (servers: Iterable<ServerName>) => void
  }) {
    this.#storage = deps.storage
    this.#stream = deps.stream
    this.#clock = deps.clock
    this.#random = deps.random
    this.#serverName = deps.serverName
    this.#wake = deps.wake
    this.#marks = new ChangeMarks(deps.stream.current)
    this.#sentIds = new ExpiringRows({ ...deps, table: toDeviceTransactions, lifetimeMs: transactionLifetimeMs })
    this.#receivedIds = new ExpiringRows({ ...deps, table: receivedToDevice, lifetimeMs: receivedLifetimeMs })
  }

  /** Sends a local user's messages; a request with the same type and transaction id does nothing. */
  async send(request: ToDeviceRequest): Promise<void> {
    const { sender, deviceId, type, transactionId, messages } = request
    const transaction = [sender, deviceId, `${type} ${transactionId}`] as const
    await this.#turns.take(JSON.stringify(transaction), async () => {
      const done = await this.#storage.read([toDeviceTransactions], (tx) => tx.get(toDeviceTransactions, transaction))
      if (done !== undefined) return
      const local = await this.#inboxes(messages)
      const edus = this.#edus(request)
      const written = put(toDeviceTransactions, transaction, this.#clock.now())
      await this.#deliver(local, { type, sender }, (position) => [
        written,
        ...edus.map(([server, edu]) => put(outgoingEdus, [server, position], edu)),
      ])
      this.#wake(edus.map(([server]) => server))
      await this.#pruneSometimes()
    })
  }

  /** Takes an `m.direct_to_device` EDU; one whose message id came before does nothing. */
  readonly receive: EduHandler = async (origin, content) => {
    const { sender, type, message_id: messageId, messages } = content
    if (typeof sender !== 'string' || parseUserId(sender)?.serverName !== origin) return
    if (typeof type !== 'string' || typeof messageId !== 'string' || !fitsBytes(messageId) || !isObject(messages)) return
    const received = [origin, messageId] as const
    await this.#turns.take(JSON.stringify(received), async () => {
      const done = await this.#storage.read([receivedToDevice], (tx) => tx.get(receivedToDevice, received))
      if (done !== undefined) return
      const local = await this.#inboxes(wellFormed(messages))
      await this.#deliver(local, { type, sender }, () => [put(receivedToDevice, received, this.#clock.now())])
      await this.#pruneSometimes()
    })
  }

  /**
   * A device's messages after `since` and up to `upTo`, at most `limit`, oldest first; `through` is up to where that goes:
   * what the next token must say.
   */
  async pending(
    userId: UserId,
    deviceId: string,
    part: { readonly since: Position; readonly upTo: Position; readonly limit: number },
  ): Promise<{ events: JsonObject[]; through: Position }> {
    const { since, upTo, limit } = part
    if (!this.#marks.changedAfter(inboxKey([userId, deviceId]), since)) return { events: [], through: upTo }
    const rows = await this.#storage.read([toDeviceInbox], (tx) =>
      tx.range(toDeviceInbox, { after: [userId, deviceId, since], to: [userId, deviceId, upTo], limit }),
    )
    const [newest] = rows.at(-1) ?? []
    return { events: rows.map(([, event]) => event), through: rows.length < limit || !newest ? upTo : newest[2] }
  }

  /** The device has received everything up to `position`: it is deleted. */
  async acknowledge(userId: UserId, deviceId: string, position: Position): Promise<void> {
    const key = inboxKey([userId, deviceId])
    const empty = this.#emptyUpTo.get(key) ?? 0
    if (position <= empty || !this.#marks.changedAfter(key, empty)) return
    await this.#storage.commit([removeRange(toDeviceInbox, { from: [userId, deviceId, 0], to: [userId, deviceId, position] })], 'relaxed')
    this.#emptyUpTo.set(key, position)
  }

  async #deliver(
    local: readonly { inbox: Inbox; content: JsonObject }[],
    event: { type: string; sender: UserId },
    alongside: (position: Position) => readonly Write[],
  ): Promise<void> {
    const writes = (position: Position) => [
      ...alongside(position),
      ...local.map(({ inbox: [userId, deviceId], content }) => put(toDeviceInbox, [userId, deviceId, position], { ...event, content })),
    ]
    const published = (position: Position) => {
      for (const { inbox } of local) this.#marks.note(inboxKey(inbox), position)
    }
    await this.#stream.commit(1, writes, { published })
  }

  /** The inboxes of local devices that messages go to; devices that do not exist are left out. */
  async #inboxes(messages: ToDeviceMessages): Promise<{ inbox: Inbox; content: JsonObject }[]> {
    const local = Object.entries(messages).filter(([userId]) => serverNameOf(userId) === this.#serverName)
    const owned = await this.#storage.read([devices], (tx) =>
      Promise.all(local.map(([userId]) => tx.range(devices, { from: [userId, ''], to: [userId, last] }))),
    )
    return local.flatMap(([userId, byDevice], index) =>
      (owned[index] ?? []).flatMap(([[, deviceId]]) => {
        const content = Object.hasOwn(byDevice, deviceId) ? byDevice[deviceId] : byDevice['*']
        return content ? [{ inbox: [userId, deviceId] as const, content }] : []
      }),
    )
  }

  #edus({ sender, type, messages }: ToDeviceRequest): [ServerName, Edu][] {
    const remote = Object.entries(messages).flatMap(([userId, byDevice]) => {
      const server = parseUserId(userId)?.serverName
      return server === undefined || server === this.#serverName ? [] : [{ server, userId, byDevice }]
    })
    return [...Map.groupBy(remote, ({ server }) => server)].map(([server, to]) => {
      const content: JsonObject = {
        sender,
        type,
        message_id: encodeUrlSafeBase64(this.#random.bytes(18)),
        messages: Object.fromEntries(to.map(({ userId, byDevice }) => [userId, { ...byDevice }])),
      }
      return [server, { edu_type: 'm.direct_to_device', content }]
    })
  }

  /** Forgets transaction and message ids that nobody will repeat any more. */
  async #pruneSometimes(): Promise<void> {
    if (++this.#written % pruneEvery !== 0) return
    await Promise.all([this.#sentIds.prune(), this.#receivedIds.prune()])
  }
}

function wellFormed(messages: JsonObject): ToDeviceMessages {
  return Object.fromEntries(
    Object.entries(messages).map(([userId, byDevice]) => [
      userId,
      Object.fromEntries(
        Object.entries(isObject(byDevice) ? byDevice : {}).flatMap(([deviceId, content]) =>
          isObject(content) ? [[deviceId, content]] : [],
        ),
      ),
    ]),
  )
}

function inboxKey(inbox: Inbox): string {
  return JSON.stringify(inbox)
}
