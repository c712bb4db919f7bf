import type { Homeserver } from '../src/homeserver.ts'
import type { KeepAnswer } from '../src/http/endpoint.ts'
import type { BlobStore } from '../src/ports/blob-store.ts'
import type { HomeserverPorts } from '../src/ports/homeserver-ports.ts'
import { put, type StorageLost } from '../src/ports/storage.ts'
import { openBlobStore } from './blob-store.ts'
import { serveBridge } from './bridge-server.ts'
import { browserClock, browserRandom, consoleLogger } from './browser-ports.ts'
import { answerControl, type Controlled, type HostState, isControlPath, type Surroundings } from './control-api.ts'
import { connectFederation } from './federation-bridge.ts'
import { createFederationEnd } from './federation-end.ts'
import { Fence } from './fence.ts'
import { startHeartbeat } from './heartbeat.ts'
import { type Identity, signerOf } from './identity.ts'
import { IndexedDbStorage } from './indexeddb-storage.ts'
import { type Instance, readInstance, storeIdentity } from './instance.ts'
import type { Libp2pStatus } from './libp2p-node.ts'
import { createPasswordHasher } from './password-hasher.ts'
import { type BridgeRequest, lifeLock, type NodeIdentity } from './protocol.ts'
import { Replays } from './replays.ts'
import { allMigrations, storedSettings, supersededBy } from './schema.ts'
import { SignatureThread } from './signature-thread.ts'
import { type StoredSettings, settingsOf } from './stored-settings.ts'
import { Vouching } from './vouching.ts'
import { createVerifier } from './webcrypto-verifier.ts'

/** What the tab host hands to the worker that it starts. */
export interface StartOptions {
  /** A random name: that of the worker's life lock. */
  readonly worker: string
  /** Whether a mark outside IndexedDB says that this browser had a homeserver. */
  readonly hadIdentity: boolean
  /** The worker's end of the federation port. */
  readonly federationPort: MessagePort
}

/** How the leader's window is connected, for people. */
type Connections = () => Promise<Libp2pStatus | undefined> | Libp2pStatus | undefined

/** What the leader's window needs to start libp2p. */
export interface NodeOptions {
  readonly identity: NodeIdentity
  readonly settings: StoredSettings
}

/** All that is there before there is an identity. */
interface Premises {
  readonly storage: IndexedDbStorage
  readonly blobs: BlobStore
  readonly fence: Fence
  readonly options: StartOptions
  readonly connections: Connections
}

const databaseName = 'yurt'
/** By then the first clients have what they came for. */
const loadRestAfterMs = 10_000
const reasons: Readonly<Record<HostState, string>> = {
  'no-identity': 'This homeserver has not been set up yet',
  lost: 'The identity of this homeserver is gone: restore it, or begin anew',
  superseded: 'A restored copy of this homeserver runs elsewhere',
  running: '',
}

/** The life of a homeserver in its worker: opened, given an identity or not, running, ended. The tab host controls it. */
export class HomeserverHost implements Controlled {
  readonly #create: (ports: HomeserverPorts) => Promise<Homeserver>
  readonly #node = Promise.withResolvers<NodeOptions>()
  readonly #ended = Promise.withResolvers<string>()
  readonly #vouching = new Vouching()
  #replays = new Replays()
  readonly #ports = new Set<MessagePort>()
  #premises: Premises | undefined
  #instance: Instance | undefined
  #homeserver: Homeserver | undefined
  #stopHeartbeat: () => void

  constructor(create: (ports: HomeserverPorts) => Promise<Homeserver>) {
    this.#create = create
    this.#stopHeartbeat = startHeartbeat(async () => this.#premises?.fence.pass())
  }

