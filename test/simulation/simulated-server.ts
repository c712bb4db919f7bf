import { createHomeserver, type Homeserver } from '../../src/homeserver.ts'
import { MemoryBlobStore } from '../../src/media/memory-blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { FederationTransport } from '../../src/ports/federation-transport.ts'
import type { Verifier } from '../../src/ports/signer.ts'
import '../../src/rooms/directory.ts'
import '../../src/rooms/policy-signatures.ts'
import '../../src/rooms/remote-join.ts'
import { CrashingDisk } from './crashing-disk.ts'
import type { Network } from './network.ts'
import { nodeSigner } from './node-signer.ts'
import type { SeededRandom } from './seeded-random.ts'

/** What all servers of a world share. */
export interface Surroundings {
  readonly network: Network
  readonly verifier: Verifier
  readonly random: SeededRandom
  readonly log: (line: string) => void
}

/** A whole homeserver that can lose its power at any commit, and comes back on its disk. */
export class SimulatedServer {
  readonly name: string
  readonly disk: CrashingDisk
  readonly #clock: Clock
  readonly #around: Surroundings
  readonly #random: SeededRandom
  readonly #blobs = new MemoryBlobStore()
  #homeserver: Homeserver | undefined
  #life = 0
  /** What it logged as an error while it was alive: nothing here should go that wrong. */
  readonly errors: string[] = []

  constructor(name: string, clock: Clock, around: Surroundings) {
    this.name = name
    this.#clock = clock
    this.#around = around
    this.#random = around.random.fork()
    this.disk = new CrashingDisk({ clock, random: around.random.fork() })
    this.disk.onCrash = () => this.crash()
  }

  get running(): Homeserver | undefined {
    return this.#homeserver
  }

  /** Starts on what the disk holds. A crash may strike here too: the server is down then. */
  async start(): Promise<void> {
    const life = ++this.#life
    const { network, log } = this.#around
    const homeserver = await this.#create(life).catch((error: unknown) => {
      if (life === this.#life) throw error
    })
    if (!homeserver || life !== this.#life) return
    this.#homeserver = homeserver
    network.attach(this.name, homeserver.handleFederation)
    log(`${this.name} started`)
  }

  async #create(life: number): Promise<Homeserver> {
    const { network, verifier, log } = this.#around
    const homeserver = await createHomeserver({
      storage: this.disk.open(),
      blobs: this.#blobs,
      clock: this.#clock,
      random: this.#random,
      signer: nodeSigner(this.name),
      verifier,
      transport: this.#aliveTransport(network.transport(this.name), life),
      logger: {
        log: (level, message, fields) => {
          const line = `${this.name} ${level} ${message} ${JSON.stringify(fields ?? {})}`
          log(line)
          if (level === 'error' && life === this.#life) this.errors.push(line)
        },
      },
      passwordHasher: { hash: async (password) => password, verify: async (password, phc) => password === phc },
      settings: { incarnation: 1, openRegistration: true, rateLimits: false, maxUploadBytes: 1 << 20 },
    })
    // What is loaded when it is needed takes real time, for which the virtual clock would not wait.
    await homeserver.endpoints()
    return homeserver
  }

  /** Power loss: nothing of this life has any effect from here on. */
  crash(): void {
    this.#life++
    const dead = this.#homeserver
    this.#homeserver = undefined
    this.#around.network.detach(this.name)
    this.disk.crash()
    dead?.stop().catch(() => undefined)
    this.#around.log(`${this.name} crashed`)
  }

  async stop(): Promise<void> {
    this.#around.network.detach(this.name)
    await this.#homeserver?.stop()
  }

  #aliveTransport(transport: FederationTransport, life: number): FederationTransport {
    return {
      ...transport,
      request: (to, request, signal) =>
        life === this.#life ? transport.request(to, request, signal) : Promise.reject(new Error('This server has crashed')),
    }
  }
}
