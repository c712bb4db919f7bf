import { proxy, type Remote, transfer, wrap } from 'comlink'
import { leaderIsSilent } from './heartbeat.ts'
import type { HomeserverControl, NodeOptions } from './homeserver-host.ts'
import { campaign } from './leadership.ts'
import type { RunningLibp2p } from './libp2p-node.ts'
import type { PortWanted, ToServiceWorker } from './protocol.ts'
import { relayOfPages } from './relay-of-pages.ts'

/** Outside IndexedDB: tells an origin whose data the browser deleted from one that never had any. */
const identityMark = 'yurt-had-identity'

/** Leads until `signal` aborts or the homeserver worker is of no more use. */
async function lead(signal: AbortSignal): Promise<void> {
  const worker = new Worker(new URL('./homeserver-worker.ts', import.meta.url), { type: 'module', name: 'homeserver' })
  const term = new AbortController()
  try {
    await Promise.race([serve(wrap<HomeserverControl>(worker), term.signal), failed(worker), aborted(signal), leaderIsSilent(term.signal)])
  } finally {
    term.abort()
    worker.terminate()
  }
}

/** Starts the homeserver and what it needs of a window, and resolves with the reason when it has ended. */
async function serve(control: Remote<HomeserverControl>, signal: AbortSignal): Promise<string> {
  void navigator.storage.persist()
  const { port1, port2 } = new MessageChannel()
  let libp2p: RunningLibp2p | undefined
  const hadIdentity = localStorage.getItem(identityMark) !== null
  const options = { worker: crypto.randomUUID(), hadIdentity, federationPort: port1 }
  await control.start(
    transfer(options, [port1]),
    proxy(() => libp2p?.status()),
  )
  offerPorts(control, signal)
  void control.running().then(async (node) => {
    localStorage.setItem(identityMark, 'yes')
    libp2p = await startNode(node, port2, signal)
  })
  return control.ended()
}

/** Gives every service worker that asks, and the one that is there, a port to the homeserver worker. */
function offerPorts(control: Remote<HomeserverControl>, signal: AbortSignal): void {
  const offer = async (to: Pick<ServiceWorker, 'postMessage'>): Promise<void> => {
    const { port1, port2 } = new MessageChannel()
    const message: ToServiceWorker = { type: 'port' }
    to.postMessage(message, [port2])
    await control.attach(transfer(port1, [port1]))
  }
  const answer = ({ data, source }: MessageEvent<PortWanted>): void => {
    if (data.type === 'port-wanted' && source instanceof ServiceWorker) void offer(source)
  }
  navigator.serviceWorker.addEventListener('message', answer, { signal })
  navigator.serviceWorker.startMessages()
  void navigator.serviceWorker.ready.then(({ active }) => active && offer(active))
}

/**
 * Loads and starts libp2p; it stops when `signal` aborts. Whatever client the page shows, the relay that its pages come with is
 * used, and by the token that they come with now.
 */
async function startNode({ identity, settings }: NodeOptions, port: MessagePort, signal: AbortSignal): Promise<RunningLibp2p> {
  const { startLibp2p } = await import('./libp2p-node.ts')
  const { relays = [], webrtc: rtc = true, ice_servers: iceServers = [] } = settings
  const offered = await relayOfPages()
  const isNew = offered !== undefined && relays.every(({ address }) => address !== offered.address)
  const node = await startLibp2p({
    identity,
    port,
    relays: isNew ? [...relays, offered] : relays,
    freshToken: async (address) => {
      const current = await relayOfPages()
      return current?.address === address ? current.token : undefined
    },
    rtc,
    iceServers,
  })
  const stop = () => void node.stop()
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  return node
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function failed(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.onerror = () => resolve()
  })
}

void campaign(lead)
