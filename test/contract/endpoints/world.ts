import type { Handler } from '../../../src/http/router.ts'
import { wireJson } from '../../../src/http/wire-response.ts'
import { isObject, type JsonObject, type JsonValue } from '../../../src/spec/json.ts'
import { type InProcessHomeserver, InProcessNetwork } from '../homeservers-in-process.ts'
import type { Contract } from '../specification/contract.ts'
import type { Person, Sample } from './sample.ts'

/** A private room of Alice's: Bob is in it, Carol left, Dave is banned, and only then the secrets came. */
export interface RoomScene {
  readonly roomId: string
  /** A message that everyone in the room saw who was ever in it. */
  readonly earlyEventId: string
  /** A message of Alice's, sent after Carol and Dave were gone. */
  readonly eventId: string
}

/** In whatever only members of Alice's rooms may see. */
export const secret = 'SESAME'

type Name = 'admin' | 'alice' | 'bob' | 'carol' | 'dave' | 'mallory'

export interface Answer {
  readonly status: number
  readonly body: JsonObject
  readonly text: string
  readonly headers: Headers
}

/** Where calls may go through. */
const turn = { uris: ['turn:turn.example:3478?transport=udp'], username: 'caller', password: 'wonderland-7' }

/** A homeserver with people on it, every answer of which is held against the specification. */
export class World {
  readonly home: InProcessHomeserver
  readonly contract: Contract
  readonly #network: InProcessNetwork
  readonly #handle: Handler
  #people: Readonly<Record<Name, Person>> | undefined
  #room: Promise<RoomScene> | undefined
  #count = 0

  private constructor(network: InProcessNetwork, home: InProcessHomeserver) {
    this.#network = network
    this.home = home
    this.contract = network.contracts.client
    this.#handle = home.watched.client
  }

  static async open(): Promise<World> {
    const network = new InProcessNetwork(async (_to, { body }) => wireJson(await pageOf(body)))
    const world = new World(network, await network.start('home.example', { turn }))
    // The first account is that of an administrator.
    const admin = await world.register('admin')
    const [alice, bob, carol, dave, mallory] = await Promise.all(
      ['alice', 'bob', 'carol', 'dave', 'mallory'].map((name) => world.register(name)),
    )
    if (!alice || !bob || !carol || !dave || !mallory) throw new Error('a registration is missing')
    world.#people = { admin, alice, bob, carol, dave, mallory }
    return world
  }

  close(): Promise<void> {
    return this.#network.stop()
  }

  /** Runs the homeserver. */
  get admin(): Person {
    return this.#person('admin')
  }

  get alice(): Person {
    return this.#person('alice')
  }

  get bob(): Person {
    return this.#person('bob')
  }

  /** Left Alice's rooms. */
  get carol(): Person {
    return this.#person('carol')
  }

  /** Was banned from Alice's rooms. */
  get dave(): Person {
    return this.#person('dave')
  }

  /** Was never in any of them. */
  get mallory(): Person {
    return this.#person('mallory')
  }

  #person(name: Name): Person {
    if (!this.#people) throw new Error('the world is not open yet')
    return this.#people[name]
  }

  /** A name that was not used before. */
  fresh(prefix: string): string {
    return `${prefix}${++this.#count}`
  }

  /** A new user. */
  async register(name = this.fresh('user')): Promise<Person> {
    const body = { username: name, password: passwordOf(name), auth: { type: 'm.login.dummy' }, device_id: `${name.toUpperCase()}PHONE` }
    const answer = await this.must(undefined, 'POST', '/_matrix/client/v3/register', body)
    return { name, userId: String(answer.user_id), deviceId: String(answer.device_id), token: String(answer.access_token) }
  }

