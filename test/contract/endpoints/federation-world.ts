import { contentHash, eventIdOf } from '../../../src/spec/event-hash.ts'
import type { JsonObject, JsonValue } from '../../../src/spec/json.ts'
import { rulesOf } from '../../../src/spec/room-version.ts'
import { eventSigningBytes, signingBytes, withSignature } from '../../../src/spec/signing.ts'
import { formatXMatrix, requestSigningObject } from '../../../src/spec/x-matrix.ts'
import { nodeSigner } from '../../simulation/node-signer.ts'
import { type InProcessHomeserver, InProcessNetwork } from '../homeservers-in-process.ts'
import { type Answer, answerOf, secret, uriOf } from './world.ts'

/** A user of one of the homeservers. */
export interface FederatedUser {
  readonly server: InProcessHomeserver
  readonly userId: string
  readonly deviceId: string
  readonly token: string
}

/** A request on a route of the Server-Server API, signed by a server. */
export interface ServerSample {
  /** guest.example unless told; `nobody` sends no signature. */
  readonly as?: string
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: JsonValue
}

/** A room of Alice's in which guest.example is, and banned.example was until its ACL forbade it: only then the secret came. */
export interface FederatedRoom {
  readonly roomId: string
  readonly eventId: string
}

const home = 'home.example'

/** home.example, and the servers that ask it: one in its room, one that never was, one that the room's ACL bans. */
export class FederationWorld {
  readonly network: InProcessNetwork
  readonly home: InProcessHomeserver
  readonly alice: FederatedUser
  /** Of guest.example. */
  readonly bob: FederatedUser
  /** Of banned.example. */
  readonly eve: FederatedUser
  #room: Promise<FederatedRoom> | undefined
  #count = 0

  private constructor(network: InProcessNetwork, people: readonly [FederatedUser, FederatedUser, FederatedUser]) {
    this.network = network
    const [alice, bob, eve] = people
    this.home = alice.server
    this.alice = alice
    this.bob = bob
    this.eve = eve
  }

  static async open(): Promise<FederationWorld> {
    const network = new InProcessNetwork()
    const alice = await register(await network.start(home), 'alice')
    const bob = await register(await network.start('guest.example'), 'bob')
    const eve = await register(await network.start('banned.example'), 'eve')
    await network.start('stranger.example')
    return new FederationWorld(network, [alice, bob, eve])
  }

  close(): Promise<void> {
    return this.network.stop()
  }

  /** A name that was not used before. */
  fresh(prefix: string): string {
    return `${prefix}${++this.#count}`
  }

