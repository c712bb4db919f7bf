import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Random } from '../ports/random.ts'
import { put, remove, type Storage, type Write } from '../ports/storage.ts'
import type { Edu } from '../spec/edu.ts'
import type { ServerName } from '../spec/event.ts'
import { isObject } from '../spec/json.ts'
import { destinations, outgoingEdus, type StoredDestination } from '../storage/tables/federation.ts'
import type { Position, Stream } from '../streams/stream.ts'
import type { FederationClient } from './client.ts'
import { EphemeralEdus } from './ephemeral-edus.ts'
import { outgoingPdu } from './outgoing-events.ts'
import type { OutgoingLog } from './outgoing-log.ts'
import type { Slots } from './slots.ts'
import { mostEdus, mostPdus, rangeOf, type Transaction, type TransactionRange, transactionBody, transactionIdOf } from './transaction.ts'

/** What all queues share. */
export interface QueueDeps {
  readonly storage: Storage
  readonly stream: Stream
  readonly log: OutgoingLog
  readonly client: FederationClient
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly serverName: ServerName
  readonly incarnation: number
  /** Transactions under way at once, over all destinations. */
  readonly slots: Slots
}

const sendTimeoutMs = 60_000
const firstBackOffMs = 1_000
/** The longest pause between attempts at a server that does not answer. */
const longestBackOffMs = 3_600_000
/** A server that speaks to us but does not answer is tried again this often at most. */
const heardPauseMs = 5_000

/**
 * What one server is still to be sent: a cursor over the log. One transaction at a time, in order, repeated without end until
 * the server acknowledges it; the cursor moves only then.
 */
export class DestinationQueue {
  readonly server: ServerName
  readonly #deps: QueueDeps
  #position: Position
  #failures: number
  #retryAt: number
  #lastAttempt = 0
  #resumed: TransactionRange | undefined
  #resumedId: string | undefined
  #pending: { readonly transaction: Transaction; readonly ephemeral: readonly [string, Edu][] } | undefined
  readonly #ephemeral = new EphemeralEdus()
  #ephemeralCount = 0
  /** Nothing is under way, and nothing in the log up to where it was read is for this server. */
  #caughtUp = false
  #greeting = false
  #running: Promise<void> | undefined
  #again = false
  #pause = new AbortController()
  readonly #stopped = new AbortController()
  /** Wait for the end of what is being sent. */
  #waiting: (() => void)[] = []

  constructor(server: ServerName, stored: StoredDestination, deps: QueueDeps) {
    this.server = server
    this.#deps = deps
    this.#position = stored.position
    this.#failures = stored.failures
    // Whatever kept the server away may be over after a restart: it is tried at once.
    this.#retryAt = 0
    this.#resumed = stored.transactionId === undefined ? undefined : rangeOf(stored.transactionId)
    this.#resumedId = stored.transactionId
  }

  /** When the server is tried again, in ms since the epoch; 0 if it did not fail. */
  get retryAt(): number {
    return this.#failures > 0 ? this.#retryAt : 0
  }

