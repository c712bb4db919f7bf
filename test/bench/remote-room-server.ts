import { createHash } from 'node:crypto'
import { OwnKeys } from '../../src/federation/own-keys.ts'
import type { FederationTransport, WireRequest, WireResponse } from '../../src/ports/federation-transport.ts'
import type { Signer } from '../../src/ports/signer.ts'
import { authEventKeys } from '../../src/spec/auth-events.ts'
import { buildPdu } from '../../src/spec/build-pdu.ts'
import { type EventId, type RoomEvent, type StateKey, stateKeyOf } from '../../src/spec/event.ts'
import { parseEvent } from '../../src/spec/event-format.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { isObject } from '../../src/spec/json.ts'
import type { RoomVersionRules } from '../../src/spec/room-version.ts'
import { eventSigningBytes, withSignature } from '../../src/spec/signing.ts'
import { browserClock } from '../../worker/browser-ports.ts'
import { nodeSigner } from '../simulation/node-signer.ts'

/** Users who talk in turn. */
const talking = 10
/** Every so many events are a topic; the rest are messages. */
const topicEvery = 20

/** How large a room is. */
interface RoomSize {
  /** Joined users, all of the one server. */
  readonly members: number
  /** Events, those that make the room and its members included. */
  readonly length: number
}

/** A server with one public room, which it gives to whoever asks. */
export class RemoteRoomServer implements FederationTransport {
  readonly serverName: string
  readonly #rules: RoomVersionRules
  readonly #signer: Signer
  readonly #keys: OwnKeys
  readonly #events: RoomEvent[] = []
  readonly #places = new Map<EventId, number>()
  readonly #state = new Map<StateKey, EventId>()