  /** Asks home.example what is on a route, signed as the sample says or by another server. */
  async sample(
    route: { readonly endpoint: { readonly method: string }; readonly path: string },
    sample: ServerSample,
    by?: string,
  ): Promise<Answer> {
    const { body, as = 'guest.example' } = sample
    const origin = by ?? as
    const [method, uri] = [route.endpoint.method, uriOf(route.path, sample)]
    const headers = new Headers(origin === 'nobody' ? [] : [['authorization', await signature({ method, uri, origin, body })]])
    return this.send({ method, uri, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }

  async send(request: { method: string; uri: string; headers: Headers; body?: string }): Promise<Answer> {
    const { method, uri, headers, body } = request
    const asked = new Request(`http://${home}${uri}`, { method, headers, ...(body === undefined ? {} : { body }) })
    return answerOf(await this.home.watched.federation(asked, { trusted: false, address: 'test', uri }))
  }

  /** Asks a homeserver as one of its users, for what has to succeed. */
  must(who: FederatedUser, method: string, path: string, body?: JsonValue): Promise<JsonObject> {
    return clientCall(who.server, { method, path, token: who.token, ...(body === undefined ? {} : { body }) })
  }

  room(): Promise<FederatedRoom> {
    this.#room ??= this.#makeRoom()
    return this.#room
  }

  async #makeRoom(): Promise<FederatedRoom> {
    const { alice, bob, eve } = this
    const { roomId } = await this.publicRoom({ name: 'Tea' })
    for (const guest of [bob, eve]) await this.must(guest, 'POST', `/v3/join/${encodeURIComponent(roomId)}?via=${home}`, {})
    const path = `/v3/rooms/${encodeURIComponent(roomId)}`
    await this.must(alice, 'PUT', `${path}/state/m.room.server_acl/`, { allow: ['*'], deny: ['banned.example'], allow_ip_literals: false })
    await this.must(alice, 'PUT', `${path}/state/m.room.join_rules/`, { join_rule: 'invite' })
    const { event_id } = await this.must(alice, 'PUT', `${path}/send/m.room.message/${this.fresh('t')}`, {
      msgtype: 'm.text',
      body: secret,
    })
    return { roomId, eventId: String(event_id) }
  }

  /** A room that anyone may join. */
  async publicRoom(request: JsonObject = {}): Promise<{ roomId: string }> {
    const { room_id: roomId } = await this.must(this.alice, 'POST', '/v3/createRoom', { preset: 'public_chat', ...request })
    return { roomId: String(roomId) }
  }

  /** A membership event of a user of `origin`, made from the template that home.example gives. */
  async membership(origin: string, kind: 'join' | 'leave' | 'knock', roomId: string): Promise<{ eventId: string; pdu: JsonObject }> {
    const route = { endpoint: { method: 'GET' }, path: `/_matrix/federation/v1/make_${kind}/:roomId/:userId` }
    const userId = origin === 'guest.example' ? this.bob.userId : `@someone:${origin}`
    const query = kind === 'leave' ? {} : { query: { ver: '12' } }
    const { text, body } = await this.sample(route, { as: origin, params: { roomId, userId }, ...query })
    const { event, room_version: version } = body
    if (typeof event !== 'object' || event === null || Array.isArray(event)) throw new Error(text)
    return signedEvent(event, { origin, version: String(version) })
  }
}

/** An event with its hash, signed by a server. */
export async function signedEvent(
  event: JsonObject,
  by: { origin: string; version: string },
): Promise<{ eventId: string; pdu: JsonObject }> {
  const rules = rulesOf(by.version)
  if (!rules) throw new Error(`room version ${by.version} is not known`)
  const timed = { ...event, origin_server_ts: Date.now() }
  const hashed = { ...timed, hashes: { sha256: contentHash(timed) }, signatures: {} }
  const { keyId, sign } = nodeSigner(by.origin)
  const pdu = withSignature(hashed, by.origin, { keyId, signature: await sign(eventSigningBytes(hashed, rules)) })
  const eventId = eventIdOf(pdu, rules)
  if (eventId === undefined) throw new Error('the event has no id')
  return { eventId, pdu }
}

/** The header by which `origin` signs a request to home.example. */
export async function signature(request: {
  readonly method: string
  readonly uri: string
  readonly origin: string
  readonly body: JsonValue | undefined
  readonly destination?: string
}): Promise<string> {
  const { body, destination = home, ...rest } = request
  const { keyId, sign } = nodeSigner(request.origin)
  const message = signingBytes(requestSigningObject({ ...rest, destination, ...(body === undefined ? {} : { content: body }) }))
  return formatXMatrix({ origin: request.origin, destination, keyId, signature: Uint8Array.from(await sign(message)) })
}

async function register(server: InProcessHomeserver, username: string): Promise<FederatedUser> {
  const body = { username, password: `${username} in wonderland`, auth: { type: 'm.login.dummy' } }
  const answer = await clientCall(server, { method: 'POST', path: '/v3/register', body })
  return { server, userId: String(answer.user_id), deviceId: String(answer.device_id), token: String(answer.access_token) }
}

async function clientCall(
  server: InProcessHomeserver,
  { method, path, token, body }: { method: string; path: string; token?: string; body?: JsonValue },
): Promise<JsonObject> {
  const response = await server.fetch(`http://${server.name}/_matrix/client${path}`, {
    method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const answer: JsonObject = await response.json()
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}
