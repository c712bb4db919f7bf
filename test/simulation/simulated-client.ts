import type { Clock } from '../../src/ports/clock.ts'
import { encodeBase64 } from '../../src/spec/base64.ts'
import { canonicalJson } from '../../src/spec/canonical-json.ts'
import type { JsonObject, JsonValue } from '../../src/spec/json.ts'
import { isObject } from '../../src/spec/json.ts'
import { signingBytes, withSignature } from '../../src/spec/signing.ts'
import { DeviceBook } from './device-book.ts'
import { nodeSigner } from './node-signer.ts'
import type { SeededRandom } from './seeded-random.ts'
import { ShownRoom } from './shown-room.ts'
import type { SimulatedServer } from './simulated-server.ts'

/** What a request came to: `undefined` where the server went down before it answered. */
export interface Reply {
  readonly status: number
  readonly body: JsonObject
}

/** A message that was acknowledged. */
interface Said {
  readonly roomId: string
  readonly eventId: string
  readonly text: string
}

const manyAttempts = 400
const unanswered = [502, 503, 504]

/** A user with one device: keeps its token and its place in `/sync`, as a real client does, and repeats what was not answered. */
export class SimulatedClient {
  readonly server: SimulatedServer
  readonly name: string
  readonly #clock: Clock
  readonly #random: SeededRandom
  readonly #filter: string
  #token = ''
  #deviceId = ''
  #since: string | undefined
  #transactions = 0
  #stopped = false
  /** What `/sync` showed, by room. */
  readonly rooms = new Map<string, ShownRoom>()
  readonly said: Said[] = []
  /** To-device messages that were acknowledged, by their text, and to whom; and those that came. */
  readonly posted: { readonly to: string; readonly text: string }[] = []
  readonly letters: string[] = []
  readonly devices = new DeviceBook()
  /** Answers that no server may give. */
  readonly faults: string[] = []

  constructor(server: SimulatedServer, name: string, at: { readonly clock: Clock; readonly random: SeededRandom }) {
    this.server = server
    this.name = name
    this.#clock = at.clock
    this.#random = at.random
    this.#filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: at.random.between(2, 20) } } }))
  }

  get userId(): string {
    return `@${this.name}:${this.server.name}`
  }

  async register(): Promise<void> {
    const { body } = await this.must('POST', '/v3/register', { username: this.name, password: 'secret', auth: { type: 'm.login.dummy' } })
    this.#token = String(body.access_token)
    this.#deviceId = String(body.device_id)
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
    if (this.server.running !== running) return undefined
    if (response.status === 500) this.faults.push(`${method} ${path} by ${this.userId} is answered ${JSON.stringify(answered)}`)
    return { status: response.status, body: answered }
  }

  /** A request that has to succeed. */
  async must(method: string, path: string, body?: JsonObject): Promise<Reply> {
    const reply = await this.ask(method, path, body)
    if (reply?.status !== 200) throw new Error(`${method} ${path} by ${this.userId}: ${JSON.stringify(reply)}`)
    return reply
  }

