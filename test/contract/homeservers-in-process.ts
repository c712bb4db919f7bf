import { createHash, randomBytes } from 'node:crypto'
import { createHomeserver, type Homeserver } from '../../src/homeserver.ts'
import { relayName } from '../../src/http/relay-protocol.ts'
import type { Handler } from '../../src/http/router.ts'
import { MemoryBlobStore } from '../../src/media/memory-blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { FederationTransport } from '../../src/ports/federation-transport.ts'
import type { Settings } from '../../src/ports/settings.ts'
import type { Edu } from '../../src/spec/edu.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { Contract } from './specification/contract.ts'

const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const timer = setTimeout(resolve, ms)
      timer.unref()
      signal?.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    }),
}

/** A request that was answered, for a test to look back on. */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly errcode: unknown
}

/** A whole homeserver, with the `fetch` by which a client reaches it. */
export interface InProcessHomeserver {
  readonly name: string
  readonly homeserver: Homeserver
  /** Its two APIs, held against the specification. */
  readonly watched: { readonly client: Handler; readonly federation: Handler }
  readonly storage: MemoryStorage
  readonly exchanges: Exchange[]
  /** What it logged as errors: requests that failed for no reason of the client's. */
  readonly errors: string[]
  readonly fetch: typeof fetch
}

/** Whole homeservers in this process, in real time, that reach each other as long as they are in one network. */
export class InProcessNetwork {
  readonly #servers = new Map<string, InProcessHomeserver>()
  /** What all that was said so far broke of the specification. */
  readonly contracts = { client: new Contract('client-server'), federation: new Contract('server-server') }
  readonly #relay: FederationTransport['request']
  /** Every EDU that any server sent. */
  readonly edus: { readonly from: string; readonly to: string; readonly edu: Edu }[] = []

  /** `relay` answers what homeservers ask of their relay; without it there is none. */
  constructor(relay: FederationTransport['request'] = () => Promise.reject(new Error('there is no relay'))) {
    this.#relay = relay
  }

  /** Stops a homeserver and starts it again on what it stored, as another tab does that comes to lead. */
  async restart({ name, homeserver, storage }: InProcessHomeserver): Promise<InProcessHomeserver> {
    await homeserver.stop()
    return this.start(name, {}, storage)
  }

  async start(name: string, more: Partial<Settings> = {}, storage = new MemoryStorage()): Promise<InProcessHomeserver> {
    const errors: string[] = []
    const homeserver = await createHomeserver({
      storage,
      blobs: new MemoryBlobStore(),
      clock,
      random: { bytes: (length) => Uint8Array.from(randomBytes(length)) },
      signer: nodeSigner(name),
      verifier: nodeVerifier(),
      transport: this.#transport(name),
      logger: { log: (level, message, fields) => void (level === 'error' && errors.push(`${message} ${JSON.stringify(fields)}`)) },
      passwordHasher: { hash: async (password) => sha256(password), verify: async (password, phc) => sha256(password) === phc },
      settings: { incarnation: 1, openRegistration: true, rateLimits: false, maxUploadBytes: 1 << 20, ...more },
    })
    const exchanges: Exchange[] = []
    const { client, federation } = this.contracts
    const watched = { client: client.watch(homeserver.handleClient), federation: federation.watch(homeserver.handleFederation) }
    const started = { name, homeserver, watched, storage, exchanges, errors, fetch: fetchOf(watched.client, exchanges) }
    this.#servers.set(name, started)
    return started
  }

  /** What was broken of the specification since the last call. */
  violations(): string[] {
    return [...this.contracts.client.violations.splice(0), ...this.contracts.federation.violations.splice(0)]
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers.values()].map(({ homeserver }) => homeserver.stop()))
  }

  #transport(from: string): FederationTransport {
    return {
      request: async (to, request, signal) => {
        if (to === relayName) return this.#relay(to, request, signal)
        const { method, uri, headers, body } = request
        const target = this.#servers.get(to)
        if (!target) throw new Error(`${to} cannot be reached`)
        if (body && uri.includes('/v1/send/')) for (const edu of edusOf(body)) this.edus.push({ from, to, edu })
        const asked = new Request(`http://${to}${uri}`, { method, headers, ...(body ? { body } : {}) })
        const response = await target.watched.federation(asked, { trusted: false, address: from, uri })
        const answer = new Uint8Array(await response.arrayBuffer())
        return { status: response.status, headers: Object.fromEntries(response.headers), body: answer }
      },
      onReachable: () => () => undefined,
      route: () => 'direct',
    }
  }
}

function fetchOf(handle: Handler, exchanges: Exchange[]): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, { ...init, ...(init?.body ? { duplex: 'half' } : {}) })
    const response = await handle(request, { trusted: true, address: 'page' })
    const failed: JsonObject = response.ok ? {} : await response.clone().json()
    exchanges.push({ method: request.method, path: new URL(request.url).pathname, status: response.status, errcode: failed.errcode })
    return response
  }
}

function edusOf(body: Uint8Array): Edu[] {
  const { edus = [] }: { edus?: Edu[] } = JSON.parse(new TextDecoder().decode(body))
  return edus
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
