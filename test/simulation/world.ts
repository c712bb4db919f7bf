import { type EventRecord, RoomStore } from '../../src/rooms/room-store.ts'
import { Network } from './network.ts'
import { nodeVerifier } from './node-signer.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClient } from './simulated-client.ts'
import { SimulatedServer } from './simulated-server.ts'
import { VirtualClock } from './virtual-clock.ts'

/** Several homeservers, a user on each, and the network between them: decided by one seed. */
export class World {
  readonly random: SeededRandom
  readonly clock = new VirtualClock(1_700_000_000_000)
  readonly network: Network
  readonly servers: SimulatedServer[] = []
  readonly clients: SimulatedClient[] = []
  /** What happened, line by line: the same for the same seed. */
  readonly trace: string[] = []

  constructor(seed: number, size: number) {
    this.random = new SeededRandom(seed)
    this.network = new Network(this.clock, this.random.fork())
    const log = (line: string) => this.trace.push(`${this.clock.now() - 1_700_000_000_000} ${line}`)
    const around = { network: this.network, verifier: nodeVerifier(), random: this.random, log }
    for (let i = 0; i < size; i++) {
      const server = new SimulatedServer(`s${i}.example`, this.clock.skewed(this.random.between(-30_000, 30_000)), around)
      this.servers.push(server)
      this.clients.push(new SimulatedClient(server, `user${i}`))
    }
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
      await this.clock.run(2_000)
      const waiting = await this.during(Promise.all(this.servers.map(({ running }) => running?.queues() ?? [])))
      if (waiting.flat().length === 0) return
    }
    throw new Error('the queues never emptied')
  }

  async stop(): Promise<void> {
    await this.during(Promise.all(this.servers.map((server) => server.stop())))
  }
}

/** What a server holds of a room: read from its disk by fresh eyes. */
export interface RoomView {
  readonly state: string
  readonly extremities: readonly string[]
  /** Event id → status, for every event with a place in the graph. */
  readonly verdicts: ReadonlyMap<string, string>
}

export async function viewRoom(server: SimulatedServer, roomId: string): Promise<RoomView> {
  const store = new RoomStore(server.disk.inspect())
  const room = await store.room(roomId)
  if (!room) throw new Error(`${server.name} does not have ${roomId}`)
  const records: EventRecord[] = await store.timeline(roomId, { direction: 'forwards', limit: 100_000 })
  return {
    state: room.state.root,
    extremities: [...room.forwardExtremities].sort(),
    verdicts: new Map(records.map(({ event, stored }) => [event.eventId, stored.status])),
  }
}
