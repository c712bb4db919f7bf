/** Asks a homeserver's Client-Server API; rejects unless it succeeds. The same for a page and for Node. */
export type Call = (method: string, path: string, token: string, body?: object) => Promise<Record<string, unknown>>

/** How large the account is. */
export interface Size {
  readonly rooms: number
  /** Besides what creating and joining a room make. */
  readonly messagesPerRoom: number
}

/** An account in many rooms, all shared with one other user. */
export interface Account {
  readonly token: string
  readonly otherToken: string
  readonly roomId: string
  /** Where its `/sync` stands. */
  readonly since: string
}

/** What a client waits for, in milliseconds; every list is one figure for each repetition. */
export interface ClientTimes {
  readonly emptyRoundTrip: readonly number[]
  readonly send: readonly number[]
  /** From sending to the event's arrival in the waiting `/sync` of the other user. */
  readonly delivery: readonly number[]
  /** `/sync` with nothing new in any room, not waiting. */
  readonly idleSync: readonly number[]
  readonly initialSync: readonly number[]
  readonly sendsPerSecond: number
}

const repetitions = 300
const atATime = 8
let asked = 0

/** A filter that no request had before: Synapse keeps answers of `/sync` for two minutes. */
function newFilter(): string {
  const room = { timeline: { limit: 10, not_types: [`bench.${performance.timeOrigin}.${asked++}`] }, state: { lazy_load_members: true } }
  return encodeURIComponent(JSON.stringify({ room }))
}

/** The first `/sync` of a client that knows nothing. */
export function initialSyncPath(): string {
  return `/_matrix/client/v3/sync?timeout=0&filter=${newFilter()}`
}

/** The `/sync` of a client that knows all up to `since`. */
export function syncPath(since: string, timeoutMs = 0): string {
  return `/_matrix/client/v3/sync?timeout=${timeoutMs}&since=${encodeURIComponent(since)}&filter=${newFilter()}`
}

/** Gives an account its rooms. */
export async function prepare(
  call: Call,
  tokens: { token: string; otherToken: string },
  { rooms, messagesPerRoom }: Size,
): Promise<Account> {
  const { token, otherToken } = tokens
  const ids: string[] = []
  await inLanes(rooms, async (n) => {
    const { room_id: id } = await call('POST', '/_matrix/client/v3/createRoom', token, { preset: 'public_chat', name: `Room ${n}` })
    const roomId = String(id)
    await call('POST', `/_matrix/client/v3/join/${encodeURIComponent(roomId)}`, otherToken, {})
    for (let m = 0; m < messagesPerRoom; m++) await sendTo(call, token, roomId, `prepared-${m}`)
    ids.push(roomId)
  })
  const { next_batch: since } = await call('GET', initialSyncPath(), token)
  return { ...tokens, roomId: ids[0] ?? '', since: String(since) }
}

/** Measures what a client waits for. The work is the same whichever homeserver does it. */
export async function measure(call: Call, { token, otherToken, roomId }: Account): Promise<ClientTimes> {
  const run = Math.random().toString(36).slice(2)
  const send = (id: string) => sendTo(call, token, roomId, `${run}-${id}`)
  await repeat(50, (i) => send(`warm-${i}`))
  const emptyRoundTrip = await repeat(repetitions, () => call('GET', '/_matrix/client/versions', ''))
  const sends = await repeat(repetitions, (i) => send(String(i)))
  const delivery = await deliveries(call, otherToken, (i) => send(`delivery-${i}`))
  const { next_batch: now } = await call('GET', initialSyncPath(), token)
  const idleSync = await repeat(repetitions, () => call('GET', syncPath(String(now)), token))
  const initialSync = await repeat(5, () => call('GET', initialSyncPath(), token))
  const start = performance.now()
  await Promise.all(Array.from({ length: 50 }, (_, lane) => repeat(10, (i) => send(`lane-${lane}-${i}`))))
  return { emptyRoundTrip, send: sends, delivery, idleSync, initialSync, sendsPerSecond: 500_000 / (performance.now() - start) }
}

/** Does something several times, one after the other; resolves with how long each took. */
export async function repeat(count: number, work: (i: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await work(i)
    times.push(performance.now() - start)
  }
  return times
}

async function deliveries(call: Call, token: string, send: (i: number) => Promise<Record<string, unknown>>): Promise<number[]> {
  const begun = await call('GET', initialSyncPath(), token)
  let since = String(begun.next_batch)
  const times: number[] = []
  for (let i = 0; i < 100; i++) {
    const sent = Promise.withResolvers<number>()
    const arrival = (async () => {
      for (;;) {
        const answer = await call('GET', syncPath(since, 30_000), token)
        const arrived = performance.now()
        since = String(answer.next_batch)
        // Presence wakes a waiting /sync as well.
        if (bringsEvents(answer)) return arrived - (await sent.promise)
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 30))
    sent.resolve(performance.now())
    await send(i)
    times.push(await arrival)
  }
  return times
}

function bringsEvents({ rooms }: Record<string, unknown>): boolean {
  return JSON.stringify(rooms ?? {}).includes('"m.room.message"')
}

async function inLanes(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atATime }, lane))
}

function sendTo(call: Call, token: string, roomId: string, id: string): Promise<Record<string, unknown>> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${id}`
  return call('PUT', path, token, { msgtype: 'm.text', body: 'a message of a usual length, give or take' })
}

/** A {@link Call} over `fetch`. */
export function caller(baseUrl: string): Call {
  return async (method, path, token, body) => {
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const answer = await response.json()
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
    return answer
  }
}