  /** Opens the storage, takes the next epoch and the life lock, and runs the homeserver if it has an identity. */
  async start(options: StartOptions, connections: Connections): Promise<void> {
    const storage = await IndexedDbStorage.open(databaseName, allMigrations)
    storage.onLost((lost) => this.#end(lost))
    const blobs = await openBlobStore(`${databaseName}-media`)
    this.#premises = { storage, blobs, fence: new Fence(() => storage.isOurs()), options, connections }
    await holdLifeLock(options.worker)
    this.#replays = await Replays.open(storage)
    this.#instance = await readInstance(storage)
    if (this.state === 'running') await this.#run(this.#instance)
  }

  /** Serves a service worker over `port`. */
  async attach(port: MessagePort): Promise<void> {
    const { storage, fence, options } = this.#opened()
    this.#ports.add(port)
    port.addEventListener('close', () => this.#ports.delete(port))
    await serveBridge(port, {
      hello: { type: 'hello', worker: options.worker, epoch: storage.epoch },
      answer: (request, signal) => this.#answer(request, signal),
      pass: () => fence.pass(),
    })
  }

  /** Resolves once the homeserver runs. */
  running(): Promise<NodeOptions> {
    return this.#node.promise
  }

  /** Resolves with the reason once this worker is of no more use. */
  ended(): Promise<string> {
    return this.#ended.promise
  }

  get state(): HostState {
    const { identity, isSuperseded, holdsData } = this.#instance ?? {}
    if (!identity) return holdsData || this.#premises?.options.hadIdentity ? 'lost' : 'no-identity'
    return isSuperseded ? 'superseded' : 'running'
  }

  get instance(): Instance | undefined {
    return this.#instance
  }

  async surroundings(): Promise<Surroundings> {
    const { storage, blobs, connections: connected } = this.#opened()
    const [estimate, persisted, media, connections, queues] = await Promise.all([
      navigator.storage.estimate(),
      navigator.storage.persisted(),
      blobs.usage(),
      connected(),
      this.#homeserver?.queues() ?? [],
    ])
    return {
      epoch: storage.epoch,
      storage: { usage_bytes: estimate.usage, quota_bytes: estimate.quota, media_bytes: media.bytes, persisted },
      connections,
      queues,
      joins: this.#homeserver?.joins() ?? [],
    }
  }

  async adopt(identity: Identity, { fresh }: { readonly fresh: boolean }): Promise<void> {
    const { storage } = this.#opened()
    await storeIdentity(storage, identity, { fresh })
    this.#instance = await readInstance(storage)
    await this.#run(this.#instance)
  }

  async configure(settings: StoredSettings): Promise<void> {
    const { storage } = this.#opened()
    if (JSON.stringify(settings) === JSON.stringify(this.#instance?.settings)) return
    await storage.commit([put(storedSettings, 'self', settings)], 'strict')
    // Unanswered, the request comes again, to the next worker, which finds nothing to change.
    if (this.#homeserver) await storage.close()
    else this.#instance = await readInstance(storage)
  }

  async #answer(request: BridgeRequest, signal: AbortSignal): Promise<Response> {
    const { requestId } = request
    const run = (keep?: KeepAnswer) => this.#handle(request, { signal, ...(keep ? { keep } : {}) })
    return requestId === undefined ? run() : this.#replays.once(requestId, run)
  }

  async #handle(bridged: BridgeRequest, { signal, keep }: { readonly signal: AbortSignal; readonly keep?: KeepAnswer }): Promise<Response> {
    const { method, url, body } = bridged
    const headers = this.#vouching.headersFor(bridged)
    // A body that is a stream needs `duplex`, which the type does not know.
    const request = new Request(url, { method, headers, signal, ...(body ? { body, duplex: 'half' } : {}) })
    if (isControlPath(url)) return answerControl(request, this)
    if (!this.#homeserver) return Response.json({ errcode: 'M_UNKNOWN', error: reasons[this.state] || 'Starting' }, { status: 503 })
    const response = await this.#homeserver.handleClient(request, { trusted: true, address: 'page', ...(keep ? { keep } : {}) })
    this.#vouching.note(bridged, response.status)
    return response
  }

  async #run({ identity, settings }: Instance): Promise<void> {
    if (!identity) return
    const { storage, blobs, fence, options } = this.#opened()
    const pass = () => fence.pass()
    const signer = signerOf(identity, pass)
    const made = Promise.withResolvers<Homeserver>()
    const superseded = (incarnation: number) => void this.#giveWay(incarnation)
    const end = createFederationEnd({ signer, homeserver: made.promise, pass, superseded })
    const transport = connectFederation(options.federationPort, end)
    this.#homeserver = await this.#create({
      storage,
      blobs,
      clock: browserClock,
      random: browserRandom,
      signer,
      verifier: createVerifier(crypto.subtle, new SignatureThread()),
      transport: {
        ...transport,
        request: async (to, request, signal) => {
          await pass()
          return transport.request(to, request, signal)
        },
      },
      logger: consoleLogger,
      passwordHasher: createPasswordHasher({ random: browserRandom, fast: settings.fast_password_hash ?? false }),
      // Loaded with the first picture.
      thumbnailer: { thumbnail: async (...picture) => (await import('./thumbnailer.ts')).browserThumbnailer.thumbnail(...picture) },
      settings: settingsOf(settings, identity.incarnation),
    })
    made.resolve(this.#homeserver)
    const { serverName, publicKey, incarnation } = identity
    void this.#loadRest(this.#homeserver)
    this.#node.resolve({ identity: { serverName, publicKey, incarnation }, settings })
  }

  /** Loads what no request needed yet: the next version of the pages takes the files of this one away. */
  async #loadRest(homeserver: Homeserver): Promise<void> {
    await browserClock.sleep(loadRestAfterMs)
    await homeserver.endpoints().catch((failure: unknown) => consoleLogger.log('warn', 'cannot load the rest', { reason: String(failure) }))
  }

  /** Two copies never sign for one name: the lower incarnation stops, and stays so. */
  async #giveWay(incarnation: number): Promise<void> {
    const { storage } = this.#opened()
    if (incarnation <= (this.#instance?.identity?.incarnation ?? 0)) return
    await storage.commit([put(supersededBy, 'self', incarnation)], 'strict')
    await storage.close()
  }

  #opened(): Premises {
    if (!this.#premises) throw new Error('the host has not been started')
    return this.#premises
  }

  #end(lost: StorageLost): void {
    this.#premises?.fence.close(lost)
    this.#stopHeartbeat()
    for (const port of this.#ports) port.close()
    this.#ended.resolve(lost.message)
    this.#homeserver?.stop().catch(() => undefined)
  }
}

/** What the tab host calls. */
export type HomeserverControl = Pick<HomeserverHost, 'start' | 'attach' | 'running' | 'ended'>

/** Resolves once the lock is held, which it is from then on until the worker dies. */
function holdLifeLock(worker: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const forever = new Promise<never>(() => undefined)
    navigator.locks
      .request(lifeLock(worker), () => {
        resolve()
        return forever
      })
      .catch(reject)
  })
}
