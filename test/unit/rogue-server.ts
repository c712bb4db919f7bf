import { RemoteRooms } from '../../src/federation/remote-rooms.ts'
import type { Handler } from '../../src/http/router.ts'
import { membershipFromTemplate } from '../../src/rooms/remote-join.ts'
import { type EventRecord, RoomStore } from '../../src/rooms/room-store.ts'
import { authEventKeys } from '../../src/spec/auth-events.ts'
import { encodeBase64 } from '../../src/spec/base64.ts'
import { buildPdu, type PduFields } from '../../src/spec/build-pdu.ts'
import { MatrixError } from '../../src/spec/errors.ts'
import { type EventId, type Pdu, type RoomId, stateKeyOf } from '../../src/spec/event.ts'
import { eventIdOf, referenceHash } from '../../src/spec/event-hash.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/spec/json.ts'
import { type RoomVersionRules, rulesOf } from '../../src/spec/room-version.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedClient } from '../simulation/simulated-client.ts'
import { SimulatedServer } from '../simulation/simulated-server.ts'
import { party, type World, within, world } from './federation-party.ts'

const home = 'home.example'

/** A whole homeserver with a user, whose API other servers speak to. */
export async function homeWorld() {
  const at = world()
  const server = new SimulatedServer(home, at.clock, {
    network: at.network,
    verifier: nodeVerifier(),
    random: new SeededRandom(5),
    log: () => undefined,
  })
  await server.start()
  const alice = new SimulatedClient(server, 'alice', { clock: at.clock, random: new SeededRandom(6) })
  await within(at, 10_000, alice.register())
  const must = async (method: string, path: string, body?: JsonObject) => (await within(at, 300_000, alice.must(method, path, body))).body
  const room = async (options: JsonObject = {}, version = '12'): Promise<RoomId> =>
    String((await must('POST', '/v3/createRoom', { preset: 'public_chat', room_version: version, ...options })).room_id)
  const say = async (roomId: RoomId, body: string): Promise<EventId> => {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${encodeURIComponent(body)}`
    return String((await must('PUT', path, { msgtype: 'm.text', body })).event_id)
  }
  const setState = (roomId: RoomId, type: string, content: JsonObject, stateKey = '') =>
    must('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`, content)
  /** What alice is shown of an event; `undefined` where she may not see it, or there is none. */
  const shown = async (roomId: RoomId, eventId: EventId): Promise<JsonObject | undefined> => {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(eventId)}`
    const reply = await within(at, 300_000, alice.ask('GET', path))
    return reply?.status === 200 ? reply.body : undefined
  }
  const settle = () => within(at, 600_000, server.running?.idle() ?? Promise.resolve())
  /** The bodies of the room's messages, newest first. */
  const history = async (roomId: RoomId, limit = 100): Promise<unknown[]> => {
    const { chunk } = await must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=${limit}`)
    const events = Array.isArray(chunk) ? chunk.filter(isObject) : []
    return events.flatMap(({ content }) => (isObject(content) && typeof content.body === 'string' ? [content.body] : []))
  }
  return { ...at, server, alice, must, room, say, setState, shown, settle, history }
}

export type Home = Awaited<ReturnType<typeof homeWorld>>

/** The event as home keeps it, whatever it thinks of it. */
export function keptAt({ server }: Home, eventId: EventId): Promise<EventRecord | undefined> {
  return new RoomStore(server.disk.inspect()).event(eventId)
}

/** What of a request a rogue's answer depends on. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: JsonObject
}

/** What a rogue answers: JSON, or nothing it knows of. */
type Script = (asked: Asked) => JsonObject | undefined

/** A server that makes whatever events it likes, and answers as it is told. */
export class RogueServer {
  readonly name: string
  readonly userId: string
  readonly #at: World
  readonly #party: ReturnType<typeof party>
  readonly #rooms: RemoteRooms
  /** What it was asked by `home`, but for transactions and keys. */
  readonly asked: Asked[] = []
  /** The events that `home` sent it. */
  readonly received: Pdu[] = []
  script: Script = () => undefined
  /** How long it takes to answer. */
  delayMs = 0
  /** Whether it signs the joins that come through it. */
  countersigns = false
  roomId = ''
  rules: RoomVersionRules
  /** The newest event it knows of, and its depth. */
  head: EventId = ''
  depth = 0
  readonly state = new Map<string, EventId>()
  readonly events = new Map<EventId, Pdu>()
  #transactions = 0
  #chosenIds = 0