  /** Asks as someone, or without a token. */
  ask(who: Person | undefined, method: string, uri: string, body?: JsonValue): Promise<Answer> {
    return this.send({ method, uri, ...(who ? { token: who.token } : {}), ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }

  /** Like `ask`, for what has to succeed: the body of the answer. */
  async must(who: Person | undefined, method: string, uri: string, body?: JsonValue): Promise<JsonObject> {
    const { status, text, body: answer } = await this.ask(who, method, uri, body)
    if (status !== 200) throw new Error(`${method} ${uri}: ${status} ${text}`)
    return answer
  }

  async send(request: {
    readonly method: string
    readonly uri: string
    readonly token?: string
    readonly body?: string | Uint8Array<ArrayBuffer>
    readonly headers?: Readonly<Record<string, string>>
  }): Promise<Answer> {
    const { method, uri, token, body } = request
    const headers = { ...request.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
    const asked = new Request(`http://home.example${uri}`, { method, headers, ...(body === undefined ? {} : { body }) })
    return answerOf(await this.#handle(asked, { trusted: true, address: 'test', uri }))
  }

  /** Sends a sample on a route, as whoever it is by or as another. */
  sample(
    route: { readonly endpoint: { readonly method: string }; readonly path: string },
    sample: Sample,
    token?: string,
  ): Promise<Answer> {
    const { body, as, headers } = sample
    const by = token ?? (as === 'nobody' ? undefined : (as ?? this.alice).token)
    return this.send({
      method: route.endpoint.method,
      uri: uriOf(route.path, sample),
      ...(by === undefined ? {} : { token: by }),
      ...(headers ? { headers } : {}),
      ...(body === undefined ? {} : { body: body instanceof Uint8Array ? body : JSON.stringify(body) }),
    })
  }

  /** A room that is only read. */
  room(): Promise<RoomScene> {
    this.#room ??= this.freshRoom()
    return this.#room
  }

  /** Lets samples that read a room read this one. */
  async inRoom(scene: RoomScene, run: () => Promise<void>): Promise<void> {
    const usual = this.#room
    this.#room = Promise.resolve(scene)
    await run()
    this.#room = usual
  }

  /** A room to do things to. */
  async freshRoom(request: JsonObject = {}): Promise<RoomScene> {
    const { alice, bob, carol, dave } = this
    const { room_id: roomId } = await this.must(alice, 'POST', '/_matrix/client/v3/createRoom', {
      preset: 'private_chat',
      invite: [bob.userId, carol.userId, dave.userId],
      ...request,
    })
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(String(roomId))}`
    for (const guest of [bob, carol, dave]) await this.must(guest, 'POST', `${path}/join`, {})
    const earlyEventId = await this.say(String(roomId), 'hello')
    await this.must(carol, 'POST', `${path}/leave`, {})
    await this.must(alice, 'POST', `${path}/ban`, { user_id: dave.userId })
    for (const [type, field] of Object.entries({ 'm.room.name': 'name', 'm.room.topic': 'topic' }))
      await this.must(alice, 'PUT', `${path}/state/${type}/`, { [field]: secret })
    return { roomId: String(roomId), earlyEventId, eventId: await this.say(String(roomId), secret) }
  }

  /** Sends a message of Alice's: its id. */
  async say(roomId: string, body: string, content: JsonObject = {}): Promise<string> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${this.fresh('txn')}`
    const { event_id: eventId } = await this.must(this.alice, 'PUT', path, { msgtype: 'm.text', body, ...content })
    return String(eventId)
  }
}

/** What the relay says of a page; of one that is not on the public internet, nothing. */
async function pageOf(body: Uint8Array | undefined): Promise<JsonObject> {
  const { url } = objectOf(new TextDecoder().decode(body))
  if (url === 'https://page.example/') return { 'og:title': 'A page' }
  throw new Error('the page cannot be reached')
}

export function passwordOf(name: string): string {
  return `${name} in wonderland`
}

/** A path's parameters filled in, and the query. */
export function uriOf(path: string, { params = {}, query }: Pick<Sample, 'params' | 'query'>): string {
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? 'x'))
  return query === undefined ? filled : `${filled}?${new URLSearchParams(query)}`
}

/** A response, read. */
export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  return { status: response.status, body: objectOf(text), text, headers: response.headers }
}

function objectOf(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}