  /** What waits, counted up to `most`. */
  async queued(most: number): Promise<number> {
    if (this.#caughtUp && this.#running === undefined && this.#ephemeral.size === 0) return 0
    const { log, storage } = this.#deps
    const { records } = this.#caughtUp
      ? { records: [] }
      : await log.batch(this.server, { after: this.#position, upTo: log.scanned, limit: most })
    const edus = await storage.read([outgoingEdus], (tx) => tx.range(outgoingEdus, { ...this.#eduRange(), limit: most }))
    return records.length + edus.length + this.#ephemeral.size
  }

  /** Something may be there to send: in the log from `from` on, or elsewhere. */
  wake(from?: Position): void {
    if (from !== undefined && this.#caughtUp) {
      this.#position = Math.max(this.#position, from - 1)
      this.#caughtUp = false
    }
    this.#start()
  }

  /**
   * Sends something, an empty transaction if there is nothing else, once: a server that could not reach us while we were away
   * takes it as a sign that it can again.
   */
  greet(): void {
    this.#greeting = true
    this.#start()
  }

  hold(key: string, edu: Edu): void {
    this.#ephemeral.hold(key, edu, this.#deps.clock.now())
    this.#start()
  }

  /** The server can be reached: no waiting any longer. */
  reachable(): void {
    if (this.#failures === 0) return
    this.#retryAt = 0
    this.#pause.abort()
  }

  /** The server spoke to us: it is probably reachable. */
  heard(): void {
    if (this.#failures === 0) return
    const notBefore = this.#lastAttempt + heardPauseMs
    if (notBefore >= this.#retryAt) return
    this.#retryAt = notBefore
    this.#pause.abort()
  }

  /** Tries at once to send all that waits. Resolves when that has been done, or has failed. */
  async drain(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    const done = new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.reachable()
    this.#start()
    await done
  }

  /** Stops after what is under way was given up; nothing is lost. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#pause.abort()
    await this.#running
  }

  /** The row that says where this queue stands without having sent anything; `undefined` where it has not caught up. */
  caughtUpRow(): Write | undefined {
    if (!this.#caughtUp || this.#failures > 0) return undefined
    return put(destinations, this.server, { position: this.#deps.log.scanned, failures: 0, retryAt: 0 })
  }

  #start(): void {
    if (this.#stopped.signal.aborted) return
    this.#again = true
    this.#running ??= this.#run()
      .catch((failure: unknown) => {
        // The storage is lost or in trouble: what wakes this queue next finds all as it was.
        this.#again = false
        this.#deps.logger.log('error', 'a destination queue stopped', { server: this.server, reason: String(failure) })
      })
      .finally(() => {
        this.#running = undefined
        if (this.#again) this.#start()
        else this.#wakeWaiting()
      })
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped.signal.aborted) {
      await this.#waitForRetry()
      if (this.#stopped.signal.aborted) return
      this.#again = false
      this.#pending ??= await this.#next()
      if (!this.#pending) continue
      this.#again = true
      if (await this.#deps.slots.run(() => this.#attempt())) this.#pending = undefined
    }
  }

  async #waitForRetry(): Promise<void> {
    const { clock } = this.#deps
    while (this.#failures > 0 && this.#retryAt > clock.now() && !this.#stopped.signal.aborted) {
      this.#pause = new AbortController()
      await clock.sleep(this.#retryAt - clock.now(), this.#pause.signal)
    }
  }

  async #attempt(): Promise<boolean> {
    const pending = this.#pending
    if (!pending || this.#stopped.signal.aborted) return false
    const { clock, storage, logger } = this.#deps
    const { transaction } = pending
    this.#lastAttempt = clock.now()
    try {
      await this.#deliver(transaction)
    } catch (failure) {
      if (this.#stopped.signal.aborted) return false
      this.#backOff()
      this.#wakeWaiting()
      logger.log('info', 'a transaction could not be delivered', { server: this.server, reason: String(failure), retryAt: this.#retryAt })
      await storage.commit([this.#row(transaction.id)], 'relaxed')
      this.#giveBackEphemeral()
      return false
    }
    this.#failures = 0
    this.#retryAt = 0
    this.#position = transaction.range.upTo
    this.#resumed = undefined
    await storage.commit(
      [this.#row(undefined), ...transaction.storedEdus.map((position) => remove(outgoingEdus, [this.server, position]))],
      'strict',
    )
    return true
  }

  async #deliver(transaction: Transaction): Promise<void> {
    const { client, clock, serverName, logger } = this.#deps
    const answer = await client.json(this.server, {
      method: 'PUT',
      path: ['federation', 'v1', 'send', transaction.id],
      body: transactionBody(transaction, { origin: serverName, ts: clock.now() }),
      timeoutMs: sendTimeoutMs,
      signal: this.#stopped.signal,
    })
    const results = isObject(answer.pdus) ? Object.entries(answer.pdus) : []
    for (const [eventId, result] of results) {
      if (isObject(result) && typeof result.error === 'string') {
        logger.log('warn', 'a server refused an event', { server: this.server, eventId, reason: result.error.slice(0, 200) })
      }
    }
  }

  #wakeWaiting(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #backOff(): void {
    const { clock, random } = this.#deps
    const jitter = 0.5 + (random.bytes(1)[0] ?? 0) / 256
    this.#failures++
    this.#retryAt = clock.now() + Math.round(jitter * Math.min(firstBackOffMs * 2 ** Math.min(this.#failures - 1, 20), longestBackOffMs))
  }

  /** What is repeated is what must arrive; what may be lost gives way to newer of its kind. */
  #giveBackEphemeral(): void {
    if (!this.#pending) return
    const { transaction, ephemeral } = this.#pending
    this.#ephemeral.putBack(ephemeral, this.#deps.clock.now())
    const { pdus, storedEdus, edus } = transaction
    const hasDurable = pdus.length + storedEdus.length > 0
    this.#pending = hasDurable ? { transaction: { ...transaction, edus: edus.slice(0, storedEdus.length) }, ephemeral: [] } : undefined
  }

  async #next(): Promise<{ transaction: Transaction; ephemeral: [string, Edu][] } | undefined> {
    const { log, storage, clock, incarnation } = this.#deps
    if (this.#caughtUp) this.#position = Math.max(this.#position, log.scanned)
    this.#caughtUp = false
    // A transaction that was under way in an earlier run is made again exactly.
    const resumed = this.#resumed?.after === this.#position ? this.#resumed : undefined
    const target = resumed?.upTo ?? log.scanned
    const { records, upTo } = await log.batch(this.server, { after: this.#position, upTo: target, limit: mostPdus })
    const edus = { ...this.#eduRange(resumed?.newestEdu), limit: mostEdus }
    const stored = await storage.read([outgoingEdus], (tx) => tx.range(outgoingEdus, edus))
    const ephemeral = this.#ephemeral.take(mostEdus - stored.length, clock.now())
    const isGreeting = this.#greeting
    this.#greeting = false
    if (records.length + stored.length + ephemeral.length === 0 && !isGreeting) {
      this.#position = Math.max(this.#position, upTo)
      this.#resumed = undefined
      this.#caughtUp = this.#position === log.scanned
      return undefined
    }
    const range = { after: this.#position, upTo: Math.max(upTo, this.#position), newestEdu: stored.at(-1)?.[0][1] ?? 0 }
    const isDurable = records.length + stored.length > 0
    const id =
      resumed && this.#resumedId !== undefined ? this.#resumedId : isDurable ? transactionIdOf(incarnation, range) : this.#ephemeralId()
    if (isDurable && !resumed) await storage.commit([this.#row(id)], 'relaxed')
    return {
      transaction: {
        id,
        range,
        pdus: records.map(outgoingPdu),
        storedEdus: stored.map(([[, position]]) => position),
        edus: [...stored.map(([, edu]) => edu), ...ephemeral.map(([, edu]) => edu)],
      },
      ephemeral,
    }
  }

  /** Names a transaction that a crash would lose; never one that was used before, also in an earlier run. */
  #ephemeralId(): string {
    const { clock, incarnation } = this.#deps
    this.#ephemeralCount++
    return `${incarnation}.e${clock.now()}-${this.#ephemeralCount}`
  }

  #row(transactionId: string | undefined): Write {
    return put(destinations, this.server, {
      position: this.#position,
      failures: this.#failures,
      retryAt: this.#retryAt,
      ...(transactionId === undefined || rangeOf(transactionId) === undefined ? {} : { transactionId }),
    })
  }

  #eduRange(upTo: Position = Number.MAX_SAFE_INTEGER) {
    return { from: [this.server, 0] as const, to: [this.server, upTo] as const }
  }
}
