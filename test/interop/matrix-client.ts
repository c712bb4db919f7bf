import { isObject, type JsonObject } from '../../src/spec/json.ts'

interface Account {
  readonly token: string
  readonly userId: string
  readonly deviceId: string
}

/** How a client's requests travel. */
export type Send = (request: {
  method: string
  path: string
  headers: Record<string, string>
  body?: string | Uint8Array<ArrayBuffer>
}) => Promise<Response>

interface TimelineEvent extends JsonObject {
  event_id: string
  type: string
  sender: string
  content: JsonObject
}

const waitMs = 30_000

/** A user of a homeserver, over whatever speaks its Client-Server API. */
export class Client {
  readonly serverName: string
  readonly userId: string
  readonly deviceId: string
  readonly token: string
  readonly #send: Send
  #transactions = 0

  constructor(serverName: string, send: Send, account: Account = { token: '', userId: '', deviceId: '' }) {
    this.serverName = serverName
    this.userId = account.userId
    this.deviceId = account.deviceId
    this.token = account.token
    this.#send = send
  }

  /** A request that may be refused. */
  async raw(method: string, path: string, body?: JsonObject | Uint8Array<ArrayBuffer>): Promise<Response> {
    const isBytes = body instanceof Uint8Array
    return this.#send({
      method,
      path,
      headers: {
        'content-type': isBytes ? 'application/octet-stream' : 'application/json',
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
      },
      ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
    })
  }

  /** A request that has to succeed. */
  async call(method: string, path: string, body?: JsonObject): Promise<JsonObject> {
    const response = await this.raw(method, path, body)
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${method} ${path} on ${this.serverName}: ${response.status} ${text}`)
    const answer: unknown = JSON.parse(text)
    return isObject(answer) ? answer : { answer: JSON.parse(text) }
  }

  async createRoom(options: JsonObject = {}): Promise<string> {
    const { room_id: roomId } = await this.call('POST', '/_matrix/client/v3/createRoom', options)
    return String(roomId)
  }

  async join(roomIdOrAlias: string, via: string): Promise<string> {
    const path = `/_matrix/client/v3/join/${encodeURIComponent(roomIdOrAlias)}?server_name=${via}&via=${via}`
    return String((await this.call('POST', path, {})).room_id)
  }

  async knock(roomId: string, via: string): Promise<void> {
    await this.call('POST', `/_matrix/client/v3/knock/${encodeURIComponent(roomId)}?server_name=${via}&via=${via}`, {})
  }

  /** `invite`, `leave`, `kick`, `ban`, `unban`, `forget`. */
  async membership(roomId: string, action: string, userId?: string): Promise<void> {
    await this.call('POST', `${this.room(roomId)}/${action}`, userId === undefined ? {} : { user_id: userId })
  }

  async say(roomId: string, body: string): Promise<string> {
    const path = `${this.room(roomId)}/send/m.room.message/t${++this.#transactions}`
    return String((await this.call('PUT', path, { msgtype: 'm.text', body })).event_id)
  }

  async setState(roomId: string, type: string, content: JsonObject, stateKey = ''): Promise<string> {
    return String((await this.call('PUT', `${this.room(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`, content)).event_id)
  }

  async state(roomId: string, type: string, stateKey = ''): Promise<JsonObject> {
    return this.call('GET', `${this.room(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`)
  }

  /** Users in a room, in order. */
  async joinedMembers(roomId: string): Promise<string[]> {
    const { joined } = await this.call('GET', `${this.room(roomId)}/joined_members`)
    return Object.keys(isObject(joined) ? joined : {}).sort()
  }

  /** The messages of a room, oldest first, as far back as the server can show. */
  async history(roomId: string): Promise<TimelineEvent[]> {
    const events: TimelineEvent[] = []
    let from: string | undefined
    for (let page = 0; page < 50; page++) {
      const query = `dir=b&limit=100${from === undefined ? '' : `&from=${encodeURIComponent(from)}`}`
      const { chunk, end } = await this.call('GET', `${this.room(roomId)}/messages?${query}`)
      events.unshift(...(Array.isArray(chunk) ? chunk : []).filter(isTimelineEvent).reverse())
      if (typeof end !== 'string' || end === from) break
      from = end
    }
    return events
  }

  /** What was said, oldest first. */
  async heard(roomId: string): Promise<string[]> {
    return (await this.history(roomId)).flatMap(({ type, content }) =>
      type === 'm.room.message' && typeof content.body === 'string' ? [content.body] : [],
    )
  }

  async sync(since?: string, timeoutMs = 0): Promise<JsonObject> {
    return this.call(
      'GET',
      `/_matrix/client/v3/sync?timeout=${timeoutMs}${since === undefined ? '' : `&since=${encodeURIComponent(since)}`}`,
    )
  }

  /** Syncs until `find` finds something, or fails with `what` was awaited. */
  async syncUntil<T>(what: string, find: (sync: JsonObject) => T | undefined): Promise<T> {
    const end = Date.now() + waitMs
    let since: string | undefined
    while (Date.now() < end) {
      const sync = await this.sync(since, since === undefined ? 0 : 2_000)
      const found = find(sync)
      if (found !== undefined) return found
      since = String(sync.next_batch)
    }
    throw new Error(`${this.userId} never saw ${what}`)
  }

  room(roomId: string): string {
    return `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`
  }
}

/** A client over HTTP. */
export function httpClient(url: string, serverName: string, account?: Account): Client {
  return new Client(serverName, ({ path, ...request }) => fetch(`${url}${path}`, request), account)
}

/** Tries until it does not throw. */
export async function eventually<T>(attempt: () => Promise<T>, timeoutMs = waitMs): Promise<T> {
  const end = Date.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (failure) {
      if (Date.now() > end) throw failure
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  }
}

/** Walks into a JSON value. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value
  for (const step of path) {
    if (typeof step === 'number') here = Array.isArray(here) ? here[step] : undefined
    else here = isObject(here) ? here[step] : undefined
  }
  return here
}

function isTimelineEvent(event: unknown): event is TimelineEvent {
  return isObject(event) && typeof event.event_id === 'string' && typeof event.type === 'string' && isObject(event.content)
}