  constructor(at: World, name: string, version = '12') {
    const rules = rulesOf(version)
    if (!rules) throw new Error(`${version} is not served`)
    this.#at = at
    this.name = name
    this.userId = `@mallory:${name}`
    this.rules = rules
    this.#party = party(at, nodeSigner(name))
    this.#rooms = new RemoteRooms(this.#party.client)
    at.network.attach(name, this.#answer)
  }

  get client() {
    return this.#party.client
  }

  /** Joins a room of `home`, and remembers its state. */
  async join(roomId: RoomId, userId = this.userId): Promise<void> {
    this.roomId = roomId
    const template = await within(
      this.#at,
      10_000,
      this.#rooms.makeMembership(home, 'join', { roomId, userId, versions: [this.rules.version] }),
    )
    const { event } = await membershipFromTemplate({ userId, roomId, content: {}, membership: 'join' }, template, this.#party)
    const answer = await within(this.#at, 60_000, this.#rooms.sendJoin(home, { roomId, eventId: event.eventId, pdu: event.pdu }))
    for (const pdu of answer.authChain) this.events.set(this.idOf(pdu), pdu)
    for (const pdu of [...answer.state, event.pdu]) this.know(pdu)
  }

  idOf(pdu: Pdu): EventId {
    return eventIdOf(pdu, this.rules) ?? ''
  }

  /** Takes an event as its newest, part of the state if it is a state event. */
  know(pdu: Pdu): EventId {
    const eventId = this.idOf(pdu)
    this.events.set(eventId, pdu)
    if (typeof pdu.state_key === 'string') this.state.set(stateKeyOf(String(pdu.type), pdu.state_key), eventId)
    this.head = eventId
    this.depth = Number(pdu.depth)
    return eventId
  }

  /** A signed event, by default well-formed and upon the newest it knows of; it becomes the newest unless `aside`. */
  async make(fields: Partial<PduFields> & { readonly aside?: boolean } = {}): Promise<Pdu> {
    const { aside, ...given } = fields
    const type = given.type ?? 'm.room.message'
    const content = given.content ?? { msgtype: 'm.text', body: 'by mallory' }
    const sender = given.sender ?? this.userId
    const keys = authEventKeys(this.rules, { type, stateKey: given.stateKey, sender, content })
    const pdu = buildPdu(
      {
        type,
        content,
        sender,
        roomId: this.roomId,
        originServerTs: this.#at.clock.now(),
        prevEvents: [this.head],
        authEvents: keys.flatMap((key) => this.state.get(key) ?? []),
        depth: this.depth + 1,
        ...(this.rules.eventId === 'chosen' ? { chosen: this.#chosen() } : {}),
        ...given,
      },
      this.rules,
    )
    const signed = await this.sign(pdu)
    if (!aside) this.know(signed)
    return signed
  }

  #chosen(): NonNullable<PduFields['chosen']> {
    const hashOf = (eventId: EventId) => referenceHash(this.events.get(eventId) ?? {}, this.rules)
    return { eventId: `$${this.#chosenIds++}:${this.name}`, referenceHash: hashOf }
  }

  /** References to events it knows, as events of its room version have them. */
  referencesTo(eventIds: readonly EventId[]): JsonValue[] {
    if (this.rules.eventId !== 'chosen') return [...eventIds]
    const hashOf = (eventId: EventId) => encodeBase64(referenceHash(this.events.get(eventId) ?? {}, this.rules))
    return eventIds.map((eventId) => [eventId, { sha256: hashOf(eventId) }])
  }

  sign(pdu: Pdu): Promise<Pdu> {
    return this.#party.signEvent(pdu, this.rules)
  }

  say(body: string, fields: Partial<PduFields> & { readonly aside?: boolean } = {}): Promise<Pdu> {
    return this.make({ content: { msgtype: 'm.text', body }, ...fields })
  }

  /** Sends a transaction to `home`: its answer for each event. */
  async send(...pdus: Pdu[]): Promise<JsonObject> {
    const body = { origin: this.name, origin_server_ts: this.#at.clock.now(), pdus, edus: [] }
    const answer = await this.ask('PUT', ['v1', 'send', `t${this.#transactions++}`], { body })
    return isObject(answer.pdus) ? answer.pdus : {}
  }

  ask(
    method: 'GET' | 'PUT' | 'POST',
    path: string[],
    more: { query?: [string, string][]; body?: JsonObject; maxBytes?: number } = {},
  ): Promise<JsonObject> {
    return within(
      this.#at,
      120_000,
      this.#party.client.json(home, { method, path: ['federation', ...path], repeatable: false, maxBytes: 64 << 20, ...more }),
    )
  }

  /** The status and code with which `home` refuses a request. */
  async refused(...request: Parameters<RogueServer['ask']>): Promise<{ status: number; errcode: string }> {
    try {
      return { status: 200, errcode: JSON.stringify(await this.ask(...request)) }
    } catch (failure) {
      if (!(failure instanceof MatrixError)) throw failure
      return { status: failure.status, errcode: failure.errcode }
    }
  }

  /** Answers honestly from the events it knows: single ones, what is missing, what came before, and one state at all of them. */
  honest(): void {
    const state = [...this.state.values()]
    this.script = ({ path, query, body }): JsonObject | undefined => {
      const last = decodeURIComponent(path.split('/').at(-1) ?? '')
      if (path.includes('/event/')) return this.events.has(last) ? { pdus: [this.events.get(last) ?? {}] } : undefined
      if (path.includes('/get_missing_events/')) return { events: this.before(body.latest_events, Number(body.limit)) }
      if (path.includes('/backfill/')) return { pdus: this.from(query.getAll('v'), Number(query.get('limit'))) }
      if (path.includes('/state_ids/')) return { pdu_ids: state, auth_chain_ids: [] }
      return undefined
    }
  }

  /** Events before the given ones. */
  before(eventIds: unknown, limit: number): Pdu[] {
    const latest = Array.isArray(eventIds) ? eventIds.map(String) : []
    return this.from(
      latest.flatMap((eventId) => prevEventsOf(this.events.get(eventId))),
      limit,
    )
  }

  /** The given events, and those before them. */
  from(eventIds: readonly string[], limit: number): Pdu[] {
    const found = new Map<string, Pdu>()
    const wanted = [...eventIds]
    for (let eventId = wanted.shift(); eventId !== undefined && found.size < limit; eventId = wanted.shift()) {
      const pdu = this.events.get(eventId)
      if (!pdu || found.has(eventId)) continue
      found.set(eventId, pdu)
      wanted.push(...prevEventsOf(pdu))
    }
    return [...found.values()]
  }

  readonly #answer: Handler = async (request, origin) => {
    const url = new URL(request.url)
    if (url.pathname.includes('/key/')) return this.#party.handler(request, origin)
    const body: unknown = request.method === 'GET' ? {} : await request.json()
    const asked = { method: request.method, path: url.pathname, query: url.searchParams, body: isObject(body) ? body : {} }
    const isTransaction = url.pathname.includes('/v1/send/')
    if (!isTransaction) this.asked.push(asked)
    else if (Array.isArray(asked.body.pdus)) this.received.push(...asked.body.pdus.filter(isObject))
    if (this.delayMs > 0) await this.#at.clock.sleep(this.delayMs)
    const answer = this.script(asked) ?? (isTransaction ? { pdus: {} } : undefined)
    const signed = this.countersigns && url.pathname.includes('/send_join/') ? { event: await this.sign(asked.body) } : {}
    return answer ? Response.json({ ...answer, ...signed }) : Response.json({ errcode: 'M_NOT_FOUND', error: 'no' }, { status: 404 })
  }
}

function prevEventsOf(pdu: Pdu | undefined): string[] {
  return Array.isArray(pdu?.prev_events) ? pdu.prev_events.filter((eventId) => typeof eventId === 'string') : []
}