  constructor(rules: RoomVersionRules, { members, length }: RoomSize, serverName = 'remote.example') {
    this.#rules = rules
    this.serverName = serverName
    this.#signer = nodeSigner(serverName)
    this.#keys = new OwnKeys({ signer: this.#signer, clock: browserClock })
    const creator = `@creator:${serverName}`
    const users = Array.from({ length: members }, (_, i) => `@user${i}:${serverName}`)
    this.#add('m.room.create', '', creator, { room_version: rules.version })
    this.#add('m.room.member', creator, creator, { membership: 'join' })
    this.#add('m.room.power_levels', '', creator, { users: {}, events: { 'm.room.topic': 0 } })
    this.#add('m.room.join_rules', '', creator, { join_rule: 'public' })
    for (const user of users) this.#add('m.room.member', user, user, { membership: 'join', displayname: `User ${user.slice(1, 8)}` })
    while (this.#events.length < length) {
      const talker = users[this.#events.length % talking] ?? creator
      const body = `message ${this.#events.length}, of a usual length, give or take`
      if (this.#events.length % topicEvery === 0) this.#add('m.room.topic', '', talker, { topic: body })
      else this.#add('m.room.message', undefined, talker, { msgtype: 'm.text', body })
    }
  }

  get roomId(): string {
    return this.#events[0]?.roomId ?? ''
  }

  async request(_to: string, { method, uri, body }: WireRequest): Promise<WireResponse> {
    const url = new URL(uri, `https://${this.serverName}`)
    const answer = await this.#answer(method, url, body)
    const text = JSON.stringify(answer ?? { errcode: 'M_NOT_FOUND', error: 'There is nothing here' })
    return { status: answer ? 200 : 404, headers: { 'content-type': 'application/json' }, body: new TextEncoder().encode(text) }
  }

  onReachable(): () => void {
    return () => undefined
  }

  route() {
    return 'https' as const
  }

  #answer(method: string, url: URL, body: Uint8Array | undefined): JsonValue | undefined | Promise<JsonValue> {
    const [, , kind, , endpoint, subject, last] = url.pathname.split('/').map(decodeURIComponent)
    if (kind === 'key') return this.#keys.document()
    if (endpoint === 'make_join') return this.#template(String(last))
    if (endpoint === 'send_join') return this.#joined(JSON.parse(new TextDecoder().decode(body)))
    if (endpoint === 'backfill') return this.#before(url.searchParams.getAll('v'), Number(url.searchParams.get('limit')))
    if (endpoint === 'event') return this.#event(String(subject))
    if (endpoint === 'state_ids') return this.#stateIds(this.#places.get(url.searchParams.get('event_id') ?? '') ?? -1)
    return method === 'PUT' && endpoint === 'send' ? { pdus: {} } : undefined
  }

  #template(userId: string): JsonValue {
    const event = { type: 'm.room.member', sender: userId, state_key: userId, room_id: this.roomId, content: { membership: 'join' } }
    const keys = authEventKeys(this.#rules, { type: event.type, stateKey: userId, sender: userId, content: event.content })
    const authEvents = keys.flatMap((key) => this.#state.get(key) ?? [])
    const latest = this.#events.at(-1)
    const more = { auth_events: authEvents, prev_events: latest ? [latest.eventId] : [], depth: this.#events.length + 1 }
    return { room_version: this.#rules.version, event: { ...event, ...more, origin_server_ts: Date.now() } }
  }

  #joined(event: JsonValue): JsonValue | undefined {
    const state = [...this.#state.values()].map((eventId) => this.#pdu(eventId))
    const chain = state.filter(({ type, sender }) => type !== 'm.room.member' || sender === `@creator:${this.serverName}`)
    return isObject(event) ? { state, auth_chain: chain, event, members_omitted: false, servers_in_room: [this.serverName] } : undefined
  }

  #before(eventIds: readonly EventId[], limit: number): JsonValue {
    const newest = Math.max(...eventIds.map((eventId) => this.#places.get(eventId) ?? -1))
    const events = this.#events.slice(Math.max(0, newest + 1 - limit), newest + 1).reverse()
    return { origin: this.serverName, origin_server_ts: Date.now(), pdus: events.map(({ pdu }) => pdu) }
  }

  #stateIds(place: number): JsonValue | undefined {
    if (place < 0) return undefined
    const state = new Map<StateKey, EventId>()
    for (const { type, stateKey, eventId } of this.#events.slice(0, place)) {
      if (stateKey !== undefined) state.set(stateKeyOf(type, stateKey), eventId)
    }
    return { pdu_ids: [...state.values()], auth_chain_ids: [...state.values()] }
  }

  #event(eventId: EventId): JsonValue | undefined {
    const known = this.#places.has(eventId)
    return known ? { origin: this.serverName, origin_server_ts: Date.now(), pdus: [this.#pdu(eventId)] } : undefined
  }

  #pdu(eventId: EventId): JsonObject {
    return this.#events[this.#places.get(eventId) ?? 0]?.pdu ?? {}
  }

  #add(type: string, stateKey: string | undefined, sender: string, content: JsonObject): void {
    const rules = this.#rules
    const draft = { type, stateKey, sender, content }
    const latest = this.#events.at(-1)
    const pdu = buildPdu(
      {
        ...{ type, sender, content, ...(stateKey === undefined ? {} : { stateKey }) },
        ...(latest ? { roomId: this.roomId } : {}),
        originServerTs: 1_700_000_000_000 + this.#events.length,
        prevEvents: latest ? [latest.eventId] : [],
        authEvents: authEventKeys(rules, draft).flatMap((key) => this.#state.get(key) ?? []),
        depth: this.#events.length + 1,
        chosen: { eventId: `$${this.#events.length}:${this.serverName}`, referenceHash: (id) => createHash('sha256').update(id).digest() },
      },
      rules,
    )
    const signature = this.#signer.sign(eventSigningBytes(pdu, rules))
    if (signature instanceof Promise) throw new Error('the signer is synchronous')
    const parsed = parseEvent(withSignature(pdu, this.serverName, { keyId: this.#signer.keyId, signature }), rules)
    if ('error' in parsed) throw new Error(parsed.error)
    this.#places.set(parsed.event.eventId, this.#events.length)
    this.#events.push(parsed.event)
    if (stateKey !== undefined) this.#state.set(stateKeyOf(type, stateKey), parsed.event.eventId)
  }
}
