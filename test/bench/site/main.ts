import { type Account, type ClientTimes, caller, initialSyncPath, measure, prepare, repeat, type Size, syncPath } from '../workload.ts'

/** What the page measured, in milliseconds; every list is one figure for each repetition. */
export interface Measurements extends ClientTimes {
  readonly strictCommit: readonly number[]
}

/** What a page does, as its address says. */
export type Task = 'prepare' | 'incremental' | 'initial' | 'measure'

/** What a page tells. */
export type Report =
  | { readonly task: 'prepare' }
  /** From the page's first line to the first answer of `/sync`, in milliseconds. */
  | { readonly task: 'incremental' | 'initial'; readonly coldStart: number; readonly bytes: number }
  | ({ readonly task: 'measure' } & Measurements)
  | { readonly failed: string }

const began = performance.now()
const storageKey = 'bench-account'
const call = caller('')

async function main(): Promise<void> {
  const socket = new WebSocket(`ws://${location.host}/results`)
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  const report = await perform(new URLSearchParams(location.search)).catch((error: unknown): Report => ({ failed: String(error) }))
  socket.send(JSON.stringify(report))
}

async function perform(query: URLSearchParams): Promise<Report> {
  await controlled()
  const task = query.get('task')
  if (task === 'prepare') {
    const size = { rooms: Number(query.get('rooms')), messagesPerRoom: Number(query.get('messages')) }
    localStorage.setItem(storageKey, JSON.stringify(await begin(size)))
    return { task }
  }
  const account: Account = JSON.parse(localStorage.getItem(storageKey) ?? '')
  if (task === 'measure') return { task, ...(await measure(call, account)), strictCommit: await commits() }
  const answer = await call('GET', task === 'initial' ? initialSyncPath() : syncPath(account.since), account.token)
  const coldStart = performance.now() - began
  return { task: task === 'initial' ? 'initial' : 'incremental', coldStart, bytes: JSON.stringify(answer).length }
}

/** Resolves once a service worker answers this page. */
async function controlled(): Promise<void> {
  await navigator.serviceWorker.register('/sw.js')
  if (navigator.serviceWorker.controller) return
  await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
}

async function begin(size: Size): Promise<Account> {
  await call('PUT', '/_yurt/settings', '', { rate_limits: false })
  await call('POST', '/_yurt/identity', '', {})
  return prepare(call, { token: await register('bench'), otherToken: await register('other') }, size)
}

async function register(username: string): Promise<string> {
  const account = { username, password: 'a long password', auth: { type: 'm.login.dummy' } }
  return String((await call('POST', '/_matrix/client/v3/register', '', account)).access_token)
}

/** One strict commit of one record in this browser's IndexedDB: the floor under every durable acknowledgement. */
async function commits(): Promise<number[]> {
  const opening = indexedDB.open('bench-floor')
  opening.onupgradeneeded = () => opening.result.createObjectStore('records')
  const database = await new Promise<IDBDatabase>((resolve) => {
    opening.onsuccess = () => resolve(opening.result)
  })
  return repeat(300, (i) => {
    const transaction = database.transaction('records', 'readwrite', { durability: 'strict' })
    transaction.objectStore('records').put('x'.repeat(450), i)
    return new Promise((resolve) => {
      transaction.oncomplete = resolve
    })
  })
}

void main()
