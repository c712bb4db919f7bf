import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHomeserver, type Homeserver } from '../../src/homeserver.ts'
import { MemoryBlobStore } from '../../src/media/memory-blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { FederationTransport } from '../../src/ports/federation-transport.ts'
import { MemoryStorage } from '../../src/storage/memory.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'
import { Client, type Send } from './matrix-client.ts'

export interface YurtOptions {
  readonly federationPort: number
  readonly tls: { readonly cert: string; readonly key: string }
  readonly trustedCa: string
}

const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(Math.min(ms, 2 ** 31 - 1), undefined, { ref: false, ...(signal ? { signal } : {}) }).catch(() => undefined),
}

/** Our homeserver in this process, on memory, that speaks HTTPS to other servers as a relay would do for it. */
export class Yurt {
  readonly serverName: string
  readonly #options: YurtOptions
  readonly #storage = new MemoryStorage()
  readonly #blobs = new MemoryBlobStore()
  #homeserver: Homeserver | undefined
  #close: (() => Promise<void>) | undefined
  readonly lines: string[] = []

  constructor(options: YurtOptions) {
    this.serverName = `localhost:${options.federationPort}`
    this.#options = options
  }

  get running(): Homeserver {
    if (!this.#homeserver) throw new Error('it is not running')
    return this.#homeserver
  }

  /** Starts, or starts again on the same data. */
  async start(): Promise<void> {
    const homeserver = await createHomeserver({
      storage: this.#storage,
      blobs: this.#blobs,
      clock,
      random: { bytes: (length) => Uint8Array.from(randomBytes(length)) },
      signer: nodeSigner(this.serverName),
      verifier: nodeVerifier(),
      transport: httpsTransport(this.#options.trustedCa),
      logger: { log: (level, message, fields) => void this.lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`) },
      passwordHasher: { hash: async (password) => password, verify: async (password, phc) => password === phc },
      settings: { incarnation: 1, openRegistration: true, rateLimits: false, maxUploadBytes: 10 << 20 },
    })
    this.#homeserver = homeserver
    const server = createServer(this.#options.tls, (request, response) => void answer(homeserver, request, response))
    await new Promise<void>((resolve) => server.listen(this.#options.federationPort, '127.0.0.1', resolve))
    this.#close = () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }

  async stop(): Promise<void> {
    await this.#close?.()
    await this.#homeserver?.stop()
    this.#homeserver = undefined
  }

  /** As a page of its origin fetches from it. */
  readonly fetch: typeof fetch = (input, init) =>
    this.running.handleClient(new Request(input, { ...init, ...(init?.body ? { duplex: 'half' } : {}) }), {
      trusted: true,
      address: 'page',
    })

  async register(name: string): Promise<Client> {
    const send: Send = ({ path, ...init }) => this.fetch(`http://yurt${path}`, init)
    const account = { username: name, password: 'secret', auth: { type: 'm.login.dummy' } }
    const registered = await new Client(this.serverName, send).call('POST', '/_matrix/client/v3/register', account)
    const { access_token: token, user_id: userId, device_id: deviceId } = registered
    return new Client(this.serverName, send, { token: String(token), userId: String(userId), deviceId: String(deviceId) })
  }
}

async function answer(homeserver: Homeserver, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/' } = request
  const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
    value === undefined || name === 'connection' || name === 'transfer-encoding' ? [] : [[name, String(value)]],
  )
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = method === 'GET' || method === 'HEAD' ? {} : { body: Buffer.concat(chunks) }
  const answered = await homeserver.handleFederation(new Request(`https://yurt${url}`, { method, headers, ...body }), {
    trusted: false,
    address: 'network',
    uri: url,
  })
  response.writeHead(answered.status, Object.fromEntries(answered.headers))
  response.end(new Uint8Array(await answered.arrayBuffer()))
}

/** HTTPS to `host:port`, as a relay's outbound path does it. */
function httpsTransport(trustedCa: string): FederationTransport {
  const agent = new Agent({ keepAlive: true, ca: trustedCa })
  return {
    request: (to, { method, uri, headers, body }, signal) =>
      new Promise((resolve, reject) => {
        const length = body ? { 'content-length': String(body.byteLength) } : {}
        const outgoing = httpsRequest(
          `https://${to}${uri}`,
          { method, headers: { ...headers, ...length }, agent, signal },
          async (incoming) => {
            const chunks: Uint8Array[] = []
            for await (const chunk of incoming) chunks.push(chunk)
            const received = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)])
            resolve({
              status: incoming.statusCode ?? 500,
              headers: Object.fromEntries(received),
              body: Uint8Array.from(Buffer.concat(chunks)),
            })
          },
        )
        outgoing.on('error', reject)
        outgoing.end(body)
      }),
    onReachable: () => () => undefined,
    route: () => 'https',
  }
}
