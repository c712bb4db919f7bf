import { viewRoom, World } from './world.ts'

/** How one run went. */
export interface Outcome {
  readonly seed: number
  readonly trace: readonly string[]
  /** What was promised and did not hold; none for a good run. */
  readonly faults: readonly string[]
  /** Whether the servers ever disagreed: a run without divergence proves nothing. */
  readonly diverged: boolean
}

/** What a run is made of. */
export interface Plan {
  readonly servers: number
  readonly rounds: number
  readonly versions: readonly string[]
}

/**
 * Homeservers share a room, talk through a faulty network, are cut apart, crash at some commit and come back. Once all is well
 * again and each has spoken once more, they must agree on everything, and no client may miss a message or see one twice.
 */
export async function runScenario(seed: number, plan: Plan): Promise<Outcome> {
  const world = new World(seed, plan.servers)
  const run = new Run(world, plan)
  try {
    const roomId = await run.begin()
    await run.trouble(roomId)
    const diverged = await run.disagree(roomId)
    await run.heal(roomId)
    return { seed, trace: world.trace, faults: await run.verify(roomId), diverged }
  } catch (error) {
    return { seed, trace: world.trace, faults: [error instanceof Error ? (error.stack ?? error.message) : String(error)], diverged: true }
  } finally {
    await world.stop().catch(() => undefined)
  }
}

class Run {
  readonly #world: World
  readonly #plan: Plan
  readonly #talk: Promise<unknown>[] = []

  constructor(world: World, plan: Plan) {
    this.#world = world
    this.#plan = plan
  }

  /** Everyone registers, one makes a room, all join it. */
  async begin(): Promise<string> {
    const world = this.#world
    for (const server of world.servers) await world.during(server.start())
    for (const client of world.clients) await world.during(client.register())
    const [founder, ...others] = world.clients
    if (!founder) throw new Error('a world needs servers')
    const version = world.random.pick(this.#plan.versions)
    const power = { users_default: 50 }
    const body = { preset: 'public_chat', room_version: version, power_level_content_override: power }
    const roomId = String((await world.during(founder.must('POST', '/v3/createRoom', body))).body.room_id)
    for (const client of others) {
      await world.during(client.must('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${founder.server.name}`, {}))
    }
    await world.quiet()
    return roomId
  }

  /** Rounds of talk with faults between them. */
  async trouble(roomId: string): Promise<void> {
    const { random, network, clock } = this.#world
    network.faults = { loss: 0.1, duplicate: 0.1, maxDelayMs: 500 }
    this.#cutSomewhere()
    for (let round = 0; round < this.#plan.rounds; round++) {
      for (const client of this.#world.clients) if (random.chance(0.7)) this.#speak(client, roomId, round)
      if (random.chance(0.4)) this.#changeState(roomId, round)
      if (random.chance(0.3) || round === 1) random.pick(this.#world.servers).disk.crashAfter(random.between(1, 6))
      if (random.chance(0.3)) this.#cutSomewhere()
      await clock.run(random.between(100, 3_000))
      for (const server of this.#world.servers) if (!server.running && random.chance(0.7)) await this.#restart(server)
    }
  }

  /** Whether any two servers hold different things now. */
  async disagree(roomId: string): Promise<boolean> {
    const views = await Promise.all(this.#world.servers.map((server) => viewRoom(server, roomId)))
    return new Set(views.map(({ extremities }) => extremities.join())).size > 1
  }

  /** The network is whole, all are up, every message is answered, and each server speaks once more. */
  async heal(roomId: string): Promise<void> {
    const world = this.#world
    world.network.heal()
    for (const server of world.servers) {
      server.disk.crashAfter(Number.POSITIVE_INFINITY)
      if (!server.running) await this.#restart(server)
    }
    await world.during(Promise.all(this.#talk))
    await world.quiet()
    for (const client of world.clients) {
      await world.during(client.say(roomId, `last words of ${client.name}`, () => world.clock.sleep(100)))
      await world.quiet()
    }
    for (const client of world.clients) await world.during(client.catchUp())
  }

  async verify(roomId: string): Promise<string[]> {
    const views = await Promise.all(this.#world.servers.map((server) => viewRoom(server, roomId)))
    const [first] = views
    if (!first) return ['no servers']
    const faults: string[] = []
    for (const [i, view] of views.entries()) {
      const name = this.#world.servers[i]?.name
      if (view.state !== first.state) faults.push(`${name} resolved another state`)
      if (view.extremities.join() !== first.extremities.join())
        faults.push(`${name} has other extremities: ${view.extremities.join()}, not ${first.extremities.join()}`)
      for (const [eventId, status] of first.verdicts) {
        const other = view.verdicts.get(eventId)
        if (other === undefined) faults.push(`${name} lacks ${eventId}`)
        else if (other !== status) this.#world.trace.push(`${name} holds ${eventId} for ${other}, not ${status}`)
        if (other !== undefined && (other === 'rejected') !== (status === 'rejected'))
          faults.push(`${name} holds ${eventId} for ${other}, not ${status}`)
      }
      for (const eventId of view.verdicts.keys()) if (!first.verdicts.has(eventId)) faults.push(`only ${name} has ${eventId}`)
    }
    return [...faults, ...this.#clientFaults(roomId, views)]
  }

  #clientFaults(roomId: string, views: readonly { readonly verdicts: ReadonlyMap<string, string> }[]): string[] {
    const said = this.#world.clients.flatMap((client) => client.acknowledged.get(roomId) ?? [])
    const faults: string[] = []
    if (new Set(said).size !== said.length) faults.push('two messages were given one event id')
    for (const [i, client] of this.#world.clients.entries()) {
      const seen = (client.seen.get(roomId) ?? []).map(({ event_id }) => event_id)
      if (new Set(seen).size !== seen.length) faults.push(`${client.userId} was shown an event twice`)
      const missing = said.filter((eventId) => !seen.includes(eventId) && views[i]?.verdicts.get(eventId) === 'accepted')
      if (missing.length > 0) faults.push(`${client.userId} was never shown ${missing.join()}`)
    }
    return faults
  }

  #speak(client: World['clients'][number], roomId: string, round: number): void {
    const text = `${client.name} in round ${round}`
    this.#talk.push(client.say(roomId, text, () => this.#world.clock.sleep(500)))
  }

  #changeState(roomId: string, round: number): void {
    const client = this.#world.random.pick(this.#world.clients)
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.topic/`
    this.#talk.push(client.ask('PUT', path, { topic: `${client.name} ${round}` }))
  }

  #cutSomewhere(): void {
    const { servers, random, network } = this.#world
    const [from, to] = [random.pick(servers), random.pick(servers)]
    if (from === to) return
    network.cut(from.name, to.name)
    if (random.chance(0.5)) network.cut(to.name, from.name)
  }

  async #restart(server: World['servers'][number]): Promise<void> {
    await this.#world.during(server.start())
  }
}