  /** Says something once, however often it has to be said: the same transaction until it is answered. */
  async say(roomId: string, text: string): Promise<void> {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${this.#transaction()}`
    const reply = await this.#insist(path, { msgtype: 'm.text', body: text })
    if (reply.status === 200) this.said.push({ roomId, eventId: String(reply.body.event_id), text })
  }

  async post(to: string, text: string): Promise<void> {
    const reply = await this.#insist(`/v3/sendToDevice/m.letter/${this.#transaction()}`, { messages: { [to]: { '*': { text } } } })
    if (reply.status === 200) this.posted.push({ to, text })
  }

  /** Publishes the keys of its device, which `mark` tells from others. */
  async renewKeys(mark: string): Promise<void> {
    const { publicKey, sign } = nodeSigner('', this.userId)
    const keyId = `ed25519:${this.#deviceId}`
    const keys = { user_id: this.userId, device_id: this.#deviceId, algorithms: [mark], keys: { [keyId]: encodeBase64(publicKey) } }
    const signature = await sign(signingBytes(keys))
    await this.ask('POST', '/v3/keys/upload', { device_keys: withSignature(keys, this.userId, { keyId, signature }) })
  }

  /** The devices of a user, to be remembered until `/sync` tells of a change; `undefined` where they cannot be had now. */
  async lookUp(userId: string): Promise<string | undefined> {
    const begun = this.devices.begin(userId)
    const reply = await this.ask('POST', '/v3/keys/query', { device_keys: { [userId]: [] } })
    const { device_keys: found, failures } = reply?.body ?? {}
    if (reply?.status !== 200 || !isObject(found) || (isObject(failures) && Object.keys(failures).length > 0)) return undefined
    const devices = canonicalJson(found[userId] ?? {})
    this.devices.keep(userId, devices, begun)
    return devices
  }

  /** Syncs every now and then until {@link rest}, so that some timelines are limited and some polls wait. */
  async follow(): Promise<void> {
    while (!this.#stopped) {
      await this.#sync(this.#random.chance(0.5) ? 0 : 2_000)
      await this.#clock.sleep(this.#random.between(200, 6_000))
    }
  }

  rest(): void {
    this.#stopped = true
  }

  /** Syncs until there is nothing new. */
  async catchUp(): Promise<void> {
    while (await this.#sync(0));
  }

  /** Everything that `/messages` gives from `from` (the newest, if it is not given) backwards. */
  async history(roomId: string, from?: string): Promise<string[]> {
    const eventIds: string[] = []
    for (let token: JsonValue | undefined = from, page = 0; page < 200; page++) {
      const place = typeof token === 'string' ? `&from=${encodeURIComponent(token)}` : ''
      const { body } = await this.must('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=50${place}`)
      const chunk = Array.isArray(body.chunk) ? body.chunk : []
      eventIds.push(...chunk.map((event) => (isObject(event) ? String(event.event_id) : '')))
      token = body.end
      if (token === undefined) return eventIds
    }
    this.faults.push(`${this.userId} never reached the beginning of ${roomId}`)
    return eventIds
  }

  /** Whether it brought anything. */
  async #sync(timeoutMs: number): Promise<boolean> {
    const since = this.#since === undefined ? '' : `&since=${this.#since}`
    const reply = await this.ask('GET', `/v3/sync?timeout=${timeoutMs}&use_state_after=true&filter=${this.#filter}${since}`)
    if (!reply) return false
    if (reply.status !== 200) {
      this.faults.push(`sync of ${this.userId}: ${JSON.stringify(reply)}`)
      return false
    }
    const { next_batch: next, rooms, to_device: toDevice, device_lists: deviceLists } = reply.body
    this.#since = String(next)
    if (isObject(toDevice)) this.#takeLetters(toDevice.events)
    this.devices.synced(deviceLists)
    const sections = isObject(rooms) ? rooms : {}
    for (const [roomId, room] of entriesOf(sections.join)) this.#shown(roomId).joined(room)
    for (const [roomId, room] of entriesOf(sections.leave)) this.#shown(roomId).left(room, this.userId)
    return rooms !== undefined || toDevice !== undefined || deviceLists !== undefined
  }

  #takeLetters(letters: JsonValue | undefined): void {
    for (const letter of Array.isArray(letters) ? letters : []) {
      if (isObject(letter) && isObject(letter.content) && letter.type === 'm.letter') this.letters.push(String(letter.content.text))
    }
  }

  #shown(roomId: string): ShownRoom {
    const shown = this.rooms.get(roomId) ?? new ShownRoom()
    this.rooms.set(roomId, shown)
    return shown
  }

  #transaction(): string {
    return `${this.name}-${this.#transactions++}`
  }

  async #insist(path: string, body: JsonObject): Promise<Reply> {
    for (let attempt = 0; attempt < manyAttempts; attempt++) {
      const reply = await this.ask('PUT', path, body)
      if (reply && !unanswered.includes(reply.status)) return reply
      await this.#clock.sleep(500)
    }
    throw new Error(`${this.userId} was never answered`)
  }
}

function entriesOf(section: JsonValue | undefined): [string, JsonObject][] {
  return isObject(section)
    ? Object.entries(section).flatMap(([roomId, room]) => (isObject(room) ? [[roomId, room] as [string, JsonObject]] : []))
    : []
}
