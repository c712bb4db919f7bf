import { Network } from './network.ts'
import { nodeVerifier } from './node-signer.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedClient } from './simulated-client.ts'
import { SimulatedServer } from './simulated-server.ts'
import { TransactionLedger } from './transaction-ledger.ts'
import { VirtualClock } from './virtual-clock.ts'

const start = 1_700_000_000_000

/** A room that the simulation made. */
export interface SimulatedRoom {
  readonly roomId: string
  readonly version: string
}

/** Several homeservers, users on them, and the network between them: decided by one seed. */
export class World {
  readonly random: SeededRandom
  readonly clock = new VirtualClock(start)
  readonly transactions = new TransactionLedger()
  readonly network: Network
  readonly servers: SimulatedServer[] = []
  readonly clients: SimulatedClient[] = []
  readonly rooms: SimulatedRoom[] = []
  /** What happened, line by line: the same for the same seed. */
  readonly trace: string[] = []

  constructor(random: SeededRandom, size: { readonly servers: number; readonly clients: number }) {
    this.random = random
    this.network = new Network(this.clock, random.fork(), this.transactions)
    const log = (line: string) => this.note(line)
    const around = { network: this.network, verifier: nodeVerifier(), random, log }
    for (let i = 0; i < size.servers; i++) {
      const skewMs = random.chance(0.2) ? random.between(-600_000, 600_000) : random.between(-30_000, 30_000)
      this.servers.push(new SimulatedServer(`s${i}.example`, this.clock.skewed(skewMs), around))
    }
    for (let i = 0; i < size.clients; i++) {
      const server = this.servers[i] ?? random.pick(this.servers)
      this.clients.push(new SimulatedClient(server, `user${i}`, { clock: this.clock, random: random.fork() }))
    }
  }

  note(line: string): void {
    this.trace.push(`${this.clock.now() - start} ${line}`)
  }

  /** Runs `work` while time passes. Throws what it throws, and when it does not end within a virtual hour. */
  async during<T>(work: Promise<T>): Promise<T> {
    let over = false
    const done = work.finally(() => {
      over = true
    })
    done.catch(() => undefined)
    for (let step = 0; !over && step < 36_000; step++) await this.clock.run(100)
    if (!over) throw new Error('the simulation hangs')
    return done
  }

  /** Runs until every server has dealt with all that came and nothing waits to be sent. */
  async quiet(): Promise<void> {
    for (let round = 0; round < 200; round++) {
      await this.clock.run(1_000)
      await this.during(Promise.all(this.servers.map(({ running }) => running?.idle())))
      const waiting = await this.during(Promise.all(this.servers.map(({ running }) => running?.queues() ?? [])))
      if (waiting.flat().length === 0) return
    }
    throw new Error('the queues never emptied')
  }

  async stop(): Promise<void> {
    await this.during(Promise.all(this.servers.map((server) => server.stop())))
  }
}
