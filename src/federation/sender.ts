import type { FederationTransport, Route } from '../ports/federation-transport.ts'
import { put } from '../ports/storage.ts'
import type { ServerName } from '../spec/event.ts'
import { isServerName } from '../spec/server-name.ts'
import { destinations, outgoingEdus, type StoredDestination } from '../storage/tables/federation.ts'
import type { SendEphemeral } from '../streams/edu.ts'
import type { Position } from '../streams/stream.ts'
import { DestinationQueue, type QueueDeps } from './destination-queue.ts'

/** How sending to one server stands, for people. */
export interface QueueStatus {
  readonly server: ServerName
  /** Events and EDUs that wait; counted up to a thousand of each. */
  readonly queued: number
  /** When the next attempt is due, in ms since the epoch; 0 unless the last one failed. */
  readonly retryAt: number
  readonly route: Route
}

/** Events waiting for a server that are counted, for people to see. */
const mostCounted = 1_000

/** How long a request waits for a server to be sent what it has to know before. */
const deliveryMs = 5_000

/**
 * Sends the events and EDUs of this homeserver to all others: follows the log, and drives a queue for each destination.
 */
export class FederationSender {
  readonly #deps: QueueDeps & { readonly transport: FederationTransport }
  readonly #queues = new Map<ServerName, DestinationQueue>()
  /** Destinations with a row in storage: a crash does not make us forget them. */
  readonly #known = new Set<ServerName>()
  #unsubscribe: (() => void)[] = []
  #following: Promise<void> | undefined
  #behind = false
  #stopped = false

  constructor(deps: QueueDeps & { readonly transport: FederationTransport }) {
    this.#deps = deps
  }

  /** Takes up all queues where they stopped, once the log is read to its end; resolves before that. To be called once. */
  async start(): Promise<void> {
    const { storage, log, stream, transport } = this.#deps
    const [known, withEdus] = await Promise.all([
      storage.read([destinations], (tx) => tx.range(destinations, {})),
      this.#serversWithEdus(),
      log.open(),
    ])
    for (const [server, stored] of known) {
      this.#known.add(server)
      this.#add(server, stored)
    }
    for (const server of withEdus) this.#queue(server)
    this.#unsubscribe = [stream.onAdvance(() => this.#follow()), transport.onReachable((server) => this.#queues.get(server)?.reachable())]
    this.#follow()
    // Clients do not wait until the log is read to its end: nothing is sent before, and nothing is lost.
    void this.#following?.then(() => this.#takeUp())
  }

  #takeUp(): void {
    const { transport } = this.#deps
    for (const queue of this.#stopped ? [] : this.#queues.values()) {
      // Who is reached through others' relays learns from those that we are back; ordinary servers learn it from us alone.
      if (transport.route(queue.server) === 'https') queue.greet()
      else queue.wake()
    }
  }

  /** Stops at once, without losing anything: the next start goes on from here. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    await Promise.all([this.#following, ...[...this.#queues.values()].map((queue) => queue.stop())])
    await this.#rememberCaughtUp()
    await this.#deps.log.mark()
  }

  /** Rows of `outgoing_edus` for these servers were committed. */
  wake(servers: Iterable<ServerName>): void {
    for (const server of servers) if (this.#isDestination(server)) this.#queue(server).wake()
  }

  /** Sends an EDU that may be lost; a newer one of the same key takes its place. */
  readonly sendEphemeral: SendEphemeral = (servers, edu, key) => {
    for (const server of servers) if (this.#isDestination(server)) this.#queue(server).hold(key, edu)
  }

  /** A server spoke to us: what waits for it is tried now. */
  readonly heard = (server: ServerName): void => {
    this.#queues.get(server)?.heard()
  }

  /** Tries at once to send what waits for a server. Resolves once it is sent, or the server did not take it within a few seconds. */
  async deliver(server: ServerName): Promise<void> {
    this.#follow()
    await this.#following
    const queue = this.#queues.get(server)
    if (!queue) return
    const over = new AbortController()
    await Promise.race([queue.drain(), this.#deps.clock.sleep(deliveryMs, over.signal)])
    over.abort()
  }

  /** All destinations for which something waits. */
  async queues(): Promise<QueueStatus[]> {
    const statuses = await Promise.all(
      [...this.#queues.values()].map(async (queue) => ({
        server: queue.server,
        queued: await queue.queued(mostCounted),
        retryAt: queue.retryAt,
        route: this.#deps.transport.route(queue.server),
      })),
    )
    return statuses.filter(({ queued }) => queued > 0)
  }

  #follow(): void {
    if (this.#stopped) return
    this.#behind = true
    this.#following ??= this.#read()
      .catch((failure: unknown) => this.#deps.logger.log('error', 'the log cannot be followed', { reason: String(failure) }))
      .finally(() => {
        this.#following = undefined
        if (this.#behind) this.#follow()
      })
  }

  async #read(): Promise<void> {
    const { log } = this.#deps
    while (this.#behind && !this.#stopped) {
      this.#behind = false
      const marked = Math.floor(log.scanned / 5_000)
      const hasMore = await log.scan({
        prepare: (concerned) => this.#addNew(concerned),
        announce: (concerned) => {
          for (const [server, position] of concerned) this.#queue(server).wake(position)
        },
      })
      if (Math.floor(log.scanned / 5_000) > marked) await this.#rememberCaughtUp()
      this.#behind ||= hasMore
    }
  }

  /** Destinations met for the first time are durable before the log is marked as read: no crash makes us forget them. */
  async #addNew(concerned: ReadonlyMap<ServerName, Position>): Promise<void> {
    const fresh = [...concerned].filter(([server]) => !this.#known.has(server))
    const rows = fresh.map(([server, position]): [ServerName, StoredDestination] => [
      server,
      { position: position - 1, failures: 0, retryAt: 0 },
    ])
    if (rows.length === 0) return
    await this.#deps.storage.commit(
      rows.map(([server, row]) => put(destinations, server, row)),
      'strict',
    )
    for (const [server, row] of rows) {
      this.#known.add(server)
      if (!this.#queues.has(server)) this.#add(server, row)
    }
  }

  async #rememberCaughtUp(): Promise<void> {
    const rows = [...this.#queues.values()].flatMap((queue) => queue.caughtUpRow() ?? [])
    if (rows.length > 0) await this.#deps.storage.commit(rows, 'relaxed')
  }

  #queue(server: ServerName): DestinationQueue {
    return this.#queues.get(server) ?? this.#add(server, { position: this.#deps.log.scanned, failures: 0, retryAt: 0 })
  }

  #add(server: ServerName, stored: StoredDestination): DestinationQueue {
    const queue = new DestinationQueue(server, stored, this.#deps)
    this.#queues.set(server, queue)
    return queue
  }

  #isDestination(server: ServerName): boolean {
    return !this.#stopped && server !== this.#deps.serverName && isServerName(server)
  }

  async #serversWithEdus(): Promise<ServerName[]> {
    const servers: ServerName[] = []
    for (;;) {
      const after = [servers.at(-1) ?? '', Number.MAX_SAFE_INTEGER] as const
      const [row] = await this.#deps.storage.read([outgoingEdus], (tx) => tx.range(outgoingEdus, { after, limit: 1 }))
      if (!row) return servers
      servers.push(row[0][0])
    }
  }
}
