/** What the page measured, in milliseconds; every list is one figure for each repetition. */
export interface Measurements {
  /** From the page's first line to the first answered `/sync` of the newcomer, and of the returning user. */
  readonly coldStart: number
  readonly emptyRoundTrip: readonly number[]
  readonly strictCommit: readonly number[]
  readonly send: readonly number[]
  /** From sending to the event's arrival in another waiting `/sync`. */
  readonly delivery: readonly number[]
  /** `/sync` with nothing new, not waiting. */
  readonly idleSync: readonly number[]
  readonly sendsPerSecond: number
}

interface Session {
  readonly token: string
  readonly roomId: string
  readonly since: string
}

const repetitions = 300
const began = performance.now()

async function main(): Promise<void> {
  const socket = new WebSocket(`ws://${location.host}/results`)
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  try {
    await controlled()
    const kept = localStorage.getItem('bench-session')
    if (kept === null) {
      localStorage.setItem('bench-session', JSON.stringify(await begin()))
      socket.send(JSON.stringify({ begun: true }))
    } else socket.send(JSON.stringify(await measure(JSON.parse(kept))))
  } catch (error) {
    socket.send(JSON.stringify({ failed: String(error) }))
  }
}

/** Resolves once a service worker answers this page. */
async function controlled(): Promise<void> {
  await navigator.serviceWorker.register('/sw.js')
  if (navigator.serviceWorker.controller) return
  await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
}

async function begin(): Promise<Session> {
  await call('PUT', '/_yurt/settings', '', { rate_limits: false })
  await call('POST', '/_yurt/identity', '', {})
  const registered = await call('POST', '/_matrix/client/v3/register', '', {
    username: 'bench',
    password: 'a long password',
    auth: { type: 'm.login.dummy' },
  })
  const token = String(registered.access_token)
  const room = await call('POST', '/_matrix/client/v3/createRoom', token, { preset: 'private_chat' })
  const sync = await call('GET', '/_matrix/client/v3/sync?timeout=0', token)
  return { token, roomId: String(room.room_id), since: String(sync.next_batch) }
}

async function measure({ token, roomId, since }: Session): Promise<Measurements> {
  await call('GET', `/_matrix/client/v3/sync?timeout=0&since=${since}`, token)
  const coldStart = performance.now() - began
  const path = (id: string) => `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${id}`
  const send = (id: string) => call('PUT', path(id), token, { msgtype: 'm.text', body: 'a message of a usual length, give or take' })
  const run = crypto.randomUUID()
  await repeat(50, (i) => send(`${run}-warm-${i}`))
  const emptyRoundTrip = await repeat(repetitions, () => call('GET', '/_matrix/client/versions', ''))
  const strictCommit = await commits()
  const sends = await repeat(repetitions, (i) => send(`${run}-${i}`))
  const delivery = await deliveries({ token, roomId, since }, (i) => send(`${run}-delivery-${i}`))
  const { next_batch: now } = await call('GET', '/_matrix/client/v3/sync?timeout=0', token)
  const idleSync = await repeat(repetitions, () => call('GET', `/_matrix/client/v3/sync?timeout=0&since=${now}`, token))
  const start = performance.now()
  await Promise.all(Array.from({ length: 50 }, (_, lane) => repeat(20, (i) => send(`${run}-lane-${lane}-${i}`))))
  const sendsPerSecond = 1000 / ((performance.now() - start) / 1000)
  return { coldStart, emptyRoundTrip, strictCommit, send: sends, delivery, idleSync, sendsPerSecond }
}

async function repeat(count: number, work: (i: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await work(i)
    times.push(performance.now() - start)
  }
  return times
}

/** One strict commit of one record in this browser's IndexedDB: the floor under every durable acknowledgement. */
async function commits(): Promise<number[]> {
  const opening = indexedDB.open('bench-floor')
  opening.onupgradeneeded = () => opening.result.createObjectStore('records')
  const database = await new Promise<IDBDatabase>((resolve) => {
    opening.onsuccess = () => resolve(opening.result)
  })
  return repeat(repetitions, (i) => {
    const transaction = database.transaction('records', 'readwrite', { durability: 'strict' })
    transaction.objectStore('records').put('x'.repeat(450), i)
    return new Promise((resolve) => {
      transaction.oncomplete = resolve
    })
  })
}

async function deliveries({ token }: Session, send: (i: number) => Promise<unknown>): Promise<number[]> {
  let { next_batch: since } = await call('GET', '/_matrix/client/v3/sync?timeout=0', token)
  const times: number[] = []
  for (let i = 0; i < 100; i++) {
    const waiting = call('GET', `/_matrix/client/v3/sync?timeout=30000&since=${since}`, token)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const start = performance.now()
    const sending = send(i)
    const answer = await waiting
    times.push(performance.now() - start)
    await sending
    since = answer.next_batch
  }
  return times
}

async function call(method: string, path: string, token: string, body?: object): Promise<Record<string, unknown>> {
  const response = await fetch(path, {
    method,
    headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}

void main()
