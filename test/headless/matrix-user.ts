interface SyncAnswer {
  readonly next_batch: string
  readonly rooms?: {
    readonly join?: Readonly<Record<string, { readonly timeline: { readonly events: readonly { readonly event_id: string }[] } }>>
  }
}

/** A Matrix user who speaks plain HTTP. */
export class MatrixUser {
  readonly baseUrl: string
  readonly userId: string
  readonly #token: string
  #transactions = 0

  constructor(baseUrl: string, session: { readonly user_id: string; readonly access_token: string }) {
    this.baseUrl = baseUrl
    this.userId = session.user_id
    this.#token = session.access_token
  }

  static async register(baseUrl: string, username: string): Promise<MatrixUser> {
    const body = { username, password: 'secret words', auth: { type: 'm.login.dummy' } }
    return new MatrixUser(baseUrl, await request(baseUrl, { method: 'POST', path: '/_matrix/client/v3/register', body }))
  }

  static async login(baseUrl: string, username: string, password = 'secret words'): Promise<MatrixUser> {
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: username }, password }
    return new MatrixUser(baseUrl, await request(baseUrl, { method: 'POST', path: '/_matrix/client/v3/login', body }))
  }

  ask<T>(method: string, path: string, body?: object): Promise<T> {
    return request(this.baseUrl, { method, path: `/_matrix/client${path}`, token: this.#token, ...(body ? { body } : {}) })
  }

  async createRoom(body: object): Promise<string> {
    return (await this.ask<{ room_id: string }>('POST', '/v3/createRoom', body)).room_id
  }

  async join(roomId: string, via: string): Promise<void> {
    await this.ask('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${encodeURIComponent(via)}`, {})
  }

  async say(roomId: string, text: string): Promise<string> {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${Date.now()}-${this.#transactions++}`
    return (await this.ask<{ event_id: string }>('PUT', path, { msgtype: 'm.text', body: text })).event_id
  }

  /** What is new since a token, waited for if there is nothing. */
  sync(since?: string, timeoutMs = 0): Promise<SyncAnswer> {
    return this.ask('GET', `/v3/sync?timeout=${timeoutMs}${since === undefined ? '' : `&since=${encodeURIComponent(since)}`}`)
  }

  /** Waits in one sync after the other, which presence ends as well, until something was said in the room: those events. */
  async syncUntilSpoken(roomId: string, since?: string): Promise<string[]> {
    const { next_batch: next, rooms } = await this.sync(since, 30_000)
    const events = rooms?.join?.[roomId]?.timeline.events ?? []
    return events.length > 0 ? events.map(({ event_id: eventId }) => eventId) : this.syncUntilSpoken(roomId, next)
  }

  /** The texts of the room's messages, oldest first. */
  async texts(roomId: string): Promise<string[]> {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`
    const { chunk } = await this.ask<{ chunk: { type: string; content: { body?: string } }[] }>('GET', path)
    return chunk
      .filter(({ type }) => type === 'm.room.message')
      .map(({ content }) => content.body ?? '')
      .reverse()
  }

  /** Waits until the room shows a message with this text. */
  async hears(roomId: string, text: string, timeoutMs = 20_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!(await this.texts(roomId)).includes(text)) {
      if (Date.now() > deadline) throw new Error(`${this.userId} never heard “${text}”`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

/** A JSON request that has to succeed. */
export async function request<T>(
  baseUrl: string,
  { method, path, body, token }: { readonly method: string; readonly path: string; readonly body?: object; readonly token?: string },
): Promise<T> {
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return JSON.parse(text)
}
