import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHomeserver, type Homeserver } from '../../src/homeserver.ts'
import { MemoryBlobStore } from '../../src/media/memory-blob-store.ts'
import { type Storage, StorageLost } from '../../src/ports/storage.ts'
import type { JsonObject } from '../../src/spec/json.ts'
import type { MemoryStorage } from '../../src/storage/memory.ts'
import { Replays } from '../../worker/replays.ts'
import { nodeSigner, nodeVerifier } from '../simulation/node-signer.ts'

export const password = 'wonderland-7'
export const sharedSecret = 'registration'
export const byPassword = (user: string) => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user }, password })

export interface Request {
  readonly method: string
  readonly path: string
  readonly body?: JsonObject
  readonly token?: string
}

/** A leader's worker, as far as requests and their repeats go. */
export class Leader {
  readonly #homeserver: Homeserver
  readonly #replays: Replays
  /** What it told whoever runs it. */
  readonly warnings: readonly string[]

  private constructor(homeserver: Homeserver, replays: Replays, warnings: readonly string[]) {
    this.#homeserver = homeserver
    this.#replays = replays
    this.warnings = warnings
  }

  static async start(storage: Storage): Promise<Leader> {
    const warnings: string[] = []
    const homeserver = await createHomeserver({
      storage,
      blobs: new MemoryBlobStore(),
      clock: {
        now: () => Date.now(),
        sleep: (ms, signal) => sleep(ms, undefined, { ref: false, ...(signal ? { signal } : {}) }).catch(() => undefined),
      },
      random: { bytes: (length) => Uint8Array.from(randomBytes(length)) },
      signer: nodeSigner('a.example'),
      verifier: nodeVerifier(),
      transport: {
        request: () => Promise.reject(new Error('there is nobody else')),
        onReachable: () => () => undefined,
        route: () => 'queued',
      },
      logger: { log: (level, message) => void (level === 'warn' && warnings.push(message)) },
      passwordHasher: { hash: async (plain) => plain, verify: async (plain, phc) => plain === phc },
      settings: { incarnation: 1, openRegistration: true, rateLimits: false, maxUploadBytes: 1 << 20, sharedSecret },
    })
    return new Leader(homeserver, await Replays.open(storage), warnings)
  }

  async ask(
    { method, path, body, token }: Request,
    requestId: string = crypto.randomUUID(),
  ): Promise<{ status: number; body: JsonObject }> {
    const response = await this.#replays.once(requestId, (keep) =>
      this.#homeserver.handleClient(
        new globalThis.Request(`http://a.example${path}`, {
          method,
          ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
          ...(method === 'GET' ? {} : { body: JSON.stringify(body ?? {}) }),
        }),
        { trusted: true, address: 'page', keep },
      ),
    )
    return { status: response.status, body: await response.json() }
  }

  /** What has to succeed. */
  async get(token: string, path: string): Promise<JsonObject> {
    return this.call({ method: 'GET', path: `/_matrix/client/v3${path}`, token })
  }

  async call(request: Request): Promise<JsonObject> {
    const { status, body } = await this.ask(request)
    if (status !== 200) throw new Error(`${request.path}: ${status} ${JSON.stringify(body)}`)
    return body
  }

  post(token: string, path: string, body: JsonObject = {}): Promise<JsonObject> {
    return this.call({ method: 'POST', path: `/_matrix/client/v3${path}`, body, token })
  }

  async register(name: string): Promise<string> {
    const { access_token: token } = await this.call(registration(name))
    return String(token)
  }
}

/** A store of which a leader can make so many commits, and is dead then. */
export function dyingAfter(storage: MemoryStorage, commits: number): { storage: Storage; died: () => boolean } {
  let left = commits
  return {
    storage: {
      read: (tables, run) => storage.read(tables, run),
      commit: async (batch) => {
        if (left-- <= 0) throw new StorageLost('the leader was killed')
        await storage.commit(batch)
      },
    },
    died: () => left < 0,
  }
}

export const registration = (username: string): Request => ({
  method: 'POST',
  path: '/_matrix/client/v3/register',
  body: { username, password, auth: { type: 'm.login.dummy' } },
})
