import type { JsonObject } from '../../src/spec/json.ts'
import type { SimulatedServer } from './simulated-server.ts'

/** What a request came to: `undefined` where the server went down before it answered. */
interface Reply {
  readonly status: number
  readonly body: JsonObject
}

interface TimelineEvent {
  readonly event_id: string
  readonly sender: string
  readonly content: JsonObject
}

/** A user with one device: keeps its token and its place in `/sync`, as a real client does, and repeats what was not answered. */
export class SimulatedClient {
  readonly server: SimulatedServer
  readonly name: string
  #token = ''
  #since: string | undefined
  #transactions = 0
  /** Every event `/sync` showed, in order, by room. */
  readonly seen = new Map<string, TimelineEvent[]>()
  /** Event ids of acknowledged messages, by room. */
  readonly acknowledged = new Map<string, string[]>()

  constructor(server: SimulatedServer, name: string) {
    this.server = server
    this.name = name
  }

  get userId(): string {
    return `@${this.name}:${this.server.name}`
  }

  async register(): Promise<void> {
    const { body } = await this.must('POST', '/v3/register', { username: this.name, password: 'secret', auth: { type: 'm.login.dummy' } })
    this.#token = String(body.access_token)
  }

  /** One request; `undefined` when the server is down or goes down meanwhile. */
  async ask(method: string, path: string, body?: JsonObject): Promise<Reply | undefined> {
    const { running } = this.server
    if (!running) return undefined
    const request = new Request(`http://${this.server.name}/_matrix/client${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(this.#token ? { authorization: `Bearer ${this.#token}` } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const response = await running.handleClient(request, { trusted: true, address: 'client' })
    const answered: JsonObject = await response.json()
    return this.server.running === running ? { status: response.status, body: answered } : undefined
  }

  /** A request that has to succeed. */
  async must(method: string, path: string, body?: JsonObject): Promise<Reply> {
    const reply = await this.ask(method, path, body)
    if (reply?.status !== 200) throw new Error(`${method} ${path} by ${this.userId}: ${JSON.stringify(reply)}`)
    return reply
  }

  /** Says something once, however often it has to be said: the same transaction until it is answered. Answers whether it was. */
  async say(roomId: string, text: string, retry: () => Promise<void>): Promise<boolean> {
    const transaction = `${this.name}-${this.#transactions++}`
    for (let attempt = 0; attempt < 100; attempt++) {
      const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${transaction}`
      const reply = await this.ask('PUT', path, { msgtype: 'm.text', body: text })
      if (reply?.status === 200) {
        this.acknowledged.set(roomId, [...(this.acknowledged.get(roomId) ?? []), String(reply.body.event_id)])
        return true
      }
      if (reply?.status === 403 || reply?.status === 404) return false
      await retry()
    }
    throw new Error(`${this.userId} was never answered`)
  }

  /** Syncs until there is nothing new. */
  async catchUp(): Promise<void> {
    for (;;) {
      const query = this.#since === undefined ? '' : `&since=${this.#since}`
      const reply = await this.ask('GET', `/v3/sync?timeout=0${query}`)
      if (!reply) return
      if (reply.status !== 200) throw new Error(`sync of ${this.userId}: ${JSON.stringify(reply)}`)
      const joined = Object.entries((reply.body.rooms as { join?: Record<string, { timeline?: SyncTimeline }> } | undefined)?.join ?? {})
      for (const [roomId, { timeline }] of joined) await this.#take(roomId, timeline)
      const { next_batch: next } = reply.body
      const moved = this.#since !== next && joined.length > 0
      this.#since = String(next)
      if (!moved) return
    }
  }

  /** A limited timeline leaves a gap: it is read from its end backwards, as clients do when the user scrolls. */
  async #take(roomId: string, timeline: SyncTimeline | undefined): Promise<void> {
    const events = [...(timeline?.events ?? [])]
    const seen = this.seen.get(roomId) ?? []
    const known = new Set(seen.map(({ event_id }) => event_id))
    let from = timeline?.limited ? timeline.prev_batch : undefined
    while (from !== undefined) {
      const reply = await this.ask('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=50&from=${from}`)
      const { chunk, end } = (reply?.body ?? {}) as { chunk?: TimelineEvent[]; end?: string }
      const older = (chunk ?? []).filter(({ event_id }) => !known.has(event_id))
      events.unshift(...older.reverse())
      from = chunk && chunk.length > 0 && older.length === chunk.length ? end : undefined
    }
    this.seen.set(roomId, [...seen, ...events])
  }
}

interface SyncTimeline {
  readonly events?: TimelineEvent[]
  readonly limited?: boolean
  readonly prev_batch?: string
}
